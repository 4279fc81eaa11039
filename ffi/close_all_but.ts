/** Closes descriptors in ranges. */
import { op, type Operation } from "./program.ts";

/**
 * Closes every descriptor except these: close_range(2).
 *
 * @param why what is said of each range.
 */
export function closeAllBut(kept: readonly number[], why: string): Operation[] {
  const numbers = [...new Set(kept)].sort((a, b) => a - b);
  return [-1, ...numbers].flatMap((before, i) => {
    const first = before + 1, last = (numbers[i] ?? 0x100000000) - 1;
    return first > last ? [] : [op("close_range", [first, last, 0], why)];
  });
}
