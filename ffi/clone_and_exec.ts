/** The trampoline: clone3, and in the child a few operations inside our own memory, the last of them execveat. */
import { gaps } from "./close_all_but.ts";
import {
  AT_EMPTY_PATH,
  CLONE_ARGS_SIZE,
  CLONE_CLEAR_SIGHAND,
  CLONE_INTO_CGROUP,
  CLONE_PIDFD,
  CLONE_VFORK,
  CLONE_VM,
  CLOSE_RANGE_CLOEXEC,
  F_SETFD,
  SIG_SETMASK,
} from "./constants.ts";
import { Errno, MiniError, SyscallError } from "./errors.ts";
import { waitForExit } from "./exit_status.ts";
import { addressOf, close, cString, snippets, syscall, syscallNumber } from "./kernel.ts";
import type { SyscallName } from "./syscall_numbers.ts";

/** One operation of the child, with the fields of x86_64.ts; `on` names in messages what it is done to. */
interface Step {
  readonly call: SyscallName | "add";
  readonly args: readonly (number | bigint)[];
  readonly on?: string;
  readonly flags?: number;
  readonly loads?: number;
  readonly target?: number;
  readonly than?: number;
}
const OPTIONAL = 1, GREATER = 8, ALWAYS = 2 | 4 | 8;
const LAST_SIGNAL = 64, SIGCHLD = 17, SIG_IGN = 1n;

/** The words of one operation. */
function words({ call, args, flags = 0, loads = 0, target = 0, than = 0 }: Step): bigint[] {
  const number = call === "add" ? 0xffffffff : syscallNumber(call);
  const six = Array.from({ length: 6 }, (_, i) => BigInt.asUintN(64, BigInt(args[i] ?? 0)));
  return [BigInt(number) | BigInt(flags) << 32n | BigInt(loads) << 40n | BigInt(target) << 48n, ...six, BigInt(than)];
}

/** Whether close_range(2) can mark descriptors close-on-exec (Linux 5.11), found out at first use. */
let marksRanges = true;

/** Nothing of ours but these is open in the process, once it executes something else. */
function closeAllBut(kept: readonly number[]): Step[] {
  if (marksRanges) return [{ call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC] }];
  return gaps(3, kept).map(([first, last]) => ({ call: "close_range", args: [first, last, 0] }));
}

/**
 * Makes a process that executes `file`, an ELF file that can be executed.
 *
 * @param flags CLONE_NEW… flags. @param cgroup a descriptor of the cgroup it is born in. @param pass descriptors it keeps.
 * @returns its number and a descriptor of it. @throws {SyscallError} when that fails; no process is left then.
 */
export function cloneAndExec(file: number, flags: bigint, cgroup: number | undefined, pass: readonly number[]): Cloned {
  try {
    return attempt(file, flags, cgroup, pass);
  } catch (error) {
    const isOld = error instanceof SyscallError && error.syscall === "close_range" && error.errno === Errno.EINVAL;
    if (!isOld || !marksRanges) throw error;
    marksRanges = false;
    return attempt(file, flags, cgroup, pass);
  }
}

/** A process, by its number and by a descriptor. */
interface Cloned {
  readonly pid: number;
  readonly pidfd: number;
}

function attempt(file: number, flags: bigint, cgroup: number | undefined, pass: readonly number[]): Cloned {
  const keep: Uint8Array[] = [];
  const place = (bytes: Uint8Array<ArrayBuffer>) => {
    keep.push(bytes);
    return addressOf(bytes);
  };
  const zeros = place(new Uint8Array(32));
  const argv = new Uint8Array(new BigUint64Array([place(cString("mini")), 0n]).buffer);
  const HEADER = 8; // words in front of the results
  const closes = closeAllBut([file, ...pass]);
  // One for each of the steps below.
  const results = new BigInt64Array(HEADER + 3 + closes.length + pass.length);
  const firstResult = addressOf(results) + BigInt(8 * HEADER);
  const steps: Step[] = [
    // Signals that are ignored stay so through clone and execve, and Deno ignores SIGPIPE: set each to its default. The first
    // result counts them; it refuses SIGKILL and SIGSTOP.
    { call: "add", args: [firstResult, 1], loads: 1, flags: OPTIONAL | GREATER, than: LAST_SIGNAL, target: 2 },
    { call: "rt_sigaction", args: [firstResult, zeros, 0, 8], loads: 1, flags: ALWAYS, target: 0 },
    // What we were started with may be open without close-on-exec, and what is passed stays close-on-exec with us: no other
    // thread's child can inherit it.
    ...closes,
    ...pass.map((fd): Step => ({ call: "fcntl", args: [fd, F_SETFD, 0], on: `descriptor ${fd}` })),
    {
      call: "execveat",
      args: [file, place(cString("")), place(argv), zeros, AT_EMPTY_PATH],
      on: "mini's own program",
    },
  ];
  const operations = new BigUint64Array(steps.flatMap(words));
  const pidfd = new Int32Array(1);
  const args = new BigUint64Array(CLONE_ARGS_SIZE / 8);
  args[0] = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
    (cgroup === undefined ? 0n : CLONE_INTO_CGROUP);
  args[1] = addressOf(pidfd);
  args[4] = BigInt(SIGCHLD); // exit_signal
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
        firstResult,
      ),
    );
  } finally {
    syscall("rt_sigprocmask", SIG_SETMASK, before, null, 8);
  }
  keep.length = 0;
  if (pid < 0) throw new SyscallError("clone3", -pid);
  const failed = Number(results[HEADER - 1]) - 1, step = steps[failed];
  if (step) {
    try {
      waitForExit(pidfd[0]!);
    } finally {
      close(pidfd[0]!);
    }
    const errno = -Number(results[HEADER + failed]);
    if (step.call === "execveat" && errno === Errno.EACCES) {
      throw new MiniError("the kernel refuses to execute mini's own program: /run may be mounted noexec");
    }
    throw new SyscallError(step.call, errno, step.on);
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
  const action = new BigUint64Array(4); // handler, flags, restorer, mask
  syscall("rt_sigaction", SIGCHLD, null, action, 8);
  if (action[0] === SIG_IGN) syscall("rt_sigaction", SIGCHLD, new BigUint64Array(4), null, 8);
  exitStatusesKept = true;
}
