/** What may stand at the end of a command line: the one logic behind the completion of all shells. */

import type { Command, Completion, Flag, Globals } from "./command.ts";
import { commandsUnder, nounsOf } from "./find.ts";
import { globalFlags, splitGlobals } from "./globals.ts";
import type { Table } from "./help.ts";
import { withHelp } from "./parse.ts";
import { scan, type Token } from "./scan.ts";
import { MiniError } from "../ffi/errors.ts";

/** A word that may stand there. */
export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** All words that may stand there. */
export interface Offer {
  readonly candidates: readonly Candidate[];
  /** The shell itself adds the paths that it knows how to complete. */
  readonly paths?: "file" | "directory";
}

/** Names of what exists on this machine, by kind. */
export type Providers = Partial<Record<Completion, (globals: Globals) => Promise<readonly string[]>>>;

/**
 * What the last word may become.
 *
 * @param words everything after `mini` up to the cursor; the last word, possibly empty, is the one to complete
 */
export async function complete(
  words: readonly string[],
  table: Pick<Table, "commands" | "nouns">,
  providers: Providers,
  environment: (name: string) => string | undefined,
): Promise<Offer> {
  const current = words.at(-1) ?? "";
  const previous = words.slice(0, -1);
  const place = locate(previous, current, table);
  const offered = typeof place === "string" ? await named(place, current, previous, providers, environment) : place;
  // After `--pull=` the candidates are those of the value, and the whole word is replaced.
  const prefix = isAssignment(current) ? current.slice(0, current.indexOf("=") + 1) : "";
  const candidates = offered.candidates
    .map((candidate) => prefix ? { ...candidate, value: prefix + candidate.value } : candidate)
    .filter(({ value }) => value.startsWith(current));
  return { ...offered, candidates };
}

/** The candidates, or the kind of thing whose names are the candidates. */
type Place = Offer | Completion;

const NOTHING: Offer = { candidates: [] };

function locate(previous: readonly string[], current: string, table: Pick<Table, "commands" | "nouns">): Place {
  const line = read(previous, current, withHelp(globalFlags), true);
  if (line.place) return line.place;
  const { commands } = table;
  const [first, second] = line.args;
  if (first === undefined) return topLevel(table);
  const byName = (name: string) => commands.find((command) => command.name === name || command.aliases?.includes(name));
  const twoWords = second === undefined ? undefined : byName(`${first} ${second}`);
  const command = twoWords ?? byName(first);
  if (!command) return line.args.length === 1 ? verbs(first, commands) : NOTHING;
  const rest = line.args.slice(twoWords ? 2 : 1);
  const { place, args, given } = read(rest, current, withHelp(command.flags), command.positionals.stopAtFirst);
  if (place) return place;
  const kind = positional(command, args.length, given);
  if (kind !== "command") return kind;
  return args.length === 0 ? topLevel(table) : verbs(args[0]!, commands);
}

function positional({ positionals }: Command, index: number, given: ReadonlySet<string>): Place {
  const { values, complete, repeat, replacedBy } = positionals;
  if (replacedBy && given.has(replacedBy)) return NOTHING;
  if (values && index === 0) return { candidates: values.map((value) => ({ value })) };
  const kind = complete?.[index] ?? (repeat ? complete?.at(-1) : undefined);
  return kind ?? NOTHING;
}

/**
 * Reads the words before the current one. `place` is set when the current one is a flag or a flag's value, otherwise it
 * is an argument.
 */
function read(previous: readonly string[], current: string, flags: readonly Flag[], stopAtFirst?: true) {
  const tokens: Token[] = [...scan(previous, flags, stopAtFirst)];
  const last = tokens.at(-1);
  const args = tokens.flatMap((token) => token.type === "argument" ? [token.text] : []);
  const given = new Set(tokens.flatMap((token) => token.type === "flag" ? [token.flag.name] : []));
  let place: Place | undefined;
  if (last?.type === "flag" && last.flag.kind !== "boolean" && last.value === undefined) place = flagValue(last.flag);
  else if (tokens.some(({ type }) => type === "end") || (stopAtFirst && args.length > 0)) place = undefined;
  else if (isAssignment(current)) {
    const flag = flags.find(({ name }) => name === current.slice(2, current.indexOf("=")));
    place = flag ? flagValue(flag) : NOTHING;
  } else if (current.startsWith("-")) place = { candidates: flags.flatMap(flagNames) };
  return { place, args, given };
}

function isAssignment(word: string): boolean {
  return word.startsWith("--") && word.includes("=");
}

function flagValue(flag: Flag): Place {
  if (flag.kind === "boolean") return { candidates: [{ value: "true" }, { value: "false" }] };
  if (flag.keys) return { candidates: flag.keys.map((key) => ({ value: `${key}=` })) };
  if (flag.values) return { candidates: flag.values.map((value) => ({ value })) };
  return flag.complete ?? NOTHING;
}

function flagNames({ name, short, description }: Flag): Candidate[] {
  const long = { value: `--${name}`, description };
  return short ? [long, { value: `-${short}`, description }] : [long];
}

function topLevel({ commands, nouns }: Pick<Table, "commands" | "nouns">): Offer {
  const single = commands.filter(({ hidden, name }) => !hidden && !name.includes(" "));
  return {
    candidates: [
      ...single.map(({ name, summary }) => ({ value: name, description: summary })),
      ...nounsOf(commands).map((noun) => ({ value: noun, description: nouns[noun] ?? "" })),
    ],
  };
}

function verbs(noun: string, commands: readonly Command[]): Offer {
  return {
    candidates: commandsUnder(noun, commands).map(({ verb, command }) => {
      return { value: verb, description: command.summary };
    }),
  };
}

async function named(
  kind: Completion,
  current: string,
  previous: readonly string[],
  providers: Providers,
  environment: (name: string) => string | undefined,
): Promise<Offer> {
  if (kind === "file" || kind === "directory") return { candidates: [], paths: kind };
  // Where a volume can stand a folder of the host can, too, and is told by how it begins.
  if (kind === "volume" && /^[./]/.test(current)) return { candidates: [], paths: "file" };
  try {
    const { globals } = splitGlobals(previous, environment);
    const values = await providers[kind]?.(globals) ?? [];
    return { candidates: values.map((value) => ({ value })) };
  } catch (error) {
    // A line that is not finished may be wrong so far, and what exists may be unreadable: then nothing is offered.
    if (error instanceof MiniError || error instanceof Deno.errors.PermissionDenied) return NOTHING;
    throw error;
  }
}
