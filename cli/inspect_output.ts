/** What all `inspect` commands print: a JSON list of what was found, or each through a template. */
import { MiniError } from "../ffi/errors.ts";
import { formatOne } from "./format.ts";
import { printable, write } from "./output.ts";
import type { Value } from "./template_functions.ts";

/**
 * Looks each name up and prints what was found; the others are told on standard error.
 *
 * @returns 1 if anything was not found, else 0.
 */
export async function forEachInspected(
  names: readonly string[],
  format: string | undefined,
  find: (name: string) => Promise<unknown>,
): Promise<number> {
  const found: unknown[] = [];
  let status = 0;
  for (const name of names) {
    try {
      found.push(await find(name));
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      write(`mini: ${printable(error.message)}\n`, Deno.stderr);
      status = 1;
    }
  }
  if (format === undefined || format === "json") {
    write(`${JSON.stringify(found, null, format === "json" ? undefined : 4)}\n`);
  } else write(found.map((one) => formatOne(one as Value, format)).join(""));
  return status;
}
