/** The process that a first one has made, and whose number it has told. */
import { MiniError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { type Spawned, waitForExit } from "../ffi/spawn.ts";
import { goOn, receivePid } from "./handshake.ts";

/**
 * Takes over the process that a first one has cloned as a child of its own parent (plan_child.ts).
 *
 * @param parent the number of that parent: this process, which then reaps the first one, or a shim.
 * @throws {MiniError} when the number is that of no child of it. The new process has the pair as well, and where it can be traced
 *   (exec) others could speak in the first one's place.
 */
export async function takeChild(first: Spawned, sync: number, parent = Deno.pid): Promise<Spawned> {
  const pid = await receivePid(sync);
  if (pid === undefined) return first;
  // It waits for us, so that the number is still its own.
  const pidfd = openChild(pid, parent);
  if (parent === Deno.pid) waitForExit(first.pidfd);
  else await readable(first.pidfd);
  close(first.pidfd);
  goOn(sync);
  return { pid, pidfd, results: first.results };
}

function openChild(pid: number, parent: number): number {
  const pidfd = trySyscall("pidfd_open", pid, 0);
  if (pidfd >= 0 && parentOf(pid) === parent) return pidfd;
  if (pidfd >= 0) close(pidfd);
  throw new MiniError("a process of the container has interfered while another one was being made in it");
}

/** The fourth field of /proc/PID/stat; the second one, the name, may hold anything. Undefined if there is no such process. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch (error) {
    // ESRCH: it ended while we were reading.
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("os error 3)")) return undefined;
    throw error;
  }
}
