/** `mini save`. */

import { MiniError } from "../ffi/errors.ts";
import { emitImage } from "../engine/events.ts";
import { type ArchiveFormat, chooseImages, saveArchive, saveFolder } from "../images/archive_save.ts";
import { Store } from "../images/store.ts";
import { checkOutput, writeArchive } from "./archive_output.ts";
import type { Invocation } from "./command.ts";

/** Saves images as an archive, to a file or to standard output. */
export default async function save({ flags, args, globals }: Invocation): Promise<number> {
  const store = new Store(globals.root);
  const format = flags.string("format")!, path = flags.string("output");
  if (format === "oci-dir") {
    if (path === undefined) throw new MiniError("a folder cannot be written to standard output: name it with -o");
    const chosen = chooseImages(store, args);
    await saveFolder(store, chosen, path);
    tell(globals.state, chosen);
    return 0;
  }
  checkOutput(path);
  const chosen = chooseImages(store, args);
  await writeArchive(path, (output) => saveArchive(store, chosen, format as ArchiveFormat, output));
  tell(globals.state, chosen);
  return 0;
}

function tell(state: string, chosen: ReturnType<typeof chooseImages>): void {
  for (const { image } of chosen) emitImage(state, "save", image.id);
}
