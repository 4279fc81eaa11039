/** Starts a program in a new process. Why a file and not a walk inside our own memory: see program.ts, elf.ts and docs. */
import { cloneAndExec } from "./clone_and_exec.ts";
import {
  AT_FDCWD,
  F_ADD_SEALS,
  F_SEAL_ALL,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
} from "./constants.ts";
import { elf, mapResults, NOT_RUN, RESULTS_HEADER, resultsBytes, timesOffset } from "./elf.ts";
import { Errno, SyscallError } from "./errors.ts";
import { close, machine, syscall, trySyscall } from "./kernel.ts";
import type { Argument, Operation, Program } from "./program.ts";

import { act } from "./witness.ts";
export { type ExitStatus, exitStatus, shellStatus, waitForExit } from "./exit_status.ts";

/** What became of a program, read from the memory that it shares with us. */
export interface Failure {
  readonly operation: Operation;
  readonly index: number;
  /** The positive errno value. */
  readonly errno: number;
}

/** The results of a program's operations while it runs and afterwards. */
export class Results {
  /** @param fd the memfd that the program maps. @param program with the operation that maps it in front. */
  constructor(readonly fd: number, readonly program: Program) {}

  #read(offset: number): bigint {
    const word = new BigInt64Array(1);
    const bytes = syscall("pread64", this.fd, word, 8, offset);
    if (bytes !== 8) throw new Error("the results of a program are cut short");
    return word[0]!;
  }

  /** What operation `index` returned; undefined if it has not run. */
  at(index: number): number | undefined {
    const value = this.#read(RESULTS_HEADER + 8 * index);
    return value === NOT_RUN ? undefined : Number(value);
  }

  /** What the operation of that name returned; undefined if it has not run. */
  of(name: string): number | undefined {
    const index = this.program.findIndex((operation) => operation.name === name);
    if (index < 0) throw new Error(`program: no operation is named ${name}`);
    return this.at(index);
  }

  /**
   * The operation that ended the program, if one did. What a process of a container could have written over (the init
   * program's memory can be written by a container's root) is taken for no failure.
   */
  failure(): Failure | undefined {
    const index = Number(this.#read(RESULTS_HEADER - 8)) - 1;
    const operation = this.program[index];
    const value = operation && this.at(index);
    if (!operation || value === undefined || value >= 0 || value < -4095) return undefined;
    return { operation, index, errno: -value };
  }

  /**
   * When operation `index` of a timed program began and ended, in ticks (ticks.ts). Not known of the first one when it began,
   * and of one that never returned, an execve, when it ended: undefined.
   */
  times(index: number): { readonly began: bigint | undefined; readonly ended: bigint | undefined } {
    const at = timesOffset(this.program.length) + 16 * index;
    const [began, ended] = [this.#read(at), this.#read(at + 8)];
    return { began: began || undefined, ended: ended || undefined };
  }

  /** Whether operation `index` has run. */
  reached(index: number): boolean {
    return this.at(index) !== undefined;
  }

  close(): void {
    close(this.fd);
  }
}

/** A process that was started. */
export interface Spawned {
  /** Its number in our own pid namespace. */
  readonly pid: number;
  /** A descriptor of the process, close-on-exec; the caller's to close. */
  readonly pidfd: number;
  readonly results: Results;
}

/** What `spawn` may be told. */
export interface SpawnOptions {
  /** CLONE_NEW… flags of clone3(2). */
  readonly flags?: bigint;
  /** A descriptor of the cgroup v2 folder that the process is born in. */
  readonly cgroup?: number | undefined;
  /** It stores when each operation began and ended: see Results.times. */
  readonly timed?: boolean;
  /** Descriptors of ours that the program uses under their own numbers. 0, 1 and 2 are always passed, all others never. */
  readonly pass?: readonly number[];
  /**
   * An empty file, open for reading and writing, for the results to be in, so that another command can read them; without it
   * they are in memory of nobody else's. The descriptor becomes that of `Spawned.results`.
   */
  readonly results?: number | undefined;
}

const F_SEAL_SIZE = 0x1 | 0x2 | 0x4; // SEAL SHRINK GROW

/** Whether memfd_create knows MFD_EXEC (kernel 6.3), found out at first use. */
let memfdExec = MFD_EXEC;

/** A descriptor of a file that holds `bytes`, can be executed, and can never be changed. */
export function sealedFile(bytes: Uint8Array<ArrayBuffer>): number {
  let fd = trySyscall("memfd_create", "mini", MFD_CLOEXEC | MFD_ALLOW_SEALING | memfdExec);
  if (fd === -Errno.EINVAL && memfdExec) {
    memfdExec = 0;
    fd = trySyscall("memfd_create", "mini", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  // vm.memfd_noexec = 2 forbids a memfd that can be executed.
  if (fd === -Errno.EACCES) return unlinkedFile(bytes);
  if (fd < 0) throw new SyscallError("memfd_create", -fd, "mini");
  return orClosed(fd, () => {
    writeAll(fd, bytes);
    syscall("fcntl", fd, F_ADD_SEALS, F_SEAL_ALL);
  });
}

/** The descriptor, after `prepare`; closed if that fails. */
function orClosed(fd: number, prepare: () => void): number {
  try {
    prepare();
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The same as a file without a name under /run, opened for reading only. */
function unlinkedFile(bytes: Uint8Array<ArrayBuffer>): number {
  const path = `/run/mini-${crypto.randomUUID()}`;
  const writer = syscall("openat", AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o500);
  try {
    writeAll(writer, bytes);
    return syscall("openat", AT_FDCWD, path, O_CLOEXEC);
  } finally {
    close(writer); // a file that is open for writing cannot be executed
    syscall("unlinkat", AT_FDCWD, path, 0);
  }
}

/** Writes all of `bytes`. @throws {SyscallError} as write(2). */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += syscall("write", fd, bytes.subarray(done), bytes.length - done);
}

/** The file, by default a memfd, that a program and its caller share, with every result marked as not run. */
function sharedResults(operations: number, timed: boolean, file: number | undefined): number {
  const fd = file ?? syscall("memfd_create", "mini results", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return orClosed(fd, () => {
    const words = new BigInt64Array(resultsBytes(operations, timed) / 8);
    words.fill(NOT_RUN, RESULTS_HEADER / 8, timesOffset(operations) / 8);
    writeAll(fd, new Uint8Array(words.buffer));
    // A container that gets hold of the descriptor cannot cut the memory off below those who read and write it.
    if (file === undefined) syscall("fcntl", fd, F_ADD_SEALS, F_SEAL_SIZE);
  });
}

/** A program with the operation in front that maps its results, and the memfd for these; the caller's to close. */
export function sharedProgram(program: Program, timed = false, results?: number): { fd: number; program: Program } {
  const fd = sharedResults(program.length + 1, timed, results);
  return { fd, program: [mapResults(fd, program.length + 1, timed), ...program] };
}

/**
 * Starts a program and returns as soon as it runs on its own (some 0.2 ms).
 *
 * The new process is made by clone3 with CLONE_VM and CLONE_VFORK: no page table is copied, and this thread stands still until
 * the process has left our memory by execveat. All signals are blocked around it, and in the process: the program unblocks
 * them when it is ready. None of them is ignored or handled. A program's last operation is to see the process out, by execve or exit_group.
 *
 * @throws {SyscallError} when the process cannot be made (the errors of clone(2)); nothing is left behind then.
 */
export function spawn(program: Program, options: SpawnOptions = {}): Spawned {
  const { fd: resultsFd, program: whole } = sharedProgram(program, options.timed, options.results);
  let file = -1;
  try {
    file = sealedFile(elf(whole, machine, options.timed));
    const { pid, pidfd } = act(
      () => `clone3(0x${(options.flags ?? 0n).toString(16)}${options.cgroup === undefined ? "" : ", into its cgroup"})`,
      `a process that executes ${whole.length} operations`,
      () => cloneAndExec(file, options.flags ?? 0n, options.cgroup, [resultsFd, ...options.pass ?? []]),
    );
    return { pid, pidfd, results: new Results(resultsFd, whole) };
  } catch (error) {
    close(resultsFd);
    throw error;
  } finally {
    if (file >= 0) close(file);
  }
}

/** An argument as a person may read it, for messages and tests. */
export function showArgument(argument: Argument): string {
  if (typeof argument === "string") return JSON.stringify(argument);
  if (argument instanceof Uint8Array) return `<${argument.length} bytes>`;
  if (Array.isArray(argument)) return `[${argument.map(showArgument).join(", ")}]`;
  if (typeof argument === "object") {
    if ("result" in argument) return `<${argument.result}>`;
    if ("resultAddress" in argument) return `&${argument.resultAddress}`;
    if ("cell" in argument) return `&${argument.cell}`;
    if ("load" in argument) return argument.load;
    if ("words" in argument) return `{${argument.words.map(showArgument).join(", ")}}`;
  }
  return String(argument);
}
