/** Where commands write archives: a file that appears when it is whole, a device, or standard output. */
import { MiniError } from "../ffi/errors.ts";
import type { Output } from "../images/tar_tree.ts";
import { writeBytes } from "./output.ts";

/** @throws {MiniError} when there is no file to write to and standard output is a terminal. */
export function checkOutput(path: string | undefined): void {
  if (path === undefined && Deno.stdout.isTerminal()) {
    throw new MiniError("an archive is not for a terminal: name a file with -o, or redirect the output");
  }
}

/**
 * Lets `produce` write an archive to `path`, or to standard output without one.
 *
 * @throws {MiniError} when the file cannot be written; what was written of it is removed then. Whatever `produce` throws.
 */
export async function writeArchive(
  path: string | undefined,
  produce: (output: Output) => Promise<void>,
): Promise<void> {
  if (path === undefined) return await produce((bytes) => Promise.try(writeBytes, bytes, Deno.stdout));
  // Under another name until it is whole; a device such as /dev/null is written directly.
  const isSpecial = await Deno.stat(path).then((info) => !info.isFile, () => false);
  const target = isSpecial ? path : `${path}.tmp-${crypto.randomUUID()}`;
  try {
    using file = await Deno.open(target, { write: true, create: true });
    await produce((bytes) => writeAll(file, bytes));
  } catch (error) {
    if (!isSpecial) await Deno.remove(target).catch(() => {}); // perhaps never made: the first failure is the one to tell
    if (error instanceof Error && !(error instanceof MiniError) && "code" in error) {
      throw new MiniError(`${path} cannot be written: ${error.message.replace(/ \(os error \d+\).*$/, "")}`);
    }
    throw error;
  }
  if (!isSpecial) await Deno.rename(target, path);
}

async function writeAll(to: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
}
