/** Stops and continues everything in a cgroup at once. cgroup-v2.rst, cgroup.freeze (Linux 5.2) */
import { MiniError } from "../ffi/errors.ts";

/** How long the kernel may take to stop every process; longer means that one waits for a device. */
const PATIENCE_MILLISECONDS = 10_000;

/** Whether everything in a cgroup is stopped. @throws {Deno.errors.NotFound} if there is no such cgroup. */
export function isFrozen(folder: string): boolean {
  return /^frozen 1$/m.test(Deno.readTextFileSync(`${folder}/cgroup.events`));
}

/**
 * Stops everything in a cgroup, or lets it go on, and waits until that is so. What is frozen can be killed.
 *
 * @param milliseconds how long to wait. @throws {MiniError} if there is no such cgroup, or one of its processes cannot be
 *   stopped, which then all go on.
 */
export async function freeze(folder: string, on: boolean, milliseconds = PATIENCE_MILLISECONDS): Promise<void> {
  try {
    Deno.writeTextFileSync(`${folder}/cgroup.freeze`, on ? "1" : "0", { create: false });
    for (const end = Date.now() + milliseconds; isFrozen(folder) !== on;) {
      if (Date.now() > end) {
        if (on) Deno.writeTextFileSync(`${folder}/cgroup.freeze`, "0", { create: false });
        throw new MiniError(
          `the processes in ${folder} do not ${on ? "stop" : "go on"}: one of them waits in the kernel for a device${
            on ? "" : ", or a cgroup above is frozen"
          }`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("(os error 19)")) {
      throw new MiniError(`there is no cgroup ${folder} any more, or the kernel has no cgroup.freeze (Linux 5.2)`);
    }
    throw error;
  }
}
