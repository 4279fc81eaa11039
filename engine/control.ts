/** What is done to containers that are there: signals, the end, removal. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { killCgroup } from "../runtime/cgroup.ts";
import { signalName, signalNumber } from "../runtime/signals.ts";
import type { Containers, Found } from "./containers.ts";
import { hasEnded, KILL_MILLISECONDS, openProcess } from "./process.ts";

/** How long the command that runs a container may take to write down its end, before others go on without it. */
const OWNER_MILLISECONDS = 5000;

/** A descriptor of a container's PID 1, the caller's to close; undefined if it has ended. */
export const pidfdOf = ({ running }: Found): number | undefined => running && openProcess(running);

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

/**
 * Stops a container: its stop signal, and when that does not end it in time, SIGKILL for all that is in it. One that does not
 * run is stopped already. The command that runs it gets the time to write down its end (or to remove it) before this returns.
 *
 * @throws {MiniError} when not even SIGKILL ends it.
 */
export async function stop(containers: Containers, found: Found, seconds: number, signal?: string): Promise<void> {
  await end(found, seconds, signal);
  const lock = await takeFromOwner(containers, found);
  if (lock?.fd !== undefined) close(lock.fd);
}

async function end(found: Found, seconds: number, signal?: string): Promise<void> {
  const fd = pidfdOf(found);
  if (fd === undefined) return;
  try {
    const number = signalNumber(signal ?? found.record.config.stopSignal);
    trySyscall("pidfd_send_signal", fd, number, null, 0);
    if (seconds > 0 && await hasEnded(fd, seconds * 1000)) return;
    if (found.running?.cgroup) killCgroup(found.running.cgroup);
    else syscall("pidfd_send_signal", fd, 9, null, 0);
    if (!await hasEnded(fd, KILL_MILLISECONDS)) {
      throw new MiniError(
        `container ${found.record.name} does not end: its process ${found.running?.pid} is waiting in the kernel`,
      );
    }
  } finally {
    close(fd);
  }
}

/** Locks a container once the command that runs it is done with it; undefined if that does not come to its end. */
async function takeFromOwner(containers: Containers, { record }: Found): Promise<{ fd?: number } | undefined> {
  for (const limit = Date.now() + OWNER_MILLISECONDS;;) {
    const lock = containers.take(record.id);
    if (lock || Date.now() > limit) return lock;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * Removes a container.
 *
 * @param force one that runs is killed first. @throws {MiniError} for one that runs, without it.
 */
export async function removeContainer(containers: Containers, found: Found, force: boolean): Promise<void> {
  const { id, name } = found.record;
  if (found.status === "running") {
    if (!force) {
      throw new MiniError(`container ${name} runs: stop it with 'mini stop ${name}', or remove it with 'mini rm -f'`);
    }
    await end(found, 0, "SIGKILL");
  }
  const lock = await takeFromOwner(containers, found);
  if (!lock) {
    const now = await containers.find(id);
    // It was being made before.
    if (now?.status === "running" && found.status !== "running") return await removeContainer(containers, now, force);
    throw new MiniError(
      `the command that runs container ${name} does not come to its end: it is stopped (Ctrl-Z), or nobody reads its output`,
    );
  }
  try {
    containers.forget(id, name);
  } finally {
    if (lock.fd !== undefined) close(lock.fd);
  }
}
