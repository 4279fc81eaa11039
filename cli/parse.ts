/** Reads the command line of one command, and refuses what is wrong with it in one sentence. */

import { MiniError } from "../ffi/errors.ts";
import type { CommandRow, Flag, Positionals } from "./command.ts";
import { type FlagValue, FlagValues } from "./flag_values.ts";
import { scan } from "./scan.ts";
import { nearest } from "./suggest.ts";
import { parseBytes, parseDuration } from "../engine/units.ts";

/** What a command line says. */
export interface Parsed {
  /** `--help` was among the flags; then nothing else of the line has been checked. */
  readonly help: boolean;
  readonly flags: FlagValues;
  readonly args: readonly string[];
}

/** The flags of a command and the `--help` that every command has; its letter is free for a flag of the command's own. */
export function withHelp(flags: readonly Flag[]): readonly Flag[] {
  const help: Flag = { name: "help", kind: "boolean", description: "Print help" };
  return [...flags, flags.some((flag) => flag.short === "h") ? help : { ...help, short: "h" }];
}

/**
 * Reads flags and counts arguments.
 *
 * @param words what follows the command's name
 * @param name what the command is called in messages, `mini run`
 * @throws {MiniError} on an unknown flag, a missing or wrong value, too few or too many arguments
 */
export function parse(
  command: Pick<CommandRow, "flags" | "positionals" | "usage">,
  words: readonly string[],
  name: string,
): Parsed {
  const flags = withHelp(command.flags);
  const given = new Map<string, FlagValue>();
  const args: string[] = [];
  for (const token of scan(words, flags, command.positionals.stopAtFirst)) {
    if (token.type === "unknown") throw new MiniError(unknownFlag(token.typed, flags, name));
    if (token.type === "argument") args.push(token.text);
    if (token.type !== "flag") continue;
    const value = readValue(token.flag, token.value, token.typed, name);
    if (token.flag.name === "help" && value === true) {
      return { help: true, flags: new FlagValues(flags, given), args };
    }
    if (token.flag.kind === "list") {
      const list = given.get(token.flag.name) as string[] | undefined;
      if (list) list.push(value as string);
      else given.set(token.flag.name, [value as string]);
    } else given.set(token.flag.name, value);
  }
  const { positionals } = command;
  const replaced = positionals.replacedBy !== undefined && given.has(positionals.replacedBy);
  checkCount(
    args,
    replaced ? { ...positionals, min: positionals.min - 1 } : positionals,
    name,
    `${name} ${command.usage}`.trimEnd(),
  );
  return { help: false, flags: new FlagValues(flags, given, defaults(flags, name)), args };
}

function defaults(flags: readonly Flag[], name: string): Map<string, FlagValue> {
  const values = new Map<string, FlagValue>();
  for (const flag of flags) {
    if (flag.default === undefined) continue;
    const value = readValue(flag, flag.default, `--${flag.name}`, name);
    values.set(flag.name, flag.kind === "list" ? [value as string] : value);
  }
  return values;
}

function unknownFlag(typed: string, flags: readonly Flag[], name: string): string {
  const near = typed.startsWith("--") && nearest(typed.slice(2), flags.map((flag) => flag.name));
  return `unknown flag ${typed}${near ? `, did you mean --${near}?` : "."} See '${name} --help'`;
}

const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

function readValue(flag: Flag, text: string | undefined, typed: string, name: string): FlagValue {
  const see = `See '${name} --help'`;
  if (flag.kind === "boolean") {
    if (text === undefined || TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
    throw new MiniError(`${typed} takes true or false, not '${text}'. ${see}`);
  }
  if (text === undefined) throw new MiniError(`${typed} needs a value. ${see}`);
  switch (flag.kind) {
    case "string":
    case "list":
      return text;
    case "choice": {
      const values = flag.values ?? [];
      if (values.includes(text)) return text;
      const choices = values.length < 2 ? values.join() : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
      const near = nearest(text, values);
      throw new MiniError(`${typed} takes ${choices}, not '${text}'${near ? `, did you mean ${near}?` : "."} ${see}`);
    }
    case "integer":
      if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
        throw new MiniError(`${typed} takes a whole number, not '${text}'. ${see}`);
      }
      return inRange(flag, Number(text), text, typed, see);
    case "number":
      if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) {
        throw new MiniError(`${typed} takes a number, not '${text}'. ${see}`);
      }
      return inRange(flag, Number(text), text, typed, see);
    case "bytes":
      return inRange(flag, unit(() => parseBytes(text), typed, see), text, typed, see);
    case "duration":
      return inRange(flag, unit(() => parseDuration(text), typed, see), text, typed, see);
  }
}

function unit(read: () => number, typed: string, see: string): number {
  try {
    return read();
  } catch (error) {
    if (error instanceof MiniError) throw new MiniError(`${typed}: ${error.message}. ${see}`);
    throw error;
  }
}

function inRange(flag: Flag, value: number, text: string, typed: string, see: string): number {
  const { min = -Infinity, max = Infinity } = flag;
  if (value >= min && value <= max) return value;
  const range = max === Infinity
    ? `at least ${min}`
    : min === -Infinity
    ? `at most ${max}`
    : `a value from ${min} to ${max}`;
  throw new MiniError(`${typed} takes ${range}, not '${text}'. ${see}`);
}

function checkCount(args: readonly string[], positionals: Positionals, name: string, usage: string): void {
  const command = name.replace(/^mini /, "");
  const { min, max = Infinity, needs } = positionals;
  if (args.length < min) {
    throw new MiniError(`${command} needs ${needs ?? `at least ${count(min)}`}: ${usage}`);
  }
  if (args.length <= max) return;
  if (max === 0) throw new MiniError(`${command} takes no arguments, not '${args[0]}': ${usage}`);
  throw new MiniError(`${command} takes ${min === max ? "" : "at most "}${count(max)}, not ${args.length}: ${usage}`);
}

function count(number: number): string {
  return number === 1 ? "1 argument" : `${number} arguments`;
}
