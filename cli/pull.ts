/** `mini pull`. */

import { MiniError } from "../ffi/errors.ts";
import { emitImage } from "../engine/events.ts";
import { type PullOptions, pullWith } from "../images/pull.ts";
import { originEndpoint } from "../images/mirrors.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from "../images/reference.ts";
import { RegistryClient } from "../images/registry_client.ts";
import { listTags } from "../images/registry_push.ts";
import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";
import { progressOf, registriesOf } from "./registry_flags.ts";

/** Downloads an image, or with `-a` every tagged image of a repository. */
export default async function pull({ flags, args, globals }: Invocation): Promise<number> {
  const reference = parseReference(args[0]!);
  const isAll = flags.boolean("all-tags");
  if (isAll && (reference.tag !== undefined || reference.digest !== undefined)) {
    throw new MiniError("with --all-tags the name cannot have a tag or a digest");
  }
  const progress = progressOf(flags);
  const config = await registriesOf(flags, true);
  const options: PullOptions = { platform: flags.string("platform"), progress, config };
  const store = new Store(globals.root);
  using client = new RegistryClient({ config });
  const wanted = isAll
    ? (await listTags(client, originEndpoint(reference.domain, config), reference)).map((tag) => ({
      ...reference,
      tag,
    }))
    : [withDefaultTag(reference)];
  if (wanted.length === 0) throw new MiniError(`the repository ${familiarName(reference)} has no tags`);
  if (!isAll && reference.tag === undefined && reference.digest === undefined) {
    progress.message("Using default tag: latest");
  }
  for (const one of wanted) {
    const { name } = await pullWith(client, store, one, options);
    emitImage(globals.state, "pull", familiarReference(one), familiarName(one));
    if (!isAll) write(`${name}\n`);
  }
  if (isAll) write(`${formatReference(reference)}\n`);
  return 0;
}
