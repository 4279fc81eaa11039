/** `mini load`. */

import { emitImage } from "../engine/events.ts";
import { familiarReference, parseReference } from "../images/reference.ts";
import { loadImages } from "../images/archive_load.ts";
import { openFolder, spoolArchive } from "../images/archive_source.ts";
import { Store } from "../images/store.ts";
import { openInput, standardInput } from "./archive_input.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";

/** Loads images from an archive, from a file or from standard input. */
export default async function load({ flags, globals }: Invocation): Promise<number> {
  const store = new Store(globals.root);
  const path = flags.string("input");
  const isFolder = path !== undefined && await Deno.stat(path).then((info) => info.isDirectory, () => false);
  const what = path ?? "the archive";
  using source = isFolder ? openFolder(path) : await spoolArchive(
    store,
    path === undefined ? standardInput("name a file with -i") : await openInput(path),
    what,
  );
  for (const { id, names } of await loadImages(store, source, what)) {
    emitImage(globals.state, "load", id);
    if (flags.boolean("quiet")) continue;
    for (const name of names) write(`Loaded image: ${familiarReference(parseReference(name))}\n`);
    if (names.length === 0) write(`Loaded image ID: ${id}\n`);
  }
  return 0;
}
