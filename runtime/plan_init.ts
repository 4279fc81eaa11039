/**
 * `--init`: a PID 1 that hands signals on and reaps, as a program. It needs no file, no libc and about 12 kB of memory.
 *
 * The container's program runs as its child; when that ends, so does the init, with the same status, and the kernel ends
 * whatever is left in the pid namespace.
 */
import { PR_SET_NAME, TIOCSPGRP, WNOHANG } from "../ffi/constants.ts";
import { op, type Operation, result } from "../ffi/program.ts";

const SIGCHLD = 17, CLONE_PARENT_SETTID = 0x100000;
// The child's number, in memory of the init's own: results are shared, and the child's side of clone writes one too.
const child = { load: "init child", size: 8 } as const;
// The status of wait4(2) is 32 bits in a cell of zeros, so that loads at odd offsets pick it apart (little-endian):
const status = { cell: "init status", size: 24, offset: 8 } as const;
const load = (offset: number) => ({ load: "init status", size: 24, offset }) as const;
const WHOLE = load(8); // the status: for a signal its number, with 0x80 if a core was dumped
const CODE = load(9); // status >> 8: the exit status
const LOW_BYTE_ON_TOP = load(1); // status << 56: zero if it exited, negative if a core was dumped

/**
 * Forks; the child goes on with the operations that follow, the parent stays as the init.
 *
 * @param terminal the child's process group becomes the foreground one of the terminal on descriptor 0.
 */
export function initOperations(terminal: boolean): Operation[] {
  return [
    op(
      "clone",
      [SIGCHLD | CLONE_PARENT_SETTID, 0, { cell: "init child", size: 8 }, 0, 0],
      "init stays, the program is its child",
      {
        jump: { when: ">", to: "init" },
      },
    ),
    op("setpgid", [0, 0], "a process group of its own, so that the terminal's signals reach it once"),
    ...(terminal
      ? [
        op("getpid", [], "its number", { name: "init group" }),
        op("ioctl", [0, TIOCSPGRP, { resultAddress: "init group" }], "in the foreground of the terminal"),
      ]
      : []),
    op("add", [0, 0], "the program's side goes on", { jump: { when: "always", to: "init done" } }),

    op("prctl", [PR_SET_NAME, "mini-init", 0, 0, 0], "init: what ps calls it", { name: "init", optional: true }),
    // Not before the clone: the caller takes the end of its pair for the program's beginning.
    op("close_range", [3, 0xffffffff, 0], "init: keep nothing of ours open"),
    op("rt_sigtimedwait", [new Uint8Array(8).fill(0xff), 0, 0, 8], "init: wait for a signal", {
      name: "init wait",
      jump: { when: "<", to: "init wait" },
    }),
    op("add", [result("init wait"), 0], "a child's end?", { jump: { when: "=", than: SIGCHLD, to: "init reap" } }),
    op("kill", [child, result("init wait")], "init: hand the signal on", {
      optional: true,
      jump: { when: "always", to: "init wait" },
    }),
    op("wait4", [-1, status, WNOHANG, 0], "init: reap", { name: "init reap", jump: { when: "<=", to: "init wait" } }),
    op("add", [result("init reap"), 0], "somebody else's child?", {
      jump: { when: "!=", than: child, to: "init reap" },
    }),
    op("add", [LOW_BYTE_ON_TOP, 0], "did the program exit by itself?", { jump: { when: "=", to: "init exited" } }),
    op("add", [LOW_BYTE_ON_TOP, 0], "with a core dump?", { jump: { when: "<", to: "init dumped" } }),
    op("add", [WHOLE, 128], "the status of a program killed by a signal", { name: "init killed" }),
    op("exit_group", [result("init killed")], "init: end as a shell would say it"),
    op("exit_group", [WHOLE], "init: end as a shell would say it", { name: "init dumped" }),
    op("exit_group", [CODE], "init: end with the program's status", { name: "init exited" }),
    op("add", [0, 0], "the program's side", { name: "init done" }),
  ];
}
