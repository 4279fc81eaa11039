/** Asking a person something on the terminal. */

import { MiniError } from "../ffi/errors.ts";
import { write } from "./output.ts";

/** Longer input than this is refused, in bytes. */
const LONGEST_INPUT = 1 << 20;

/** Everything on standard input, as text. */
export async function readAll(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of Deno.stdin.readable) {
    chunks.push(chunk);
    if ((length += chunk.length) > LONGEST_INPUT) {
      throw new MiniError(`standard input holds more than ${LONGEST_INPUT} bytes`);
    }
  }
  return await new Blob(chunks as BlobPart[]).text();
}

/**
 * Asks for a line on the terminal.
 *
 * @param flag what to give instead where nobody can be asked.
 * @param hidden does not show what is typed.
 * @throws MiniError when standard input is no terminal, or ends, or the person presses Ctrl-C.
 */
export function ask(question: string, flag: string, hidden = false): string {
  if (!Deno.stdin.isTerminal()) {
    throw new MiniError(`standard input is not a terminal; give --${flag}${hidden ? "-stdin" : ""}`);
  }
  write(question, Deno.stderr);
  if (hidden) Deno.stdin.setRaw(true);
  try {
    return readLine(hidden);
  } finally {
    if (hidden) {
      Deno.stdin.setRaw(false);
      write("\n", Deno.stderr);
    }
  }
}

function readLine(raw: boolean): string {
  const CTRL_C = 3, CTRL_D = 4, CTRL_U = 21, BACKSPACE = 8, DELETE = 127, LINE_FEED = 10, RETURN = 13;
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  for (;;) {
    const count = Deno.stdin.readSync(one);
    const byte = one[0]!;
    if (count === null || raw && byte === CTRL_D) throw new MiniError("the input ended before the answer");
    if (raw && byte === CTRL_C) throw new MiniError("interrupted", 130);
    if (byte === LINE_FEED || raw && byte === RETURN) {
      return new TextDecoder().decode(new Uint8Array(bytes)).replace(/\r$/, "");
    }
    if (raw && byte === CTRL_U) bytes.length = 0;
    else if (raw && (byte === BACKSPACE || byte === DELETE)) {
      // A character of UTF-8: its continuation bytes first.
      while (bytes.length > 0 && (bytes.at(-1)! & 0xc0) === 0x80) bytes.pop();
      bytes.pop();
    } else bytes.push(byte);
    if (bytes.length > LONGEST_INPUT) throw new MiniError("the answer is too long");
  }
}
