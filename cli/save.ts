/** `mini save`. */

import { MiniError } from "../ffi/errors.ts";
import { type ArchiveFormat, chooseImages, saveArchive, saveFolder } from "../images/archive_save.ts";
import { Store } from "../images/store.ts";
import type { Invocation } from "./command.ts";

/** Saves images as an archive, to a file or to standard output. */
export default async function save({ flags, args, globals }: Invocation): Promise<number> {
  const store = new Store(globals.root);
  const format = flags.string("format")!, path = flags.string("output");
  if (format === "oci-dir") {
    if (path === undefined) throw new MiniError("a folder cannot be written to standard output: name it with -o");
    await saveFolder(store, chooseImages(store, args), path);
    return 0;
  }
  if (path === undefined && Deno.stdout.isTerminal()) {
    throw new MiniError("an archive is not for a terminal: name a file with -o, or redirect the output");
  }
  const chosen = chooseImages(store, args);
  if (path === undefined) {
    await saveArchive(store, chosen, format as ArchiveFormat, (bytes) => writeAll(Deno.stdout, bytes));
    return 0;
  }
  // Under another name until it is whole; a device such as /dev/null is written directly.
  const isSpecial = await Deno.stat(path).then((info) => !info.isFile, () => false);
  const target = isSpecial ? path : `${path}.tmp-${crypto.randomUUID()}`;
  try {
    using file = await Deno.open(target, { write: true, create: true });
    await saveArchive(store, chosen, format as ArchiveFormat, (bytes) => writeAll(file, bytes));
  } catch (error) {
    if (!isSpecial) await Deno.remove(target).catch(() => {}); // perhaps never made: the first failure is the one to tell
    if (error instanceof Error && !(error instanceof MiniError) && "code" in error) {
      throw new MiniError(`${path} cannot be written: ${error.message.replace(/ \(os error \d+\).*$/, "")}`);
    }
    throw error;
  }
  if (!isSpecial) await Deno.rename(target, path);
  return 0;
}

async function writeAll(to: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
}
