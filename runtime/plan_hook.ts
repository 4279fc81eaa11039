/** A hook as a program: in our own namespaces, or in a container's. */
import { gaps } from "../ffi/close_all_but.ts";
import { F_SETFD, SIG_SETMASK } from "../ffi/constants.ts";
import { op, type Operation, type Program } from "../ffi/program.ts";
import { cloneSibling, nothingToTake, passed, tellChild } from "./plan_child.ts";
import { becomeUser, giveUpCapabilities, orphaned } from "./plan_process.ts";
import { seccompOperations } from "./plan_seccomp.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";
import type { Hook, Process } from "./spec.ts";

/** The container that a hook is run in. */
export interface HookPlace {
  /** A descriptor of its PID 1, and the CLONE_NEW… flags of the namespaces to join. */
  readonly container: number;
  readonly namespaces: bigint;
  /** Our end of a socket pair whose other end the caller holds. */
  readonly sync: number;
  /** What the hook runs as: the container's own user, privileges and filter of system calls, or everything that the namespaces give. */
  readonly as?: {
    readonly process: Process;
    readonly lastCapability: number;
    readonly seccomp?: LinuxSeccomp | undefined;
  } | undefined;
}

const FD_CLOEXEC = 1;

/** What the operation is called that becomes the hook. */
export const HOOK = "hook";

/**
 * @param input a descriptor of what the hook reads; @param output one that takes what it writes.
 * @param folder the working directory; of one that runs as the container does, that of its process is it.
 */
export function planHook(hook: Hook, input: number, output: number, folder: string, place?: HookPlace): Program {
  const as = place?.as;
  const seccomp = seccompOperations(as?.seccomp, as?.process.noNewPrivileges ?? false, place?.sync);
  return [
    ...(place
      ? [
        op("setns", [place.container, place.namespaces], "join the container's namespaces"),
        ...(as
          ? giveUpCapabilities(as.process, as.lastCapability, seccomp.early.length > 0 ? ["CAP_SYS_ADMIN"] : [])
          : []),
        ...nothingToTake([...passed(0), input, output, place.sync]),
        ...cloneSibling(place.sync, 0n, "a process inside"),
        op("setsid", [], "nothing of the caller's terminal reaches it"),
      ]
      : []),
    op("chdir", [as?.process.cwd ?? folder], "the working directory", { on: as?.process.cwd ?? folder }),
    op("dup3", [input, 0, 0], "the container's state is its input"),
    op("dup3", [output, 1, 0], "what it says is kept"),
    op("dup3", [output, 2, 0], "its errors as well"),
    ...gaps(3, place ? [place.sync] : []).map(([first, last]) =>
      op("close_range", [first, last, 0], "nothing else of ours is open in it")
    ),
    ...(place ? [op("fcntl", [place.sync, F_SETFD, FD_CLOEXEC], "and this not when it begins")] : []),
    ...seccomp.early,
    ...(as ? becomeUser(as.process, as.lastCapability) : []),
    op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked"),
    ...seccomp.late,
    op("execve", [hook.path, hook.args?.length ? hook.args : [hook.path], hook.env ?? []], `become ${hook.path}`, {
      name: HOOK,
      on: hook.path,
    }),
    ...(place ? ending(place.sync) : []),
  ];
}

const ending = (sync: number): Operation[] => [orphaned(), ...tellChild(sync)];
