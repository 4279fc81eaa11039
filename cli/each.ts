/** Commands that do the same to several things: one failure does not keep the others from being done. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { printable, write } from "./output.ts";

/**
 * Does something for each name, in order, and prints the name when it is done.
 *
 * @returns 1 if anything failed, else 0.
 */
export async function forEachNamed(names: readonly string[], body: (name: string) => Promise<void>): Promise<number> {
  let status = 0;
  for (const name of names) {
    try {
      await body(name);
      write(`${name}\n`);
    } catch (error) {
      if (!(error instanceof MiniError || error instanceof SyscallError)) throw error;
      write(`mini: ${printable(error.message)}\n`, Deno.stderr);
      status = 1;
    }
  }
  return status;
}
