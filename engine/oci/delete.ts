/** `delete`: gives back what a stopped container had. OCI runtime-spec, runtime.md, "Delete". */
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { removeCgroup } from "../../runtime/cgroup.ts";
import { endsWithin } from "../../runtime/process_end.ts";
import { KILL_MILLISECONDS, openProcess } from "../process.ts";
import type { OciContainers, OciRecord } from "./containers.ts";
import type { Warn } from "./hooks.ts";

const SIGKILL = 9;

/**
 * Removes a container that has stopped.
 *
 * @param force end one that has not, and pass over one that is not there.
 * @throws {MiniError} when there is none, or it has not stopped.
 */
export async function remove(containers: OciContainers, id: string, force: boolean, warn: Warn): Promise<void> {
  let lock: number;
  try {
    lock = containers.lock(id);
  } catch (error) {
    if (!(error instanceof MiniError) || !force) throw error;
    containers.folder(id); // a wrong id is an error in every case
    return;
  }
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status !== "stopped" && !(status === "creating")) {
      if (!force) throw new MiniError(`cannot delete container ${id} that is not stopped: ${status}`);
      await end(record);
    }
    await forget(containers, record, warn);
  } finally {
    close(lock);
  }
}

/** Removes what is left of a container whose processes have ended, or are ended by this, and tells its hooks. */
export async function forget(containers: OciContainers, record: OciRecord, warn: Warn): Promise<void> {
  const spec = record.hooks.includes("poststop") && record.pid !== 0 ? await containers.spec(record) : undefined;
  if (record.cgroup !== undefined) await removeCgroup(record.cgroup);
  containers.remove(record.id);
  if (!spec) return;
  const { runAndWarn } = await import("./hooks.ts");
  await runAndWarn(containers, record, spec, "stopped", "poststop", warn);
}

/** Kills its first process and waits for its end. */
async function end(record: OciRecord): Promise<void> {
  const pidfd = openProcess(record);
  if (pidfd === undefined) return;
  try {
    const result = trySyscall("pidfd_send_signal", pidfd, SIGKILL, null, 0);
    if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("pidfd_send_signal", -result);
    if (!await endsWithin(pidfd, KILL_MILLISECONDS / 1000)) {
      throw new MiniError(`container init still running: ${record.id} was killed, and waits for a process or a device`);
    }
  } finally {
    close(pidfd);
  }
}
