/** What is done about a container that has come to its end, by whoever finds it so: its owner, the monitor, any command. */
import { shellStatus } from "../ffi/exit_status.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { readShimStatus } from "../ffi/shim.ts";
import { cgroupTree, hostTree, removeCgroup } from "../runtime/cgroup.ts";
import { cgroupPathBelow } from "./cgroups.ts";
import type { Containers } from "./containers.ts";
import { emitContainer, emitDie } from "./events.ts";
import { forgetWithVolumes } from "./forget.ts";
import { hasNetworks } from "./network_view.ts";
import { endProcess } from "./process.ts";
import { limitsEnd } from "./limits_end.ts";
import { logPlace } from "./log_place.ts";
import type { ContainerEnd, ContainerRecord } from "./record.ts";
import { STREAMS } from "./streams.ts";

/** The file in a container's state folder in which its shim writes down how it ended. */
export const STATUS_FILE = "exit";

/**
 * Takes apart what is left of a container, writes down how it ended, and removes it if that was asked for. Whoever calls this
 * has the container's lock: its owner is gone.
 *
 * @param going it is about to be removed: nothing more of it is written, which a full disk would not take.
 * @throws {MiniError} when a process of it does not end.
 */
export async function clearUp(containers: Containers, id: string, going = false): Promise<void> {
  const running = containers.running(id);
  if (running) await endProcess(running);
  const cgroup = cgroupOf(id, running?.cgroup);
  const short = limitsEnd(cgroup);
  if (cgroup !== undefined) await removeCgroup(cgroup);
  if (hasNetworks(containers, id)) await (await import("./network_end.ts")).releaseNetworks(containers, id);
  let record: ContainerRecord | undefined;
  try {
    record = containers.record(id);
  } catch (error) {
    // What cannot be read is not thrown away; those who ask for it are told.
    if (error instanceof MiniError) return containers.dropState(id);
    throw error;
  }
  if (record && !going) await keepTails(containers, record);
  if (record?.mounts?.length) await (await import("./volumes/on_host.ts")).releaseFromHost(containers, record);
  const end: ContainerEnd = {
    ...howItEnded(containers, id) ?? unknownEnd(),
    ...short,
  };
  const tellEnd = () => {
    if (!record || !running?.pid || record.end) return;
    const { startedAt = end.finishedAt } = record;
    if (end.oomKilled !== undefined) emitContainer(containers.state, record, "oom");
    emitDie(containers.state, record, end, (Date.parse(end.finishedAt) - Date.parse(startedAt)) / 1000);
  };
  if (record && going) {
    tellEnd();
    return containers.dropState(id);
  }
  // Its owner may have been killed between having it run and writing down that it was started.
  if (record && !record.autoRemove && (record.startedAt || running?.status === "running")) {
    // Its owner has come that far, and no further.
    if (record.end) containers.dropState(id);
    else {
      containers.ended(id, end);
      tellEnd(); // once, and not for each time that a full disk did not take it
    }
    return;
  }
  // It is there to be started by the next, unless the one that was to start it is the one that made it.
  if (record && !record.autoRemove && !record.making && !running?.fresh) return containers.dropState(id);
  if (record) {
    tellEnd();
    // Volumes that stay are listed; nobody is here to be told.
    await forgetWithVolumes(containers, record, () => {});
    emitContainer(containers.state, record, "destroy");
  } else {
    containers.forget(id, undefined);
    containers.dropNamesOf(id);
  }
}

/** What nobody had read of its output when it ended goes into its log. */
async function keepTails(containers: Containers, record: ContainerRecord): Promise<void> {
  const stateFolder = containers.stateFolder(record.id);
  if (!hasTails(stateFolder)) return;
  const { appendTails } = await import("./logs/consumer.ts");
  appendTails(logPlace(containers, record));
}

function hasTails(stateFolder: string): boolean {
  const tails: string[] = Object.values(STREAMS.tails);
  return [...Deno.readDirSync(stateFolder)].some(({ name }) => tails.includes(name));
}

/** The same, if nobody has done it yet. */
export async function clearUpOnce(containers: Containers, id: string, going = false): Promise<void> {
  if (containers.running(id) !== undefined) await clearUp(containers, id, going);
}

/**
 * The same for whoever wants something of another container.
 *
 * @returns where the disk does not take it now, and all stays: what is known of its end.
 */
export async function clearUpIfPossible(containers: Containers, id: string): Promise<ContainerEnd | undefined> {
  try {
    await clearUp(containers, id);
    return undefined;
  } catch (error) {
    if (!isFull(error)) throw error;
    return howItEnded(containers, id) ?? unknownEnd();
  }
}

/** Of one whose owner, or shim, was killed before it could tell. */
const unknownEnd = (): ContainerEnd => ({
  exitCode: 137,
  finishedAt: new Date().toISOString(),
  error: "mini was killed while it ran",
});

/** Whether a disk has no room, or cannot be written to. */
function isFull(error: unknown): boolean {
  const errno = error instanceof SyscallError
    ? error.errno
    : Number(/\(os error (\d+)\)/.exec(error instanceof Error ? error.message : "")?.[1]);
  return [Errno.ENOSPC, Errno.EDQUOT, Errno.EROFS].includes(errno);
}

/** The folder of a container's cgroup: what is written down, where that can be. A user's next command may have been given none. */
function cgroupOf(id: string, written: unknown): string | undefined {
  const host = hostTree(), tree = cgroupTree();
  const isOurs = typeof written === "string" && host && written.startsWith(`${host.root}/`) && written.endsWith(id) &&
    !written.includes("/../");
  return isOurs ? written : tree && `${tree.root}${cgroupPathBelow(undefined, id)}`;
}

/** What the shim of a container in the background has written; undefined if there was none, or it was killed. */
export function howItEnded(containers: Containers, id: string): ContainerEnd | undefined {
  const path = `${containers.stateFolder(id)}/${STATUS_FILE}`;
  const status = readShimStatus(path);
  return status && {
    exitCode: shellStatus(status),
    finishedAt: (Deno.statSync(path).mtime ?? new Date()).toISOString(),
  };
}
