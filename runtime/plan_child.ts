/** A process in a container, made by a first process that goes to the right place before it clones. */
import { CLONE_ARGS_SIZE, CLONE_PARENT, P_PID, WEXITED } from "../ffi/constants.ts";
import { closeAllBut } from "../ffi/close_all_but.ts";
import { type Argument, op, type Operation } from "../ffi/program.ts";

const CLONE_PARENT_SETTID = 0x100000n, SIGCHLD = 17;
const CHILD = { cell: "child", size: 8 } as const;
// struct clone_args
const cloneArgs = (flags: bigint, exitSignal: number): Argument => ({
  words: [flags | CLONE_PARENT_SETTID, 0, 0, CHILD, exitSignal, 0, 0, 0, 0, 0, 0],
});

/** The first argument of clone(2) for a process of a container, as a filter sees it. @param alone it is a child of the first one's. */
export const cloneFlags = (alone: boolean): number =>
  Number(CLONE_PARENT_SETTID) | (alone ? SIGCHLD : Number(CLONE_PARENT));

/** @param filtered by the older call: filters of system calls refuse clone3(2), whose arguments they cannot see. */
const cloned = (flags: bigint, exitSignal: number, filtered: boolean, why: string, to: string): Operation =>
  filtered
    ? op("clone", [cloneFlags(exitSignal !== 0), 0, CHILD, 0, 0], why, { jump: { when: ">", to } })
    : op("clone3", [cloneArgs(flags, exitSignal), CLONE_ARGS_SIZE], why, { jump: { when: ">", to } });

/**
 * Clones a child of the caller's own; the operations that follow are the new process's, which waits until the caller knows its number. The first process
 * goes on in `tellChild`.
 */
export function cloneSibling(sync: number, flags: bigint, why: string, filtered = false): Operation[] {
  return [
    // A child of the caller has the exit signal that its sibling has, so none may be given.
    cloned(flags | CLONE_PARENT, 0, filtered, why, "tell child"),
    op("read", [sync, { cell: "sync", size: 8 }, 1], "until mini knows who we are", {
      jump: { when: "=", than: 0, to: "orphaned" },
    }),
  ];
}

/** The first process tells the number of the new one, as the host counts, and ends. */
export function tellChild(sync: number): Operation[] {
  return [
    op("write", [sync, CHILD, 8], "tell mini the new process's number", { name: "tell child" }),
    op("exit_group", [0], "it goes on alone"),
  ];
}

/** The descriptors of a program that keeps so many above its standard streams. */
export const passed = (preserveFds: number): number[] => Array.from({ length: 3 + preserveFds }, (_, i) => i);

/**
 * What comes before the clone of a process that others in its pid namespace may trace: it is born with what its program gets, and with
 * what it says to the caller through.
 */
export const nothingToTake = (kept: readonly number[]): Operation[] =>
  closeAllBut(kept, "nothing of ours is open in what the container's processes can see");

/** Clones a child that nobody else will wait for; the operations that follow are its own. The first process stays in `reapChild`. */
export function cloneAlone(why: string, filtered = false): Operation[] {
  return [
    op("setsid", [], "nothing of the caller's terminal reaches us"),
    cloned(0n, SIGCHLD, filtered, why, "reap child"),
  ];
}

/**
 * The first process stays until its child has ended. A container cannot end as long as a process in it is not reaped, and the
 * host's init may take its time.
 */
export function reapChild(): Operation[] {
  return [
    op("close_range", [0, 0xffffffff, 0], "whoever waits for the end of a stream must not wait for us", {
      name: "reap child",
    }),
    op("waitid", [P_PID, { load: "child", size: 8 }, 0, WEXITED, 0], "wait for its end, and reap it"),
    op("exit_group", [0], "nothing is left to do"),
  ];
}
