/** `start`: lets a created container go. OCI runtime-spec, runtime.md, "Start". */
import { O_NONBLOCK, O_RDWR, O_WRONLY } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { op } from "../../ffi/program.ts";
import { Results } from "../../ffi/spawn.ts";
import { containerError, openRoot } from "../../runtime/failure.ts";
import { hasHooks } from "../../runtime/hooks.ts";
import type { Spec } from "../../runtime/spec.ts";
import { openProcess } from "../process.ts";
import type { OciContainers, OciRecord } from "./containers.ts";
import { runAndWarn, runInside, type Warn } from "./hooks.ts";

const SIGKILL = 9;

/**
 * Starts a container that was created, and returns when its program runs.
 *
 * @throws {MiniError} when it is not one that waits, or its program could not be executed.
 */
export async function start(containers: OciContainers, id: string, warn: Warn): Promise<void> {
  const lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status === "stopped") throw new MiniError(`cannot start a container that has stopped: ${id}`);
    if (status === "running") throw new MiniError(`cannot start an already running container: ${id}`);
    if (status !== "created") throw new MiniError(`cannot start a container in the ${status} state: ${id}`);
    const spec = containers.spec(record);
    if (hasHooks(spec, "startContainer")) await startHooks(containers, record, spec);
    begin(containers, record, spec);
    await runAndWarn(containers, record, spec, "running", "poststart", warn);
  } finally {
    close(lock);
  }
}

/** A container whose hooks fail is ended: runtime.md, "Lifecycle", step 8. */
async function startHooks(containers: OciContainers, record: OciRecord, spec: Spec): Promise<void> {
  const pidfd = openProcess(record);
  if (pidfd === undefined) throw new MiniError(`cannot start a container that has stopped: ${record.id}`);
  try {
    await runInside(containers, record, spec, "created", pidfd, "startContainer");
  } catch (error) {
    syscall("pidfd_send_signal", pidfd, SIGKILL, null, 0);
    throw error;
  } finally {
    close(pidfd);
  }
}

/** Writes the byte that it waits for, and waits until the FIFO's reader is gone: by its execve, or its end. */
function begin(containers: OciContainers, record: OciRecord, spec: Spec): void {
  const path = containers.fifo(record.id), results = open(`${containers.folder(record.id)}/results`, O_RDWR);
  let fifo: number;
  try {
    fifo = open(path, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    close(results);
    if (!(error instanceof SyscallError) || error.errno !== Errno.ENXIO) throw error;
    throw new MiniError(`cannot start a container that has stopped: ${record.id}`);
  }
  try {
    syscall("write", fifo, new Uint8Array(1), 1);
    // struct pollfd: nothing is asked for, because the error that a FIFO has without a reader is told in every case.
    const entry = new Uint8Array(8);
    new DataView(entry.buffer).setInt32(0, fifo, true);
    syscall("ppoll", entry, 1, null, null, 8);
    Deno.removeSync(path);
    const left = tail(results, record), failure = left.failure();
    if (failure) {
      const inside = { openRoot: () => openRoot(record.rootfs), cwd: spec.process.cwd, mounts: spec.mounts ?? [] };
      throw containerError(failure, left, inside);
    }
  } finally {
    close(fifo);
    close(results);
  }
}

/** The program as far as it is known: what was before the wait has been done, and cannot fail any more. */
function tail(fd: number, { tail }: OciRecord): Results {
  const done = op("add", [0, 0], "done");
  const operations = (tail?.operations ?? []).map((operation) => ({ ...operation, args: [] }));
  return new Results(fd, [...Array.from({ length: tail?.at ?? 0 }, () => done), ...operations]);
}
