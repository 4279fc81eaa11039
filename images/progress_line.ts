/** The text of one layer's line on a terminal. */

/** Bytes with three digits, in Docker's decimal units: `12.3MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return `${bytes.toFixed(digits)}${units[unit]}`;
}

/** Cuts a line to a number of columns; every character that stands in these lines is one column wide. */
export function clipped(line: string, columns: number): string {
  const characters = [...line];
  return characters.length <= columns ? line : characters.slice(0, Math.max(0, columns)).join("");
}

/** The narrowest bar that still says something, and the widest that is pleasant, in characters between its brackets. */
const NARROWEST_BAR = 8, WIDEST_BAR = 50;

/**
 * A layer's line: `a1b2c3d4e5f6: Downloading [=====>     ]  12.3MB/45.6MB  80.1MB/s`, the bar as wide as there is room
 * for, and left out where there is none.
 */
export function layerLine(
  id: string,
  state: string,
  moving: { done: number; total: number; speed?: number | undefined } | undefined,
  columns: number,
): string {
  const head = `${id}: ${state}`;
  if (moving === undefined) return head;
  const { done, total, speed } = moving;
  const bytes = total > 0 ? `${formatBytes(done)}/${formatBytes(total)}` : formatBytes(done);
  const rate = speed === undefined ? "" : `  ${formatBytes(speed)}/s`;
  // The room that the speed takes is kept free from the beginning, so that the bar does not jump when it appears.
  const room = Math.min(WIDEST_BAR, columns - 1 - head.length - " []  ".length - bytes.length - "  999MB/s".length);
  if (total === 0 || room < NARROWEST_BAR) return `${head} ${bytes}${rate}`;
  const filled = Math.min(room, Math.floor(room * done / total));
  const bar = filled === room ? "=".repeat(room) : `${"=".repeat(filled)}>`.padEnd(room);
  return `${head} [${bar}]  ${bytes}${rate}`;
}
