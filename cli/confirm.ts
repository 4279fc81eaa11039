/** Asking before something is removed. */

import { write } from "./output.ts";

/**
 * Warns and asks, and reads the answer from standard input. Anything but `y` or `yes` means no, also where nobody can
 * answer.
 */
export function confirm(warning: string): boolean {
  write(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  const buffer = new Uint8Array(100);
  const count = Deno.stdin.readSync(buffer) ?? 0;
  const answer = new TextDecoder().decode(buffer.subarray(0, count)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}
