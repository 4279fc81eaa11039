/** The process of a container that another command runs, found by what is written down of it. */
import { Errno, SyscallError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import type { Helper } from "./record.ts";

/** A process that is written down: its number, and when it was started (`startTicks`). */
export interface KnownProcess {
  readonly pid: number;
  readonly pidStartTicks?: number;
}

const SIGKILL = 9;
/** How long a process has that was killed; longer means that it waits in the kernel for a device. */
export const KILL_MILLISECONDS = 10_000;

/** Fields of /proc/PID/stat from the third on, proc(5); the second, the name, may hold anything. Undefined if it has ended. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    // ESRCH: it ended while we were reading.
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("os error 3)")) return undefined;
    throw error;
  }
}

/** When a process was started, in clock ticks since the machine was; undefined if it has ended. */
export function startTicks(pid: number): number | undefined {
  const fields = statFields(pid);
  return fields && Number(fields[19]);
}

/** Whether it runs still. A number that was given to another process is recognised by the time of that one's start. */
export function isAlive({ pid, pidStartTicks }: KnownProcess): boolean {
  const fields = pid > 0 ? statFields(pid) : undefined;
  // Z: it has ended, and its parent has not been told yet.
  return fields !== undefined && fields[0] !== "Z" && Number(fields[19]) === pidStartTicks;
}

/** PF_EXITING of the kernel's sched.h, in the ninth field. */
const EXITING = 0x4;

/**
 * Whether it is on its way out: a PID 1 that was killed waits in the kernel until all of its namespace is reaped, and nothing can
 * be run there any more.
 */
export function isEnding(pid: number): boolean {
  const fields = statFields(pid);
  return fields === undefined || (Number(fields[6]) & EXITING) !== 0;
}

/** A descriptor of a container's PID 1, the caller's to close; undefined if it has ended. */
export function openProcess(running: KnownProcess): number | undefined {
  if (!(running.pid > 0)) return undefined;
  const fd = trySyscall("pidfd_open", running.pid, 0);
  if (fd === -Errno.ESRCH) return undefined;
  if (fd < 0) throw new SyscallError("pidfd_open", -fd, `process ${running.pid}`);
  // In this order: the descriptor stays with the process that the look tells about.
  if (isAlive(running)) return fd;
  close(fd);
  return undefined;
}

/** The same of a shim, or of the command that shows its container. */
export function openHelper({ pid, startTicks }: Helper): number | undefined {
  return openProcess({ pid, ...startTicks === undefined ? {} : { pidStartTicks: startTicks } });
}

/** Waits until the process behind a descriptor has ended, at most so long. Returns whether it has. */
export function hasEnded(pidfd: number, milliseconds: number): Promise<boolean> {
  return readable(pidfd, AbortSignal.timeout(milliseconds));
}

/** Kills a container's PID 1, and with it all of its pid namespace. */
export async function endProcess(running: KnownProcess): Promise<void> {
  const fd = openProcess(running);
  if (fd === undefined) return;
  try {
    const result = trySyscall("pidfd_send_signal", fd, SIGKILL, null, 0);
    if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("pidfd_send_signal", -result, "SIGKILL");
    await hasEnded(fd, KILL_MILLISECONDS);
  } finally {
    close(fd);
  }
}
