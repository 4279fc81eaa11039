/** What all `inspect` commands print: a JSON list of what was found, or each through a template. */
import { MiniError } from "../ffi/errors.ts";
import { formatOne } from "./format.ts";
import { jsonText, printable, write } from "./output.ts";
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
    write(`${jsonText(found, format === "json" ? undefined : 4)}\n`);
  } else write(found.map((one) => formatOne(withTables(one), format)).join(""));
  return status;
}

/** Fields whose keys are the user's own: a template may ask for one that is not there. */
const TABLES = [
  "Annotations",
  "ExposedPorts",
  "Labels",
  "Networks",
  "Options",
  "PortBindings",
  "Ports",
  "Sysctls",
  "Tmpfs",
];

/** The same with these fields as tables. */
function withTables(value: unknown): Value {
  if (Array.isArray(value)) return value.map(withTables);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const shown = withTables(item);
      const isTable = TABLES.includes(key) && typeof shown === "object" && shown !== null && !Array.isArray(shown);
      return [key, isTable ? new Map(Object.entries(shown)) : shown];
    }),
  );
}
