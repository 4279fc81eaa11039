/** The keys that detach from a container and leave it running, in Docker's notation. */
import { MiniError } from "../ffi/errors.ts";

const ODD: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31 };

/**
 * Reads keys such as `ctrl-p,ctrl-q` or `a`, separated by commas.
 *
 * @returns the bytes that they send; none for an empty text: then no keys detach. @throws {MiniError} for what is no key.
 */
export function parseDetachKeys(text: string): number[] {
  if (text === "") return [];
  return text.split(",").map((key) => {
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    if (key === "DEL") return 127;
    const letter = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase() ?? "";
    if (/^[a-z]$/.test(letter)) return letter.charCodeAt(0) - 96;
    const code = ODD[letter];
    if (code !== undefined) return code;
    throw new MiniError(`'${key}' in --detach-keys is no key: give letters or ctrl-LETTER, as in ctrl-p,ctrl-q`);
  });
}

/** Looks for the keys among what is typed. */
export class DetachKeys {
  #seen = 0;
  /** @param found is called once they were typed. */
  constructor(readonly keys: readonly number[], readonly found: () => void) {}

  /** What of the typed bytes goes on: those that may be the beginning of the keys wait for what comes. */
  readonly filter = (bytes: Uint8Array): Uint8Array => {
    const { keys } = this;
    if (keys.length === 0) return bytes;
    const passed: number[] = [];
    for (const byte of bytes) {
      // The longest beginning of the keys that what was typed ends with.
      const typed = [...keys.slice(0, this.#seen), byte];
      let seen = typed.length;
      while (seen > 0 && !keys.slice(0, seen).every((key, i) => key === typed[typed.length - seen + i])) seen--;
      passed.push(...typed.slice(0, typed.length - seen));
      this.#seen = seen;
      if (seen < keys.length) continue;
      this.found();
      break;
    }
    return new Uint8Array(passed);
  };
}
