/** Moments as people type them in `--since`, `--until` and filters. */

import { MiniError } from "../ffi/errors.ts";
import { parseDuration } from "../engine/units.ts";

const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}/;
/** A day alone, perhaps with a zone. */
const DAY = /^([0-9-]{10})(Z|[+-][0-9]{2}:[0-9]{2})?$/;

/**
 * Reads a moment: `2026-01-31`, `2026-01-31T12:00:00.5`, either with a zone (`Z`, `+01:00`) or in that of the machine,
 * seconds since 1970 with a fraction or without, or how long ago it was, `24h`.
 *
 * @param what names the value in the failure: `the filter until`
 * @returns milliseconds since 1970, possibly a fraction
 * @throws {MiniError} when it is none of these
 */
export function parseMoment(text: string, what: string, now: number = Date.now()): number {
  if (/^[0-9]+(\.[0-9]{1,9})?$/.test(text)) return Number(text) * 1000;
  if (DATE.test(text)) {
    const time = new Date(text.replace(DAY, "$1T00:00:00$2")).getTime();
    if (!Number.isNaN(time)) return time;
  }
  try {
    return now - parseDuration(text);
  } catch {
    throw new MiniError(`${what} is a time such as 2026-01-31T12:00:00 or 24h, not '${text}'`);
  }
}

/** The same in nanoseconds since 1970, all nine digits of a fraction of a second with it. */
export function parseMomentNanoseconds(text: string, what: string): bigint {
  const [, fraction = ""] = /^[0-9T:-]+\.([0-9]{1,9})(?:Z|[+-][0-9:]+)?$/.exec(text) ?? [];
  const whole = BigInt(Math.round(parseMoment(fraction ? text.replace(`.${fraction}`, "") : text, what) * 1000)) *
    1000n;
  return whole + BigInt(fraction.padEnd(9, "0"));
}

/**
 * A moment in the machine's zone with nanoseconds, as Docker prints events: `2026-01-31T12:00:00.123456000+01:00`. The last
 * three are zeros, since a JavaScript number does not hold them.
 */
export function formatMoment(nanoseconds: number): string {
  const seconds = Math.floor(nanoseconds / 1e9), date = new Date(seconds * 1000), minutes = -date.getTimezoneOffset();
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, "0");
  const zone = minutes === 0 ? "Z" : `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
  const local = new Date(seconds * 1000 + minutes * 60_000).toISOString().slice(0, 19);
  const microseconds = Math.min(999_999, Math.round((nanoseconds - seconds * 1e9) / 1000));
  return `${local}.${String(microseconds).padStart(6, "0")}000${zone}`;
}

/** A moment as Docker prints it in columns such as CREATED AT: `2026-01-31 12:00:00 +0000 UTC`. */
export function formatCreatedAt(rfc3339: string): string {
  const time = new Date(rfc3339).getTime();
  if (Number.isNaN(time)) return "N/A";
  const [, moment = "", zone = ""] = /^(.{19})\.\d+(.*)$/.exec(formatMoment(Math.floor(time / 1000) * 1e9))!;
  const offset = zone === "Z" ? "+0000" : zone.replace(":", "");
  return `${moment.replace("T", " ")} ${offset} ${zone === "Z" ? "UTC" : offset}`;
}
