/** Starts a further process in a running container. */
import { O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { fallback } from "../ffi/fallback.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { spawn, type Spawned } from "../ffi/spawn.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { Container, lastCapability, ownStreams, streams } from "./container.ts";
import { abandon, goOn, makePair, receive, takeTerminal, withListener } from "./handshake.ts";
import { takeChild } from "./take_child.ts";
import { checkProcessLabels } from "./lsm.ts";
import { CLONE_FLAG } from "./plan.ts";
import { planExec } from "./plan_exec.ts";
import { readyForSeccomp, usesNotify } from "./plan_seccomp.ts";
import type { Process, Spec } from "./spec.ts";
import { checkProcess } from "./spec_check.ts";

/** The container to join. */
export interface Target {
  /** The number of its PID 1 on the host, and a descriptor of it. */
  readonly pid: number;
  readonly pidfd: number;
  /** Its specification: which namespaces it has of its own, and what it has in /dev. */
  readonly spec: Spec;
  /** The folder of its cgroup. */
  readonly cgroup?: string | undefined;
}

export interface ExecOptions {
  /** Descriptors that become 0, 1 and 2; without a terminal only. */
  readonly stdio?: readonly [number, number, number];
  readonly windowSize?: { rows: number; columns: number } | undefined;
  /** It goes on when this process ends: as the child of a first process that stays, */
  readonly detached?: boolean;
  /** or, being this process's own child, as that of whoever adopts those. */
  readonly outlives?: boolean;
  /** It may run on every processor of its cgroup (plan_exec.ts). */
  readonly everyProcessor?: boolean;
  /** Is given its terminal's master side, before it goes on. */
  readonly prepareTerminal?: ((master: number) => void) | undefined;
  /** How many descriptors from 3 on it keeps; they must be open. */
  readonly preserveFds?: number;
  /** Takes the descriptor that seccomp's notifications come from, which is closed afterwards. */
  readonly listener?: (pid: number, fd: number) => Promise<void> | void;
}

/** A descriptor of a running container's root, as its processes see it; the caller's to close. @throws {SyscallError} */
export const openContainerRoot = (pid: number) => open(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);

/**
 * Starts a process in a container, born in its cgroup.
 *
 * @throws {MiniError} for what cannot be carried out. @throws {SyscallError} when the process cannot be made. What fails later
 *   is told by `wait`.
 */
export async function startExec(target: Target, process: Process, options: ExecOptions): Promise<Container> {
  await readyForSeccomp(target.spec.linux?.seccomp);
  checkProcess(process);
  checkProcessLabels(process);
  const namespaces = (target.spec.linux?.namespaces ?? []).reduce((flags, { type }) => flags | CLONE_FLAG[type], 0n);
  const [ours, theirs] = makePair(), instead = await fallback();
  let cgroup = -1;
  let spawned: Spawned;
  try {
    if (target.cgroup !== undefined) cgroup = open(target.cgroup, O_PATH | O_DIRECTORY);
    const program = planExec({
      process,
      seccomp: target.spec.linux?.seccomp,
      personality: target.spec.linux?.personality,
      namespaces,
      container: target.pidfd,
      sync: theirs,
      streams: options.stdio ? streams(target.spec, options.stdio) : [],
      lastCapability: lastCapability(),
      setgroups: ownNamespace()?.setgroups,
      detached: options.detached ?? false,
      outlives: options.outlives ?? false,
      everyProcessor: options.everyProcessor ?? false,
      preserveFds: options.preserveFds ?? 0,
      listens: options.listener !== undefined,
      ownStreams: options.outlives && options.stdio ? ownStreams(options.stdio) : [],
    });
    spawned = spawn(instead?.lower([program], false).flat() ?? program, {
      cgroup: cgroup < 0 ? undefined : cgroup,
      pass: [
        theirs,
        target.pidfd,
        ...(instead?.descriptors ?? []),
        ...(options.stdio ?? []).filter((fd) => fd > 2),
        ...Array.from({ length: options.preserveFds ?? 0 }, (_, i) => 3 + i),
      ],
    });
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
    // Such a program asks nothing.
    instead?.descriptors.forEach(close);
    instead?.close();
    if (cgroup >= 0) close(cgroup);
  }
  try {
    const terminal = process.terminal
      ? await takeTerminal(spawned, ours, options.windowSize, options.prepareTerminal)
      : undefined;
    if (!options.detached) spawned = await takeChild(spawned, ours);
    if (options.listener && usesNotify(target.spec.linux?.seccomp) && await receive(ours, 1)) {
      const { pid, pidfd, results } = spawned;
      await withListener(pidfd, results, (fd) => options.listener!(pid, fd));
      goOn(ours);
    }
    return new Container(spawned, ours, terminal, {
      openRoot: () => openContainerRoot(target.pid),
      cwd: process.cwd,
      mounts: [], // its root is looked at with all that is mounted there
    });
  } catch (error) {
    abandon(spawned, ours);
    throw error;
  }
}
