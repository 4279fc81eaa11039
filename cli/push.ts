/** `mini push`. */

import { MiniError } from "../ffi/errors.ts";
import { emitImage } from "../engine/events.ts";
import { allTags, push as pushImages } from "../images/push.ts";
import { familiarName, familiarReference, parseReference, withDefaultTag } from "../images/reference.ts";
import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";
import { progressOf, registriesOf } from "./registry_flags.ts";

/** Uploads an image, or with `-a` every image of a repository that is here. */
export default async function push({ flags, args, globals }: Invocation): Promise<number> {
  const reference = parseReference(args[0]!);
  if (reference.digest !== undefined) throw new MiniError("an image is pushed by its tag, not by a digest");
  const isAll = flags.boolean("all-tags");
  if (isAll && reference.tag !== undefined) throw new MiniError("with --all-tags the name cannot have a tag");
  const store = new Store(globals.root);
  const references = isAll ? allTags(store, reference) : [withDefaultTag(reference)];
  const progress = progressOf(flags);
  if (!isAll && reference.tag === undefined) progress.message("Using default tag: latest");
  const results = await pushImages(store, references, { progress, config: await registriesOf(flags) });
  for (const { name } of results) {
    const pushed = parseReference(name);
    emitImage(globals.state, "push", familiarReference(pushed), familiarName(pushed));
  }
  if (flags.boolean("quiet")) write(results.map(({ name }) => `${name}\n`).join(""));
  return 0;
}
