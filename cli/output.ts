/** Writing to standard output and standard error, and Docker's tables. */

import { MiniError } from "../ffi/errors.ts";

const encoder = new TextEncoder();

/** Where text is written: Deno's standard output and error. */
export interface Writer {
  writeSync(bytes: Uint8Array): number;
}

/** What a shell reports of a program that died of SIGPIPE, as most do when nobody reads their output. */
export const BROKEN_PIPE = 128 + 13;

/** How long to wait for a reader, in milliseconds, where a descriptor is set to fail instead of waiting itself. */
const PAUSE = 2;

/**
 * Writes all of the text to standard output (or error) before it returns.
 *
 * @throws {Deno.errors.BrokenPipe} when nobody reads any more; the command line ends quietly on it
 * @throws {MiniError} when it cannot be written for another reason, such as a full disk
 */
export function write(text: string, to: Writer = Deno.stdout): void {
  writeBytes(encoder.encode(text), to);
}

/** The same for bytes. */
export function writeBytes(bytes: Uint8Array, to: Writer): void {
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(to.writeSync(bytes));
    } catch (error) {
      // The other end of a pipe is shared, and whoever shares it may have set O_NONBLOCK.
      if (error instanceof Deno.errors.WouldBlock) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
      else if (error instanceof Deno.errors.BrokenPipe || !(error instanceof Error)) throw error;
      else {
        const reason = error.message.replace(/ \(os error \d+\)$/, "");
        throw new MiniError(`the output cannot be written: ${reason}`, undefined, { cause: error });
      }
    }
  }
}

/**
 * Text that cannot steer a terminal: control characters, which names and labels of a hostile image may hold, are
 * written as `\n` or `\x1b`.
 */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  });
}

/**
 * JSON that cannot steer a terminal either: it escapes some control characters by itself, and the others here.
 *
 * @param replacer @param indent as of JSON.stringify. @returns undefined for what is no JSON, as that does.
 */
export function jsonText(
  value: unknown,
  indent?: number | string,
  replacer?: (key: string, value: unknown) => unknown,
): string | undefined {
  const text = JSON.stringify(value, replacer, indent) as string | undefined;
  return text?.replace(
    /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/** At most so many characters, the last of them `…` where some are missing. */
export function shorten(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

/** The narrowest column of most of Docker's tables, and the spaces after the widest cell of a column. */
const NARROWEST = 10, GAP = 3;

/** Lines of cells as Docker prints its tables: columns at least so wide, 3 spaces between, none after the last. */
export function layTable(rows: readonly (readonly string[])[], narrowest = NARROWEST): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.slice(0, -1).entries()) {
      widths[i] = Math.max(widths[i] ?? narrowest, [...cell].length + GAP);
    }
  }
  return rows.map((row) => {
    const cells = row.map((cell, i) => i === row.length - 1 ? cell : cell + " ".repeat(widths[i]! - [...cell].length));
    return cells.join("") + "\n";
  }).join("");
}
