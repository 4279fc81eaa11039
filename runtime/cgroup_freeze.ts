/** Stops and continues everything in a cgroup at once. cgroup-v2.rst, cgroup.freeze (Linux 5.2) */
import { MiniError } from "../ffi/errors.ts";
import { isGone } from "./cgroup.ts";

/** How long the kernel may take to stop every process; longer means that one waits for a device. */
const PATIENCE_MILLISECONDS = 10_000;

/** Asks for everything in a cgroup to stop or to go on, and does not wait. @returns whether there is such a cgroup. */
export function setFrozen(folder: string, on: boolean): boolean {
  try {
    Deno.writeTextFileSync(`${folder}/cgroup.freeze`, on ? "1" : "0", { create: false });
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Whether everything in a cgroup has stopped; undefined if there is no such cgroup. */
function hasStopped(folder: string): boolean | undefined {
  try {
    return /^frozen 1$/m.test(Deno.readTextFileSync(`${folder}/cgroup.events`));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/**
 * Stops everything in a cgroup, or lets it go on, and waits until that is so. What is frozen can be killed.
 *
 * @param milliseconds how long to wait. @throws {MiniError} if there is no such cgroup, or one of its processes cannot be
 *   stopped; then they all go on.
 */
export async function freeze(folder: string, on: boolean, milliseconds = PATIENCE_MILLISECONDS): Promise<void> {
  if (!setFrozen(folder, on)) throw new MiniError(`there is no cgroup ${folder} any more`);
  for (const end = Date.now() + milliseconds;;) {
    const stopped = hasStopped(folder);
    if (stopped === on || stopped === undefined) return; // what has ended meanwhile does not run either
    if (Date.now() > end) break;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  if (on) setFrozen(folder, false);
  throw new MiniError(
    on
      ? `the processes in ${folder} do not stop: one of them waits in the kernel for a device`
      : `the processes in ${folder} do not go on: a cgroup above it is frozen`,
  );
}
