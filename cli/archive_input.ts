/** Where `load` and `import` read from. */

import { MiniError } from "../ffi/errors.ts";

/** The bytes of a file. @throws {MiniError} if it cannot be opened. */
export async function openInput(path: string): Promise<ReadableStream<Uint8Array>> {
  try {
    const file = await Deno.open(path);
    if (!(await file.stat()).isDirectory) return file.readable;
    file.close();
    throw new MiniError(`${path} is a folder, not an archive`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new MiniError(`there is no file ${path}`);
    if (error instanceof Error && !(error instanceof MiniError)) {
      throw new MiniError(`${path} cannot be read: ${error.message.replace(/ \(os error \d+\).*$/, "")}`);
    }
    throw error;
  }
}

/** Standard input. @throws {MiniError} if that is a terminal, on which nobody types an archive. */
export function standardInput(advice: string): ReadableStream<Uint8Array> {
  if (Deno.stdin.isTerminal()) {
    throw new MiniError(`an archive is expected on standard input, which is a terminal: ${advice}`);
  }
  return Deno.stdin.readable;
}
