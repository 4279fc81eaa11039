/** `kill`, `pause` and `resume`. */
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { processes } from "../../runtime/cgroup.ts";
import { freeze } from "../../runtime/cgroup_freeze.ts";
import { signalName } from "../../runtime/signals.ts";
import { openProcess } from "../process.ts";
import type { OciContainers, OciRecord } from "./containers.ts";

const SIGKILL = 9;
/** SIGHUP, SIGINT, SIGQUIT and SIGTERM: what they are sent for is to end a program. */
const ENDING: ReadonlySet<number> = new Set([1, 2, 3, 15]);

const notRunning = ({ id }: OciRecord, status: string) => new MiniError(`container not running: ${id} is ${status}`);

/**
 * Sends a signal to a container's first process, or to all of its processes.
 *
 * @throws {MiniError} when it is neither created nor running. For all, one that has stopped is no error: engines make sure by it
 *   that nothing is left.
 */
export function kill(containers: OciContainers, id: string, signal: number, all: boolean): void {
  const record = containers.read(id), status = containers.status(record);
  if (all) {
    const pids = record.cgroup === undefined ? [] : below(record.cgroup).flatMap(processes);
    if (pids.length === 0 && status !== "stopped") throw notRunning(record, status);
    for (const pid of pids) send(pid, signal);
    return;
  }
  const pidfd = status === "stopped" ? undefined : openProcess(record);
  if (pidfd === undefined) throw notRunning(record, status);
  try {
    // The kernel keeps a signal without a handler from the first process of a pid namespace, and what waits has none.
    const sent = status === "created" && ENDING.has(signal) ? SIGKILL : signal;
    const result = trySyscall("pidfd_send_signal", pidfd, sent, null, 0);
    if (result === -Errno.ESRCH) throw notRunning(record, "stopped");
    if (result < 0) throw new SyscallError("pidfd_send_signal", -result, signalName(signal));
  } finally {
    close(pidfd);
  }
}

/** A process that has ended meanwhile needs no signal. */
function send(pid: number, signal: number): void {
  const result = trySyscall("kill", pid, signal);
  if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("kill", -result, `process ${pid}`);
}

/** A cgroup and all that are below it. */
export function below(folder: string): string[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return [folder, ...names.flatMap((name) => below(`${folder}/${name}`))];
}

/** The cgroup of a container that is to be stopped or to go on. */
function freezer(record: OciRecord): string {
  if (record.cgroup === undefined) {
    throw new MiniError(
      `${record.id} has no cgroup, since this host has no cgroup v2, and only a cgroup can be paused`,
    );
  }
  return record.cgroup;
}

/** Stops all processes of a container. @throws {MiniError} when it is neither created nor running. */
export async function pause(containers: OciContainers, id: string): Promise<void> {
  const lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status !== "running" && status !== "created") {
      throw new MiniError(`container not running or created: ${id} is ${status}`);
    }
    await freeze(freezer(record), true);
  } finally {
    close(lock);
  }
}

/** Lets all processes of a paused container go on. @throws {MiniError} when it is not paused. */
export async function resume(containers: OciContainers, id: string): Promise<void> {
  const lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status !== "paused") throw new MiniError(`container not paused: ${id} is ${status}`);
    await freeze(freezer(record), false);
  } finally {
    close(lock);
  }
}
