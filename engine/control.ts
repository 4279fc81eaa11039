/** What is done to containers that are there: signals, the end, removal. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { killCgroup } from "../runtime/cgroup.ts";
import { signalName, signalNumber } from "../runtime/signals.ts";
import type { Containers, Found } from "./containers.ts";
import { startTicks } from "./run.ts";

/** How long a process has that was killed; longer means that it waits in the kernel for a device. */
const KILL_MILLISECONDS = 10_000;

/**
 * A descriptor of a container's PID 1; undefined if it has ended. A number that was given to another process meanwhile is
 * recognised by the time its process was started.
 */
function pidfdOf({ running }: Found): number | undefined {
  if (!running?.pid) return undefined;
  const fd = trySyscall("pidfd_open", running.pid, 0);
  if (fd === -Errno.ESRCH) return undefined;
  if (fd < 0) throw new SyscallError("pidfd_open", -fd, `process ${running.pid}`);
  if (running.pidStartTicks === undefined || startTicks(running.pid) === running.pidStartTicks) return fd;
  close(fd);
  return undefined;
}

/** Sends a signal to a container's PID 1. @throws {MiniError} when it does not run. */
export function kill(found: Found, signal: string): void {
  const number = signalNumber(signal), fd = pidfdOf(found);
  if (fd === undefined) {
    throw new MiniError(`container ${found.record.name} does not run, so ${signalName(number)} cannot be sent to it`);
  }
  try {
    const result = trySyscall("pidfd_send_signal", fd, number, null, 0);
    if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("pidfd_send_signal", -result, signalName(number));
  } finally {
    close(fd);
  }
}

/** Waits until a container's PID 1 has ended, at most so long. Returns whether it has. */
async function ended(fd: number, milliseconds: number): Promise<boolean> {
  const signal = AbortSignal.timeout(milliseconds);
  return await readable(fd, signal);
}

/**
 * Stops a container: its stop signal, and when that does not end it in time, SIGKILL for all that is in it. One that does not
 * run is stopped already.
 *
 * @throws {MiniError} when not even SIGKILL ends it.
 */
export async function stop(found: Found, seconds: number, signal?: string): Promise<void> {
  const fd = pidfdOf(found);
  if (fd === undefined) return;
  try {
    const number = signalNumber(signal ?? found.record.config.stopSignal);
    trySyscall("pidfd_send_signal", fd, number, null, 0);
    if (seconds > 0 && await ended(fd, seconds * 1000)) return;
    if (found.running?.cgroup) killCgroup(found.running.cgroup);
    else syscall("pidfd_send_signal", fd, 9, null, 0);
    if (!await ended(fd, KILL_MILLISECONDS)) {
      throw new MiniError(
        `container ${found.record.name} does not end: its process ${found.running?.pid} is waiting in the kernel`,
      );
    }
  } finally {
    close(fd);
  }
}

/**
 * Removes a container.
 *
 * @param force one that runs is killed first. @throws {MiniError} for one that runs, without it.
 */
export async function removeContainer(containers: Containers, found: Found, force: boolean): Promise<void> {
  if (found.status === "running") {
    if (!force) {
      throw new MiniError(
        `container ${found.record.name} runs: stop it with 'mini stop ${found.record.name}', or remove it with 'mini rm -f'`,
      );
    }
    await stop(found, 0, "SIGKILL");
    await ownerDone(containers, found);
  }
  containers.forget(found.record.id, found.record.name);
}

/** The command that runs a container writes down its end a moment after it; what it would write must not come back to life. */
async function ownerDone(containers: Containers, { record }: Found): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const now = await containers.find(record.id);
    if (now?.status !== "running") return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new MiniError(
    `the command that runs container ${record.name} does not come to its end; is it stopped (Ctrl-Z)?`,
  );
}
