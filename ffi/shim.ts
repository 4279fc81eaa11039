/**
 * The shim: the parent of a process that outlives the command which started it. It is the parent side of a fork in the same
 * program file. It holds what must stay open (a lock, the ends of FIFOs, a terminal's master side), waits in one system call,
 * writes down how the process ended, keeps what nobody has read of its output, and goes. It takes some 50 kB of memory.
 */
import {
  AT_FDCWD,
  CLONE_ARGS_SIZE,
  CLONE_INTO_CGROUP,
  LOCK_EX,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  P_ALL,
  PR_SET_NAME,
  SPLICE_F_NONBLOCK,
  WEXITED,
} from "./constants.ts";
import { closeAllBut } from "./close_all_but.ts";
import { type ExitStatus, exitStatus } from "./exit_status.ts";
import { type Argument, op, type Operation, type Program, result } from "./program.ts";

/** Bytes of the kernel's siginfo_t, which is what the status file holds: waitid(2). */
const SIGINFO_BYTES = 128;
const CLONE_PARENT_SETTID = 0x100000n, SIGCHLD = 17;
const CHILD = { cell: "shim child", size: 8 } as const;
const TARGET = "shim target";
/** The most that one splice moves. */
const SPLICE_BYTES = 1 << 20;

/** A FIFO that the shim holds, and the file for what nobody has read of it when the process has ended. */
export interface Tail {
  /** Open for reading and writing, non-blocking. */
  readonly fifo: number;
  readonly file: string;
}

/** Where the shim writes, and what it makes its child in. */
export interface ShimOptions {
  /** The file that appears, whole, when the process has ended. `PATH.tmp` beside it is written first. */
  readonly statusFile: string;
  /** CLONE_NEW… flags of clone3(2) for the process; the shim itself stays outside. */
  readonly flags?: bigint;
  /** A descriptor of the cgroup that the process is born in. */
  readonly cgroup?: number | undefined;
  /** Our end of a pair of sockets: the caller reads the process's number (8 bytes) from the other one. */
  readonly caller: number;
  /** The process's end of another pair: it goes on only when the caller has written a byte to that. */
  readonly sync: number;
  /** What the shim keeps open. */
  readonly hold?: readonly number[];
  /**
   * The process makes a terminal; its master side is the result of its operation `terminal`. When the caller has written the
   * number (8 bytes) of the process that holds it to the pair, the shim takes it, and answers with a byte.
   */
  readonly terminal?: boolean;
  /** Whoever reads the FIFOs holds this file's lock. The master of a terminal is read into the first FIFO. */
  readonly tails?: { readonly lock: string; readonly files: readonly Tail[] };
}

/** What the operation is called whose result is the number of the shim's own descriptor of the terminal's master side. */
export const SHIM_TERMINAL = "shim terminal";

/**
 * The program as the child of a shim. What `spawn` returns is the shim; it ends after its child, with status 0, also when the
 * process that started it has ended long before. The program must have an operation named `orphaned`, where it ends if the
 * caller is gone.
 */
export function withShim(program: Program, options: ShimOptions): Program {
  const { statusFile, flags = 0n, cgroup, caller, sync, hold = [], terminal = false } = options;
  const into = cgroup === undefined ? 0n : CLONE_INTO_CGROUP;
  const cloneArgs: Argument = {
    words: [flags | CLONE_PARENT_SETTID | into, 0, 0, CHILD, SIGCHLD, 0, 0, 0, 0, 0, cgroup ?? 0],
  };
  const info = { cell: "shim info", size: SIGINFO_BYTES } as const;
  const temporary = `${statusFile}.tmp`;
  return [
    op("setsid", [], "the shim outlives the terminal and session that it was started from"),
    op("clone3", [cloneArgs, CLONE_ARGS_SIZE], "the shim stays here, its child goes on", {
      jump: { when: ">", to: "shim" },
    }),
    op("read", [sync, { cell: "sync", size: 8 }, 1], "until mini knows who we are", {
      jump: { when: "=", than: 0, to: "orphaned" },
    }),
    ...program,
    op("prctl", [PR_SET_NAME, "mini-shim", 0, 0, 0], "shim: what ps calls it", { name: "shim", optional: true }),
    op("write", [caller, CHILD, 8], "shim: tell mini the process's number, as the host counts", { optional: true }),
    // Whoever waits for the end of a stream must not wait for the shim, and nothing of the caller's may stay open in it.
    ...closeAllBut([caller, ...hold], "shim: keep nothing else open"),
    ...(terminal ? takeTerminal(caller) : []),
    op("close", [caller], "shim: nothing more to say"),

    op("waitid", [P_ALL, 0, info, WEXITED, 0], "shim: wait for the end, and reap", {
      name: "shim wait",
      jump: { when: "<", to: "shim end" },
    }),
    op("openat", [AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600], "how it ended", {
      name: "shim status",
      on: temporary,
    }),
    op("write", [result("shim status"), info, SIGINFO_BYTES], "shim: write it down", { on: temporary }),
    // The container itself may come from a first process, which was a child of ours as well: the last to end counts.
    op("close", [result("shim status")], "shim: until there is no child left", {
      jump: { when: "always", to: "shim wait" },
    }),
    op("renameat2", [AT_FDCWD, temporary, AT_FDCWD, statusFile, 0], "shim: whole or not at all", {
      name: "shim end",
      on: statusFile,
    }),
    ...(options.tails ? keepTails(options.tails, terminal) : []),
    op("exit_group", [0], "nothing is left to do", { name: "shim exit" }),
  ];
}

function takeTerminal(caller: number): Operation[] {
  const target = { load: TARGET, size: 8 } as const;
  return [
    op("read", [caller, { cell: TARGET, size: 8 }, 8], "shim: who has the terminal?", {
      jump: { when: "<=", to: "shim wait" },
    }),
    op("pidfd_open", [target, 0], "shim: that process", {
      name: "shim target",
      optional: true,
      jump: { when: "<", to: "shim wait" },
    }),
    op("pidfd_getfd", [result("shim target"), result("terminal"), 0], "shim: keep the terminal's master side open", {
      name: SHIM_TERMINAL,
      optional: true,
    }),
    op("close", [result("shim target")], "shim: done with it"),
    op("write", [caller, "+", 1], "shim: tell mini", { optional: true }),
  ];
}

/** What nobody has read goes into files, as soon as nobody is reading. */
function keepTails({ lock, files }: NonNullable<ShimOptions["tails"]>, terminal: boolean): Operation[] {
  const giveUp = { optional: true, jump: { when: "<", to: "shim exit" } } as const;
  return [
    op("openat", [AT_FDCWD, lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600], "shim: whoever reads the output holds this", {
      name: "shim reader",
      ...giveUp,
    }),
    op("flock", [result("shim reader"), LOCK_EX], "shim: until nobody does", giveUp),
    ...files.flatMap(({ fifo, file }, i) => {
      const opened = `shim tail ${i}`, move = `shim move ${i}`, done = `shim moved ${i}`;
      return [
        op("openat", [AT_FDCWD, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600], "what is left of it", {
          name: opened,
          ...giveUp,
        }),
        ...(terminal && i === 0
          ? [
            op(
              "splice",
              [result(SHIM_TERMINAL), 0, fifo, 0, 4096, SPLICE_F_NONBLOCK],
              "shim: what was typed on the terminal last",
              { name: `${move} terminal`, optional: true },
            ),
          ]
          : []),
        op("splice", [fifo, 0, result(opened), 0, SPLICE_BYTES, SPLICE_F_NONBLOCK], "shim: keep it", {
          name: move,
          optional: true,
          jump: { when: ">", to: terminal && i === 0 ? `${move} terminal` : move },
        }),
        op("close", [result(opened)], "shim: all of it", { name: done }),
      ];
    }),
  ];
}

/** How the process of a shim ended, by its status file; undefined as long as it runs. @throws {Error} for a file that is no status. */
export function readShimStatus(statusFile: string): ExitStatus | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Deno.readFileSync(statusFile);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (bytes.length !== SIGINFO_BYTES) throw new Error(`${statusFile} is not what a shim writes`);
  const view = new DataView(bytes.buffer);
  return exitStatus(view.getInt32(8, true), view.getInt32(24, true));
}
