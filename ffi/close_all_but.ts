/** Closes descriptors in ranges. */
import { op, type Operation } from "./program.ts";

/**
 * The ranges between some descriptors and beside them, as close_range(2) takes them.
 *
 * @param first the lowest number of all. @param kept those that are in none of the ranges.
 */
export function gaps(first: number, kept: readonly number[]): [first: number, last: number][] {
  const numbers = [...new Set(kept)].filter((fd) => fd >= first).sort((a, b) => a - b);
  return [first - 1, ...numbers].flatMap((before, i): [number, number][] => {
    const from = before + 1, to = (numbers[i] ?? 0x100000000) - 1;
    return from > to ? [] : [[from, to]];
  });
}

/**
 * Closes every descriptor except these: close_range(2).
 *
 * @param why what is said of each range.
 */
export const closeAllBut = (kept: readonly number[], why: string): Operation[] =>
  gaps(0, kept).map(([first, last]) => op("close_range", [first, last, 0], why));
