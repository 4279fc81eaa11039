/**
 * Splits a command line into flags and arguments by the rules of Docker's own parser (pflag). It judges nothing, so
 * that the parser, which refuses what is wrong, and completion, which must bear it, read a line alike.
 */

import type { Flag } from "./command.ts";

/** A piece of a command line. */
export type Token =
  /** A flag; `value` is undefined for a boolean without `=`, and where the line ended before the value came. */
  | { type: "flag"; flag: Flag; typed: string; value: string | undefined }
  /** A flag that the command does not have, as typed and without a value. */
  | { type: "unknown"; typed: string }
  /** The `--` after which there are no flags. */
  | { type: "end" }
  | { type: "argument"; text: string };

/**
 * The pieces of a command line in order.
 *
 * @param stopAtFirst everything after the first argument is an argument, even `--`
 */
export function* scan(words: readonly string[], flags: readonly Flag[], stopAtFirst = false): Generator<Token> {
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("-") || word === "-") {
      yield { type: "argument", text: word };
      if (!stopAtFirst) continue;
      for (const text of words.slice(i + 1)) yield { type: "argument", text };
      return;
    }
    if (word === "--") {
      yield { type: "end" };
      for (const text of words.slice(i + 1)) yield { type: "argument", text };
      return;
    }
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const typed = equals < 0 ? word : word.slice(0, equals);
      const name = typed.slice(2), flag = flags.find((flag) => flag.name === name || flag.aliases?.includes(name));
      if (!flag) yield { type: "unknown", typed };
      else if (equals >= 0) yield { type: "flag", flag, typed, value: word.slice(equals + 1) };
      else yield { type: "flag", flag, typed, value: flag.kind === "boolean" ? undefined : words[++i] };
      continue;
    }
    // Letters: booleans may follow one another, `-it`; the first that takes a value takes the rest, `-eA=b`.
    let letters = word.slice(1);
    while (letters) {
      const letter = String.fromCodePoint(letters.codePointAt(0)!);
      const rest = letters.slice(letter.length);
      const flag = flags.find((flag) => flag.short === letter);
      if (!flag) {
        yield { type: "unknown", typed: `-${letter}` };
        break;
      }
      const typed = `-${letter}`;
      if (rest.startsWith("=")) {
        yield { type: "flag", flag, typed, value: rest.slice(1) };
        break;
      }
      if (flag.kind !== "boolean") {
        yield { type: "flag", flag, typed, value: rest || words[++i] };
        break;
      }
      yield { type: "flag", flag, typed, value: undefined };
      letters = rest;
    }
  }
}
