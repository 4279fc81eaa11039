/** Starts a program in a new process. Why a file and not a walk inside our own memory: see program.ts, elf.ts and docs. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_ARGS_SIZE,
  CLONE_CLEAR_SIGHAND,
  CLONE_INTO_CGROUP,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  F_ADD_SEALS,
  F_SEAL_ALL,
  F_SETFD,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  P_PIDFD,
  SIG_SETMASK,
  WEXITED,
} from "./constants.ts";
import { elf, mapResults, NOT_RUN, RESULTS_HEADER, resultsBytes } from "./elf.ts";
import { Errno, MiniError, SyscallError } from "./errors.ts";
import { addressOf, close, cString, machine, snippets, syscall, syscallNumber, trySyscall } from "./kernel.ts";
import type { Argument, Operation, Program } from "./program.ts";

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

  /** Whether the program has come to an operation of this kind and the kernel has carried it out or is doing so. */
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
  /** Descriptors of ours that the program uses under their own numbers. 0, 1 and 2 are always passed. */
  readonly pass?: readonly number[];
}

const F_SEAL_SIZE = 0x1 | 0x2 | 0x4; // SEAL SHRINK GROW

/** Whether memfd_create knows MFD_EXEC (kernel 6.3), found out at first use. */
let memfdExec = MFD_EXEC;

/** A descriptor of a file that holds `bytes`, can be executed, and can never be changed. */
function sealedFile(bytes: Uint8Array<ArrayBuffer>): number {
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

/** The memfd that a program and its caller share, with every result marked as not run. */
function sharedResults(operations: number): number {
  const fd = syscall("memfd_create", "mini results", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return orClosed(fd, () => {
    const words = new BigInt64Array(resultsBytes(operations) / 8);
    words.fill(NOT_RUN, RESULTS_HEADER / 8);
    writeAll(fd, new Uint8Array(words.buffer));
    // A container that gets hold of the descriptor cannot cut the memory off below those who read and write it.
    syscall("fcntl", fd, F_ADD_SEALS, F_SEAL_SIZE);
  });
}

/**
 * Starts a program and returns as soon as it runs on its own (some 0.2 ms).
 *
 * The new process is made by clone3 with CLONE_VM and CLONE_VFORK: no page table is copied, and this thread stands still until
 * the process has left our memory by execveat. All signals are blocked around it, and in the process: the program unblocks
 * them when it is ready. A program's last operation is to see the process out, by execve or exit_group.
 *
 * @throws {SyscallError} when the process cannot be made (the errors of clone(2)); nothing is left behind then.
 */
export function spawn(program: Program, options: SpawnOptions = {}): Spawned {
  const resultsFd = sharedResults(program.length + 1);
  const whole = [mapResults(resultsFd, program.length + 1), ...program];
  let file = -1;
  try {
    file = sealedFile(elf(whole, machine));
    const { pid, pidfd } = cloneAndExec(file, options.flags ?? 0n, options.cgroup, [resultsFd, ...options.pass ?? []]);
    return { pid, pidfd, results: new Results(resultsFd, whole) };
  } catch (error) {
    close(resultsFd);
    throw error;
  } finally {
    if (file >= 0) close(file);
  }
}

/** The trampoline: clone3, and in the child a few operations inside our own memory, the last of them execveat. */
function cloneAndExec(file: number, flags: bigint, cgroup: number | undefined, pass: number[]) {
  const keep: Uint8Array[] = [];
  const place = (bytes: Uint8Array<ArrayBuffer>) => {
    keep.push(bytes);
    return addressOf(bytes);
  };
  const nothing = place(new Uint8Array(8));
  const argv = new Uint8Array(new BigUint64Array([place(cString("mini")), 0n]).buffer);
  const calls: [nr: number, ...args: (number | bigint)[]][] = [
    // The descriptors stay ours alone until this process is past the clone: no other thread's child can inherit them.
    ...pass.map((fd): [number, ...number[]] => [syscallNumber("fcntl"), fd, F_SETFD, 0]),
    [syscallNumber("execveat"), file, place(cString("")), place(argv), nothing, AT_EMPTY_PATH],
  ];
  const operations = new BigUint64Array(calls.length * 8);
  calls.forEach((call, i) => call.forEach((value, j) => operations[i * 8 + j] = BigInt.asUintN(64, BigInt(value))));
  const results = new BigInt64Array(8 + calls.length);
  const pidfd = new Int32Array(1);
  const args = new BigUint64Array(CLONE_ARGS_SIZE / 8);
  args[0] = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
    (cgroup === undefined ? 0n : CLONE_INTO_CGROUP);
  args[1] = addressOf(pidfd);
  args[4] = 17n; // exit_signal: SIGCHLD
  args[10] = BigInt(cgroup ?? 0);
  const all = new BigUint64Array([0xffffffff_ffffffffn]), before = new BigUint64Array(1);
  keepExitStatuses();
  syscall("rt_sigprocmask", SIG_SETMASK, all, before, 8);
  let pid: number;
  try {
    pid = Number(
      snippets().spawn.call(
        args as unknown as Uint8Array<ArrayBuffer>,
        BigInt(CLONE_ARGS_SIZE),
        operations as unknown as Uint8Array<ArrayBuffer>,
        addressOf(results) + 64n,
      ),
    );
  } finally {
    syscall("rt_sigprocmask", SIG_SETMASK, before, null, 8);
  }
  keep.length = 0;
  if (pid < 0) throw new SyscallError("clone3", -pid);
  if (results[7] !== 0n) {
    const index = Number(results[7]) - 1, errno = -Number(results[8 + index]);
    try {
      waitForExit(pidfd[0]!);
    } finally {
      close(pidfd[0]!);
    }
    if (errno === Errno.EACCES) {
      throw new MiniError("the kernel refuses to execute mini's own program: /run may be mounted noexec", undefined);
    }
    if (index < pass.length) throw new SyscallError("fcntl", errno, `descriptor ${pass[index]}`);
    throw new SyscallError("execveat", errno, "mini's own program");
  }
  return { pid, pidfd: pidfd[0]! };
}

let exitStatusesKept = false;
/**
 * Whoever started us may have set SIGCHLD to be ignored, which execve(2) hands down: the kernel would then reap our children
 * by itself, and nobody would learn how they ended (wait(2)). Set it to its default; a handler stays.
 */
function keepExitStatuses(): void {
  if (exitStatusesKept) return;
  const SIGCHLD = 17, SIG_IGN = 1n;
  const action = new BigUint64Array(4); // handler, flags, restorer, mask
  syscall("rt_sigaction", SIGCHLD, null, action, 8);
  if (action[0] === SIG_IGN) syscall("rt_sigaction", SIGCHLD, new BigUint64Array(4), null, 8);
  exitStatusesKept = true;
}

/** How a process ended. */
export interface ExitStatus {
  /** Its exit status, or the number of the signal that killed it. */
  readonly code: number;
  readonly signaled: boolean;
  readonly coreDumped: boolean;
}

/** The exit status as a shell counts it: 128 + n for a process killed by signal n. */
export const shellStatus = (status: ExitStatus) => status.signaled ? 128 + status.code : status.code;

/** Reaps the child behind a pidfd; waits if it still runs. @throws {SyscallError} ECHILD if it is not ours. */
export function waitForExit(pidfd: number): ExitStatus {
  const info = new Int32Array(32);
  syscall("waitid", P_PIDFD, pidfd, info, WEXITED, 0);
  return exitStatus(info[2]!, info[6]!);
}

/** si_code and si_status of a SIGCHLD siginfo, sigaction(2). */
export function exitStatus(code: number, status: number): ExitStatus {
  return { code: status, signaled: code !== 1, coreDumped: code === 3 };
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
