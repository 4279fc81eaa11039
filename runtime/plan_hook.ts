/** A hook as a program: in our own namespaces, or in a container's. */
import { CLOSE_RANGE_CLOEXEC, SIG_SETMASK } from "../ffi/constants.ts";
import { op, type Operation, type Program } from "../ffi/program.ts";
import { cloneSibling, nothingToTake, passed, tellChild } from "./plan_child.ts";
import { becomeUser, giveUpCapabilities, orphaned } from "./plan_process.ts";
import type { Hook, Process } from "./spec.ts";

/** The container that a hook is run in. */
export interface HookPlace {
  /** A descriptor of its PID 1, and the CLONE_NEW… flags of the namespaces to join. */
  readonly container: number;
  readonly namespaces: bigint;
  /** Our end of a socket pair whose other end the caller holds. */
  readonly sync: number;
  /** What the hook runs as: the container's own user and privileges, or everything that the namespaces give. */
  readonly as?: { readonly process: Process; readonly lastCapability: number } | undefined;
}

/** What the operation is called that becomes the hook. */
export const HOOK = "hook";

/**
 * @param input a descriptor of what the hook reads; @param output one that takes what it writes.
 * @param folder the working directory of one that runs in our own namespaces.
 */
export function planHook(hook: Hook, input: number, output: number, folder: string, place?: HookPlace): Program {
  return [
    ...(place
      ? [
        op("setns", [place.container, place.namespaces], "join the container's namespaces"),
        ...(place.as ? giveUpCapabilities(place.as.process, place.as.lastCapability, []) : []),
        ...nothingToTake([...passed(0), input, output, place.sync]),
        ...cloneSibling(place.sync, 0n, "a process inside"),
        op("setsid", [], "nothing of the caller's terminal reaches it"),
      ]
      : [op("chdir", [folder], "the bundle", { on: folder })]),
    op("dup3", [input, 0, 0], "the container's state is its input"),
    op("dup3", [output, 1, 0], "what it says is kept"),
    op("dup3", [output, 2, 0], "its errors as well"),
    ...(place?.as ? becomeUser(place.as.process, place.as.lastCapability) : []),
    op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked"),
    op("close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], "nothing else of ours is open in it"),
    op("execve", [hook.path, hook.args?.length ? hook.args : [hook.path], hook.env ?? []], `become ${hook.path}`, {
      name: HOOK,
      on: hook.path,
    }),
    ...(place ? ending(place.sync) : []),
  ];
}

const ending = (sync: number): Operation[] => [orphaned(), ...tellChild(sync)];
