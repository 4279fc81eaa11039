/** What people write behind flags, read strictly: each function throws one sentence that names the flag. */
import { MiniError } from "../ffi/errors.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { rlimitNumber } from "../runtime/rlimits.ts";
import type { Rlimit } from "../runtime/spec.ts";

/**
 * `-e NAME=value`; `-e NAME` takes the value that mini itself has; where it has none the name stands alone,
 * which takes the variable away.
 *
 * @throws {MiniError} for an empty name.
 */
export function readEnv(text: string, own: (name: string) => string | undefined): string[] {
  const equals = text.indexOf("="), name = equals < 0 ? text : text.slice(0, equals);
  if (name === "" || name.includes("\0") || /\s/.test(name)) {
    throw new MiniError(`--env ${JSON.stringify(text)} is not NAME=value or NAME`);
  }
  if (equals >= 0) return [text];
  const value = own(name);
  return [value === undefined ? name : `${name}=${value}`];
}

/** A file of `NAME=value` lines; empty lines and lines that begin with # are passed over. @throws {MiniError} naming the line. */
export function readEnvFile(path: string, own: (name: string) => string | undefined): string[] {
  return linesOf("env-file", path).flatMap(({ text, number }) => {
    try {
      return readEnv(text, own);
    } catch {
      throw new MiniError(`--env-file ${path}, line ${number}: ${JSON.stringify(text)} is not NAME=value or NAME`);
    }
  });
}

/** A file of `key=value` lines, as for `--label`. @throws {MiniError} naming the line. */
export function readLabelFile(path: string): string[] {
  return linesOf("label-file", path).map(({ text, number }) => {
    if (!text.startsWith("=")) return text;
    throw new MiniError(`--label-file ${path}, line ${number}: ${JSON.stringify(text)} is not key=value or key`);
  });
}

/** The lines of a file that say something. */
function linesOf(flag: string, path: string): { text: string; number: number }[] {
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  } catch (error) {
    throw new MiniError(
      error instanceof TypeError
        ? `--${flag} ${path} is not UTF-8 text`
        : `--${flag} ${path} cannot be read: ${(error as Error).message}`,
    );
  }
  return content.split("\n").map((line, i) => ({ text: line.replace(/\r$/, "").trimStart(), number: i + 1 }))
    .filter(({ text }) => text !== "" && !text.startsWith("#"));
}

/** Variables in the order they came, the last of each name counting; a name without a value takes it away. */
export function mergeEnv(...lists: readonly (readonly string[])[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf("=");
    if (equals < 0) byName.delete(entry);
    else byName.set(entry.slice(0, equals), entry);
  }
  return [...byName.values()];
}

/**
 * Capabilities after --cap-add and --cap-drop, with or without CAP_, in any case, or ALL.
 *
 * @param own those that mini has and can give: the defaults and ALL are no more than these.
 * @throws {MiniError} for one there is not, and for one to add that mini does not have.
 */
export function readCapabilities(add: readonly string[], drop: readonly string[], own: readonly string[]): string[] {
  const full = (flag: string, name: string) => {
    const upper = name.toUpperCase();
    const known = upper === "ALL" ? upper : upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (known !== "ALL" && !CAPABILITIES.includes(known)) {
      throw new MiniError(`--${flag} ${name}: there is no such capability; see capabilities(7) for their names`);
    }
    return known;
  };
  const adds = add.map((name) => full("cap-add", name)), drops = drop.map((name) => full("cap-drop", name));
  const missing = adds.find((name) => name !== "ALL" && !own.includes(name));
  if (missing !== undefined) {
    throw new MiniError(`--cap-add ${missing}: mini does not have that capability here itself, so it cannot give it`);
  }
  const base = adds.includes("ALL") ? own : drops.includes("ALL") ? [] : DEFAULT_CAPABILITIES;
  const set = new Set([...base, ...adds]);
  for (const name of drops) set.delete(name);
  return own.filter((name) => set.has(name));
}

/** `--ulimit nofile=1024[:2048]`; -1 and `unlimited` mean without limit. @throws {MiniError} */
export function readUlimit(text: string): Rlimit {
  const match = text.match(/^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/);
  if (!match) {
    throw new MiniError(`--ulimit ${JSON.stringify(text)} is not NAME=SOFT or NAME=SOFT:HARD, as nofile=1024:2048`);
  }
  const type = `RLIMIT_${match[1]!.toUpperCase()}`;
  try {
    rlimitNumber(type);
  } catch {
    throw new MiniError(`--ulimit ${text}: there is no limit ${match[1]}; see getrlimit(2) for their names`);
  }
  // RLIM_INFINITY is all bits set; as a JSON number it is -1.
  const value = (word: string | undefined) =>
    word === undefined || word === "unlimited" || word === "-1" ? -1 : Number(word);
  const soft = value(match[2]), hard = match[3] === undefined ? soft : value(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new MiniError(`--ulimit ${text}: the first limit is above the second`);
  }
  return { type, soft, hard };
}

/** `key=value` flags as a record. @throws {MiniError} naming the flag. */
export function readPairs(flag: string, texts: readonly string[], valueNeeded: boolean): Record<string, string> {
  const pairs = new Map<string, string>(); // any text may be a key, `__proto__` too
  for (const text of texts) {
    const equals = text.indexOf("="), key = equals < 0 ? text : text.slice(0, equals);
    if (key === "" || (equals < 0 && valueNeeded)) {
      throw new MiniError(`--${flag} ${JSON.stringify(text)} is not NAME=VALUE`);
    }
    pairs.set(key, equals < 0 ? "" : text.slice(equals + 1));
  }
  return Object.fromEntries(pairs);
}

/** `--entrypoint PROGRAM`: one program, not words; empty means none. Without the flag the image's counts. */
export const readEntrypoint = (text: string | undefined): string[] | undefined =>
  text === undefined ? undefined : text === "" ? [] : [text];
