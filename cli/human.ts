/** Times and sizes as Docker prints them for people. */

/**
 * How long something has lasted, roughly: `45 seconds`, `About a minute`, `2 hours`, `3 weeks`.
 *
 * @param milliseconds not negative; a clock that was set back counts as no time
 */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(milliseconds / 3_600_000 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(milliseconds / 3_600_000 / 24 / 365)} years`;
}

/** How long ago a time was: `2 hours ago`. */
export function ago(time: Date, now: Date = new Date()): string {
  return `${humanDuration(now.getTime() - time.getTime())} ago`;
}

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/**
 * A size in units of 1000: `7.8MB`.
 *
 * @param digits significant digits: 3 as in `images` and `ps`, 4 as in `system df` and the progress of a pull
 */
export function humanSize(bytes: number, digits: 3 | 4 = 3): string {
  return scaled(bytes, 1000, DECIMAL, digits);
}

/** A size in units of 1024 with 4 significant digits, as `stats` prints memory: `1.945GiB`. */
export function humanBinarySize(bytes: number): string {
  return scaled(bytes, 1024, BINARY, 4);
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= base && unit < units.length - 1) {
    size /= base;
    unit++;
  }
  // Number() drops zeros at the end and the exponent, with which Docker prints 999.9 kB as 1e+03kB.
  return `${Number(size.toPrecision(digits))}${units[unit]}`;
}
