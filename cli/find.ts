/** Finds the command that a command line names. */

import { MiniError } from "../ffi/errors.ts";
import type { Command } from "./command.ts";
import { nearest } from "./suggest.ts";

/** What the first words of a command line name. */
export type Found =
  /** A command, the name that was used for it, and the words after the name. */
  | { type: "command"; command: Command; name: string; rest: readonly string[] }
  /** The first word of two-word commands, alone or with a flag after it. */
  | { type: "noun"; noun: string; rest: readonly string[] };

/** All names of a command, `images`, `image ls`. */
export function names(command: Pick<Command, "name" | "aliases">): readonly string[] {
  return [command.name, ...command.aliases ?? []];
}

/** The first words of two-word names, in the order of the table. */
export function nounsOf(commands: readonly Command[]): readonly string[] {
  const all = commands.filter((command) => !command.hidden).flatMap(names);
  return [...new Set(all.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]!))];
}

/** The commands under a noun with the second words of their names: `ls` for `image ls`. */
export function commandsUnder(noun: string, commands: readonly Command[]): { verb: string; command: Command }[] {
  const under: { verb: string; command: Command }[] = [];
  for (const command of commands) {
    const name = names(command).find((name) => name.startsWith(`${noun} `));
    if (name && !command.hidden) under.push({ verb: name.slice(noun.length + 1), command });
  }
  return under;
}

/**
 * Finds the command in the words, the longest name first.
 *
 * @throws {MiniError} when there is none, with the nearest name that there is
 */
export function findCommand(words: readonly string[], commands: readonly Command[]): Found {
  const [first = "", second = ""] = words;
  for (const [name, length] of [[`${first} ${second}`, 2], [first, 1]] as const) {
    const command = commands.find((command) => names(command).includes(name));
    if (command) return { type: "command", command, name, rest: words.slice(length) };
  }
  const known = commands.filter((command) => !command.hidden).flatMap(names);
  if (!nounsOf(commands).includes(first)) {
    const near = nearest(first, known.map((name) => name.split(" ")[0]!));
    throw new MiniError(`unknown command '${first}'${near ? `, did you mean '${near}'?` : "."} See 'mini --help'`);
  }
  if (second === "" || second.startsWith("-")) return { type: "noun", noun: first, rest: words.slice(1) };
  const verbs = known.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1));
  const near = nearest(second, verbs);
  throw new MiniError(
    `unknown command '${first} ${second}'${near ? `, did you mean '${first} ${near}'?` : "."} ` +
      `See 'mini ${first} --help'`,
  );
}
