/** Durations as people write them, in flags and in Dockerfiles. */

import { MiniError } from "../ffi/errors.ts";

const MILLISECONDS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/;

/**
 * Reads a duration such as `90s`, `1h30m`, `1.5s`, in the notation of Go's time.ParseDuration.
 *
 * @returns milliseconds, possibly a fraction
 * @throws {MiniError} when it is no duration, or one of more than 290 years
 */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  if (!match) throw new MiniError(`'${text}' is not a duration such as 90s or 1h30m`);
  let milliseconds = 0;
  for (const [, number, unit] of match[2]!.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    milliseconds += Number(number) * MILLISECONDS[unit!]!;
  }
  // Go counts in nanoseconds of 63 bits; the same limit keeps values that other tools can read.
  if (milliseconds > 2 ** 63 / 1e6) throw new MiniError(`'${text}' is too long a duration`);
  return match[1] === "-" ? -milliseconds : milliseconds;
}
