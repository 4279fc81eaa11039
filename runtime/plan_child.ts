/** A container's process as the caller's own child, made by a first process that goes to the right place before it clones. */
import { CLONE_ARGS_SIZE, CLONE_PARENT } from "../ffi/constants.ts";
import { type Argument, op, type Operation } from "../ffi/program.ts";

const CLONE_PARENT_SETTID = 0x100000n;
const CHILD = { cell: "child", size: 8 } as const;

/**
 * Clones; the operations that follow are the new process's, which waits until the caller knows its number. The first process
 * goes on in `tellChild`.
 */
export function cloneSibling(sync: number, flags: bigint, why: string): Operation[] {
  // struct clone_args; a child of the caller has the exit signal that its sibling has, so none may be given.
  const cloneArgs: Argument = {
    words: [flags | CLONE_PARENT | CLONE_PARENT_SETTID, 0, 0, CHILD, 0, 0, 0, 0, 0, 0, 0],
  };
  return [
    op("clone3", [cloneArgs, CLONE_ARGS_SIZE], why, { jump: { when: ">", to: "tell child" } }),
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
