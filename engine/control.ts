/** What is done to containers that are there: signals, the end, removal. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { killCgroup } from "../runtime/cgroup.ts";
import { freeze, setFrozen } from "../runtime/cgroup_freeze.ts";
import { signalName, signalNumber } from "../runtime/signals.ts";
import { clearUpOnce } from "./clear.ts";
import { Busy, type Containers, type Found } from "./containers.ts";
import { emitContainer } from "./events.ts";
import { forgetWithVolumes } from "./forget.ts";
import type { ContainerRecord } from "./record.ts";
import { hasEnded, isAlive, KILL_MILLISECONDS, openProcess } from "./process.ts";

/** How long the command that runs a container may take to write down its end, before others go on without it. */
const OWNER_MILLISECONDS = 10_000;

const SIGKILL = 9;
/** How long one has to end by itself where nobody says otherwise. */
const STOP_SECONDS = 10;

/** No restart policy starts it again from now on. */
function wantedStopped(containers: Containers, { record }: Found, how: ContainerRecord["stopped"] = "by hand"): void {
  if (record.restart.name !== "no") containers.change(record.id, (now) => now.stopped = how!);
}

/** A descriptor of a container's PID 1, the caller's to close; undefined if it has ended. */
export const pidfdOf = ({ running }: Found): number | undefined => running && openProcess(running);

/** Sends a signal to a container's PID 1. @throws {MiniError} when it does not run. */
export function kill(containers: Containers, found: Found, signal: string): void {
  const number = signalNumber(signal), fd = pidfdOf(found);
  // Whoever kills one by hand does not want it back.
  if (fd !== undefined && number === SIGKILL) wantedStopped(containers, found);
  if (fd === undefined) {
    throw new MiniError(`container ${found.record.name} is not running, so ${signalName(number)} cannot be sent to it`);
  }
  try {
    const send = (one: number) => {
      const result = trySyscall("pidfd_send_signal", fd, one, null, 0);
      if (result < 0 && result !== -Errno.ESRCH) {
        throw new SyscallError("pidfd_send_signal", -result, signalName(number));
      }
    };
    send(0); // whether we may
    // Told before it is done: what becomes of it, others tell at once.
    emitContainer(containers.state, found.record, "kill", { signal: String(number) });
    send(number);
  } finally {
    close(fd);
  }
}

/**
 * Stops a container: its stop signal, and when that does not end it in time, SIGKILL for all that is in it. One that does not
 * run is stopped already. The command that runs it gets the time to write down its end (or to remove it) before this returns.
 *
 * @param seconds that it gets; without them those it was made with, or 10. Less than 0: as long as it takes.
 * @throws {MiniError} when not even SIGKILL ends it.
 */
export async function stop(
  containers: Containers,
  found: Found,
  seconds = found.record.config.stopTimeout ?? STOP_SECONDS,
  signal?: string,
  how?: ContainerRecord["stopped"],
): Promise<void> {
  wantedStopped(containers, found, how);
  const { lock, ran } = await endAndTake(
    containers,
    found,
    (one) => end(containers, one, seconds, signal),
    containers.take,
  );
  try {
    // Its shim has gone, and nobody else has seen it yet.
    if (lock?.fd !== undefined) await clearUpOnce(containers, found.record.id);
  } finally {
    if (lock?.fd !== undefined) close(lock.fd);
  }
  if (ran) emitContainer(containers.state, found.record, "stop");
}

/** A lock that was taken; without a descriptor of one that nobody needs, because nobody is at work on the container. */
type Taken = { readonly fd?: number };

/**
 * Ends a container, and locks it once whoever runs it is done with it. One that was only being started when it was found, by
 * its policy or by another command, is ended when it runs.
 *
 * @returns the lock, undefined if that does not come to its end; and whether there was anything to end.
 */
async function endAndTake(
  containers: Containers,
  found: Found,
  end: (one: Found) => Promise<void>,
  take: (this: Containers, id: string) => Taken | undefined,
): Promise<{ lock: Taken | undefined; ran: boolean }> {
  let one = found, ran = false;
  for (;;) {
    ran ||= one.running !== undefined;
    await end(one);
    const lock = await takeFromOwner(containers, found.record.id, take, one);
    if (lock !== "started") return { lock, ran };
    const now = await containers.find(found.record.id);
    if (!now) return { lock: {}, ran }; // it has run and is removed
    one = now;
  }
}

async function end(containers: Containers, found: Found, seconds: number, signal?: string): Promise<void> {
  const fd = pidfdOf(found);
  if (fd === undefined) return;
  try {
    const number = signalNumber(signal ?? found.record.config.stopSignal);
    emitContainer(containers.state, found.record, "kill", { signal: String(number) });
    trySyscall("pidfd_send_signal", fd, number, null, 0);
    // One that is paused gets the signal when it goes on.
    if (found.running?.cgroup) setFrozen(found.running.cgroup, false);
    if (seconds < 0) return void await readable(fd);
    if (seconds > 0 && await hasEnded(fd, seconds * 1000)) return;
    if (found.running?.cgroup) killCgroup(found.running.cgroup);
    else {
      // The first signal may have done it already.
      const result = trySyscall("pidfd_send_signal", fd, SIGKILL, null, 0);
      if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("pidfd_send_signal", -result, "SIGKILL");
    }
    if (!await hasEnded(fd, KILL_MILLISECONDS)) {
      throw new MiniError(
        `container ${found.record.name} does not end: its process ${found.running?.pid} is waiting in the kernel`,
      );
    }
  } finally {
    close(fd);
  }
}

/** The lock of a container, also of one that has none because nobody is at work on it; undefined while somebody is. */
function takeWhole(this: Containers, id: string): Taken | undefined {
  try {
    return { fd: this.lock(id) };
  } catch (error) {
    if (error instanceof Busy) return undefined;
    throw error;
  }
}

/**
 * Locks a container once the command that runs it is done with it; undefined if that does not come to its end.
 *
 * @param seen what it was when it was found. @returns "started" when it has begun to run since.
 */
async function takeFromOwner(
  containers: Containers,
  id: string,
  take: (this: Containers, id: string) => Taken | undefined,
  seen?: Found,
): Promise<Taken | undefined | "started"> {
  for (const limit = Date.now() + OWNER_MILLISECONDS;;) {
    const lock = take.call(containers, id);
    if (lock || Date.now() > limit) return lock;
    const now = seen && containers.running(id);
    if (now?.status === "running" && now.pid !== seen!.running?.pid && isAlive(now)) return "started";
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Locks a container that is to be removed, once whoever runs it is done with it. @throws {MiniError} when that does not end. */
export async function takeWhenDone(containers: Containers, id: string, name: string): Promise<Taken> {
  const lock = await takeFromOwner(containers, id, takeWhole);
  if (!lock || lock === "started") throw stillOwned(name);
  return lock;
}

function stillOwned(name: string): MiniError {
  return new MiniError(
    `the command that runs container ${name} does not come to its end: it is stopped (Ctrl-Z), or nobody reads its output`,
  );
}

/**
 * Removes a container.
 *
 * @param force one that runs is killed first. @param volumes those that were made for it and never given a name go, too.
 * @throws {MiniError} for one that runs, without force.
 */
export async function removeContainer(
  containers: Containers,
  found: Found,
  force: boolean,
  volumes = false,
): Promise<void> {
  const { id, name } = found.record;
  if (force && (found.running || found.status === "restarting")) wantedStopped(containers, found);
  const { lock } = await endAndTake(containers, found, async (one) => {
    if (!one.running) return;
    if (!force) {
      throw new MiniError(`container ${name} runs: stop it with 'mini stop ${name}', or remove it with 'mini rm -f'`);
    }
    await end(containers, one, 0, "SIGKILL");
  }, takeWhole);
  if (!lock) throw stillOwned(name);
  try {
    await clearUpOnce(containers, id, true);
    const record = containers.record(id);
    if (record && volumes) {
      await forgetWithVolumes(containers, record, (sentence) => {
        throw new MiniError(sentence);
      });
    } else containers.forget(id, record?.name ?? name);
    // Otherwise its owner has removed it, and told so.
    if (record) emitContainer(containers.state, record, "destroy");
  } finally {
    if (lock.fd !== undefined) close(lock.fd);
  }
}

/**
 * Stops every process of a container where it is, or lets them go on, and waits until that is so: cgroup.freeze.
 *
 * @throws {MiniError} when it does not run, is as wanted already, has no cgroup, or does not stop.
 */
export async function pause(containers: Containers, found: Found, on: boolean): Promise<void> {
  const { record: { name }, running, status } = found;
  if (!running) throw new MiniError(`container ${name} is not running, so it cannot be ${on ? "paused" : "continued"}`);
  if (!running.cgroup) {
    throw new MiniError(
      `${
        ownNamespace() ? "you have been given no cgroup" : "this host has no cgroup v2"
      }, without which container ${name} cannot be paused`,
    );
  }
  if (on === (status === "paused")) throw new MiniError(`container ${name} is ${on ? "paused already" : "not paused"}`);
  await freeze(running.cgroup, on);
  emitContainer(containers.state, found.record, on ? "pause" : "unpause");
}
