/** `start`: lets a created container go. OCI runtime-spec, runtime.md, "Start". */
import { O_NONBLOCK, O_RDWR, O_WRONLY } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import type { Operation } from "../../ffi/program.ts";
import { openProcess } from "../process.ts";
import type { OciContainers, OciRecord } from "./containers.ts";

const SIGKILL = 9;
/** As in elf.ts, which is not needed here otherwise. */
const RESULTS_HEADER = 64;

/**
 * Starts a container that was created, and returns when its program runs.
 *
 * @throws {MiniError} when it is not one that waits, or its program could not be executed.
 */
export async function start(containers: OciContainers, id: string): Promise<void> {
  const lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record);
    if (status === "stopped") throw new MiniError(`cannot start a container that has stopped: ${id}`);
    if (status === "running") throw new MiniError(`cannot start an already running container: ${id}`);
    if (status !== "created") throw new MiniError(`cannot start a container in the ${status} state: ${id}`);
    if (record.hooks.includes("startContainer")) await startHooks(containers, record);
    await begin(containers, record);
    if (!record.hooks.includes("poststart")) return;
    await poststartHooks(containers, record);
  } finally {
    close(lock);
  }
}

/** A container whose hooks fail is ended: runtime.md, "Lifecycle", step 9. */
async function poststartHooks(containers: OciContainers, record: OciRecord): Promise<void> {
  const { runOutside } = await import("./hooks.ts");
  // Opened before: by the time that a hook has failed the number may be another process's.
  const pidfd = openProcess(record);
  try {
    await runOutside(containers, record, await containers.spec(record), "running", "poststart");
  } catch (error) {
    if (pidfd !== undefined) trySyscall("pidfd_send_signal", pidfd, SIGKILL, null, 0);
    throw error;
  } finally {
    if (pidfd !== undefined) close(pidfd);
  }
}

/** The same for those before the program, step 7. */
async function startHooks(containers: OciContainers, record: OciRecord): Promise<void> {
  const [{ runInside }, { grantable }, { hasNamespace }] = await Promise.all([
    import("./hooks.ts"),
    import("./grant.ts"),
    import("../../runtime/plan_namespaces.ts"),
  ]);
  const pidfd = openProcess(record);
  if (pidfd === undefined) throw new MiniError(`cannot start a container that has stopped: ${record.id}`);
  try {
    const spec = await containers.spec(record);
    // What cannot be granted was told when it was created.
    grantable(spec.process, hasNamespace(spec, "user"), () => {});
    await runInside(containers, record, spec, "created", pidfd, "startContainer");
  } catch (error) {
    syscall("pidfd_send_signal", pidfd, SIGKILL, null, 0);
    throw error;
  } finally {
    close(pidfd);
  }
}

/** Writes the byte that it waits for, and waits until the FIFO's reader is gone: by its execve, or its end. */
async function begin(containers: OciContainers, record: OciRecord): Promise<void> {
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
    if (hasFailed(results)) await explain(containers, record, results);
  } finally {
    close(fifo);
    close(results);
  }
}

/** Whether an operation has ended the program: the word in front of the results (elf.ts). */
function hasFailed(results: number): boolean {
  const word = new BigInt64Array(1);
  syscall("pread64", results, word, 8, RESULTS_HEADER - 8);
  return word[0] !== 0n;
}

/** @throws {MiniError} that says which operation has failed, and why. */
async function explain(containers: OciContainers, record: OciRecord, results: number): Promise<void> {
  const [{ containerError }, { openRoot }, { Results }] = await Promise.all([
    import("../../runtime/failure.ts"),
    import("../../ffi/open.ts"),
    import("../../ffi/spawn.ts"),
  ]);
  // The program as far as it is known: what was before the wait has been done, and cannot fail any more.
  const done: Operation = { call: "add", args: [0, 0], why: "done" }, { at = 0, operations = [] } = record.tail ?? {};
  const rest = operations.map((operation) => ({ ...operation, args: [] }));
  const left = new Results(results, [...Array.from({ length: at }, () => done), ...rest]), failure = left.failure();
  const { process, mounts = [] } = await containers.spec(record);
  if (failure) {
    throw containerError(failure, left, { openRoot: () => openRoot(record.rootfs), cwd: process.cwd, mounts });
  }
}
