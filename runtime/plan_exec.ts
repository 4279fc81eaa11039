/** A further process in a running container: the program that joins its namespaces and becomes what is asked for. */
import { AT_FDCWD, CLONE_NEWUSER, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { op, type Program, result } from "../ffi/program.ts";
import { cloneAlone, cloneSibling, nothingToTake, passed, reapChild, tellChild } from "./plan_child.ts";
import {
  becomeUser,
  closeOnExec,
  dieWithParent,
  execOperations,
  giveUpCapabilities,
  keepCapabilities,
  orphaned,
  personalityOperations,
  rlimitOperations,
  signalOperations,
  workingDirectory,
} from "./plan_process.ts";
import { labelOperations, openLabels } from "./lsm.ts";
import { becomeItsRoot } from "./plan_namespaces.ts";
import { affinityOperations, everyProcessor, schedulingOperations } from "./plan_scheduling.ts";
import { seccompOperations } from "./plan_seccomp.ts";
import {
  offerTerminal,
  openTerminal,
  ownStreams,
  sessionOperations,
  type Stream,
  streamOperations,
} from "./plan_streams.ts";
import { filteredFromBirth } from "./seccomp_allows.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";
import type { Process } from "./spec.ts";

/** All that such a program depends on. */
export interface ExecInput {
  readonly process: Process;
  /** The container's filter of system calls. */
  readonly seccomp: LinuxSeccomp | undefined;
  /** `linux.personality` of the container. */
  readonly personality?: { readonly domain: string } | undefined;
  /** CLONE_NEW… flags of the namespaces to join, those that the container has of its own. */
  readonly namespaces: bigint;
  /** A descriptor of the container's PID 1. */
  readonly container: number;
  /** Our end of a socket pair whose other end the caller holds. */
  readonly sync: number;
  /** What becomes 0, 1 and 2; not with a terminal. */
  readonly streams: readonly Stream[];
  /** /proc/sys/kernel/cap_last_cap */
  readonly lastCapability: number;
  /** Whether groups may be set where mini lives (ffi/user_namespace.ts). */
  readonly setgroups?: boolean | undefined;
  /** It goes on when the caller ends: as the child of a first process that stays, */
  readonly detached: boolean;
  /** or as that of whoever adopts the caller's own children. */
  readonly outlives?: boolean;
  /** It may run on every processor of its cgroup, unless it says on which: not only on those of the caller. */
  readonly everyProcessor?: boolean;
  /** How many descriptors above 2 the program keeps. */
  readonly preserveFds?: number;
  /** The caller takes the listener of seccomp's notifications. */
  readonly listens?: boolean;
  /** Those of the streams that become the user's own. */
  readonly ownStreams?: readonly number[];
}

const ROOT = "container root";

/**
 * The operations, in order. A pid namespace holds for children only, so the first process joins and clones; the second is the
 * caller's own child (or, detached, the first one's) and inside in every respect. All that takes rights which the container has not
 * is done by the first one, which nobody in there sees. What it executes until then is a sealed file that has nothing of the host's.
 */
export function planExec(input: ExecInput): Program {
  const { process, sync } = input, terminal = process.terminal ?? false;
  const listen = input.listens ? sync : undefined;
  const seccomp = seccompOperations(input.seccomp, process.noNewPrivileges ?? false, listen);
  const filtered = filteredFromBirth(input.seccomp, process, input.detached);
  const affinity = process.execCPUAffinity ?? {};
  return [
    ...openLabels(process),
    ...(input.everyProcessor ? [everyProcessor()] : []),
    ...affinityOperations(affinity.initial, "process.execCPUAffinity.initial"),
    op("setns", [input.container, input.namespaces], "join the container's namespaces"),
    ...(input.namespaces & CLONE_NEWUSER ? becomeItsRoot() : []),
    ...(terminal
      ? [
        op("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the container's root", { name: ROOT }),
        ...openTerminal(result(ROOT), process.user.uid),
      ]
      : []),
    ...affinityOperations(affinity.final, "process.execCPUAffinity.final"),
    ...schedulingOperations(process),
    ...personalityOperations(input.personality),
    ...rlimitOperations(process),
    ...ownStreams(process, input.ownStreams),
    ...workingDirectory(process.cwd),
    ...(terminal ? offerTerminal(sync) : []),
    // A label is for the next program, of a child as well.
    ...labelOperations(process),
    // A filter that is loaded without no_new_privs takes a capability.
    ...giveUpCapabilities(process, input.lastCapability, seccomp.early.length > 0 ? ["CAP_SYS_ADMIN"] : []),
    ...streamOperations(terminal, input.streams),
    ...nothingToTake([...passed(input.preserveFds ?? 0), sync]),
    closeOnExec(input.preserveFds),
    ...(filtered ? [...seccomp.early, keepCapabilities(process, input.lastCapability)] : []),
    ...(input.detached
      ? cloneAlone("a process inside", filtered)
      : cloneSibling(sync, 0n, "a process inside", filtered)),
    ...sessionOperations(terminal),
    ...(filtered ? [] : seccomp.early),
    ...becomeUser(process, input.lastCapability, input.setgroups),
    ...(input.detached || input.outlives ? [] : dieWithParent(sync)),
    ...signalOperations(),
    ...execOperations(process, seccomp.late),
    orphaned(),
    ...(input.detached ? reapChild() : tellChild(sync)),
  ];
}
