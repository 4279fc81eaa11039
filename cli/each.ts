/** Commands that do the same to several things: one failure does not keep the others from being done. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { printable, write } from "./output.ts";

/** Whether something that is told is no failure. */
export type Harmless = (error: Error) => boolean;

/**
 * Does something for each name, in order, and prints the name when it is done.
 *
 * @returns 1 if anything failed that is not `harmless`, else 0.
 */
export async function forEachNamed(
  names: readonly string[],
  body: (name: string) => Promise<void>,
  harmless?: Harmless,
): Promise<number> {
  return await printEach(names, async (name) => {
    await body(name);
    return name;
  }, harmless);
}

/** The same, and prints what comes of it. */
export async function printEach<T>(
  items: readonly T[],
  body: (item: T) => Promise<string>,
  harmless: Harmless = () => false,
): Promise<number> {
  let status = 0;
  for (const item of items) {
    try {
      write(`${await body(item)}\n`);
    } catch (error) {
      if (!(error instanceof MiniError || error instanceof SyscallError)) throw error;
      write(`mini: ${printable(error.message)}\n`, Deno.stderr);
      if (!harmless(error)) status = 1;
    }
  }
  return status;
}

/** The same, with all of them under way at once. */
export async function forAllNamed(names: readonly string[], body: (name: string) => Promise<void>): Promise<number> {
  const under = new Map(names.map((name) => [name, body(name)]));
  // Each is waited for below; a failure of one must not end the command before the others are done.
  await Promise.allSettled(under.values());
  return await forEachNamed(names, (name) => under.get(name)!);
}
