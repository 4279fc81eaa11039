/** When a container that has ended is started again: `--restart`. */
import { MiniError } from "../ffi/errors.ts";
import type { RestartPolicy } from "./record.ts";

/** `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`. @throws {MiniError} for anything else. */
export function readRestart(text: string): RestartPolicy {
  const [name = "", count] = text.split(":", 2);
  const known = ["no", "on-failure", "always", "unless-stopped"] as const;
  const policy = known.find((one) => one === name);
  if (!policy || text.split(":").length > 2) {
    throw new MiniError(`--restart ${JSON.stringify(text)} is not no, on-failure[:n], always or unless-stopped`);
  }
  if (count !== undefined && policy !== "on-failure") {
    throw new MiniError(`--restart ${text}: only on-failure takes a number of times`);
  }
  if (count !== undefined && !/^\d{1,9}$/.test(count)) {
    throw new MiniError(`--restart ${text}: ${JSON.stringify(count)} is not a number of times`);
  }
  return { name: policy, maximumRetryCount: Number(count ?? 0) };
}

const FIRST_MILLISECONDS = 100, LONGEST_MILLISECONDS = 60_000;
/** A container that has run for so long is not one that fails at once: it is started again without delay. */
export const STEADY_MILLISECONDS = 10_000;

/** How long to wait before the next start, after so many in a row that did not last. Doubles from 100 ms to a minute. */
export function restartDelay(restartCount: number): number {
  return Math.min(FIRST_MILLISECONDS * 2 ** Math.min(restartCount, 20), LONGEST_MILLISECONDS);
}
