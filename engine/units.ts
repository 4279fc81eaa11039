/** Sizes and durations as people type them in flags. */

import { MiniError } from "../ffi/errors.ts";

export { parseDuration } from "../images/duration.ts";

const SIZE = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])i?)?b?$/i;
const POWER: Record<string, number> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * Reads a size such as `512`, `64m`, `1.5GiB`; the units are powers of 1024, as for Docker's flags.
 *
 * @returns bytes
 * @throws {MiniError} when it is no size, or one too large to count exactly
 */
export function parseBytes(text: string): number {
  const match = SIZE.exec(text);
  if (!match) throw new MiniError(`'${text}' is not a size such as 64m or 1g`);
  const bytes = Math.floor(Number(match[1]) * 1024 ** (match[2] ? POWER[match[2].toLowerCase()]! : 0));
  if (!Number.isSafeInteger(bytes)) throw new MiniError(`'${text}' is too large a size`);
  return bytes;
}
