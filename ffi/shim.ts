/**
 * The shim: the parent of a process that outlives the command which started it. It is the parent side of a fork in the same
 * program file, waits in one system call, writes down how the process ended, and goes. It holds some 12 kB of memory.
 */
import {
  AT_FDCWD,
  CLONE_ARGS_SIZE,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_TRUNC,
  O_WRONLY,
  P_PID,
  WEXITED,
} from "./constants.ts";
import { type ExitStatus, exitStatus } from "./exit_status.ts";
import { type Argument, op, type Program, result } from "./program.ts";

/** Bytes of the kernel's siginfo_t, which is what the status file holds: waitid(2). */
const SIGINFO_BYTES = 128;
const CLONE_PARENT_SETTID = 0x100000n, SIGCHLD = 17;

/** Where the shim writes, and what it makes its child in. */
export interface ShimOptions {
  /** The file that appears, whole, when the process has ended. `PATH.tmp` beside it is written first. */
  readonly statusFile: string;
  /** CLONE_NEW… flags of clone3(2) for the process; the shim itself stays outside. */
  readonly flags?: bigint;
}

/**
 * The program as the child of a shim. What `spawn` returns is the shim; it ends after its child, with status 0, also when the
 * process that started it has ended long before.
 */
export function withShim(program: Program, { statusFile, flags = 0n }: ShimOptions): Program {
  const child = { cell: "shim child", size: 8 } as const;
  const info = { cell: "shim info", size: SIGINFO_BYTES } as const;
  const cloneArgs: Argument = { words: [flags | CLONE_PARENT_SETTID, 0, 0, child, SIGCHLD, 0, 0, 0, 0, 0, 0] };
  const temporary = `${statusFile}.tmp`;
  return [
    op("setsid", [], "the shim outlives the terminal and session that it was started from"),
    op("clone3", [cloneArgs, CLONE_ARGS_SIZE], "the shim stays here, its child goes on", {
      jump: { when: ">", to: "shim" },
    }),
    ...program,
    // 0, 1 and 2 are the child's alone: whoever waits for their end must not wait for the shim.
    op("close_range", [0, 0xffffffff, 0], "the shim keeps nothing open", { name: "shim" }),
    op("waitid", [P_PID, { load: "shim child", size: 8 }, info, WEXITED, 0], "wait for the child's end, and reap it"),
    op("openat", [AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600], "how it ended", {
      name: "shim status",
      on: temporary,
    }),
    op("write", [result("shim status"), info, SIGINFO_BYTES], "write it down", { on: temporary }),
    op("renameat2", [AT_FDCWD, temporary, AT_FDCWD, statusFile, 0], "whole or not at all", { on: statusFile }),
    op("exit_group", [0], "nothing is left to do"),
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
