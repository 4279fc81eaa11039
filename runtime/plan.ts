/**
 * From an OCI specification to the program that makes the container: pure, so that a plan can be looked at, compared and
 * tested without root.
 */
import { CLONE_NEWNS, O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import type { Fallback } from "../ffi/fallback.ts";
import { op, type Operation, type Program, result } from "../ffi/program.ts";
import type { OwnNamespace } from "../ffi/user_namespace.ts";
import { cloneSibling, nothingToTake, passed, tellChild } from "./plan_child.ts";
import { closeOthers, environmentMade, type Gate, lookForProgram, newKeyring, waitForStart } from "./plan_create.ts";
import { consoleOperations, deviceOperations } from "./plan_devices.ts";
import { initOperations } from "./plan_init.ts";
import {
  bindSources,
  type HeldSource,
  isBind,
  maskPaths,
  type MountFacts,
  mountName,
  mountOperations,
  readonlyMounts,
  readonlyPaths,
  readonlyRoot,
} from "./plan_mounts.ts";
import { labelOperations, openLabels } from "./lsm.ts";
import {
  hasNamespace,
  joinMounts,
  joinNamespaces,
  makeNamespaces,
  type NamespaceDescriptors,
  newNamespaces,
  writeFile,
} from "./plan_namespaces.ts";
import { awaitNetwork, offerNetwork } from "./plan_network.ts";
import { components, makeInside, openInside, ROOT } from "./plan_paths.ts";
import {
  becomeUser,
  closeOnExec,
  dieWithParent,
  execOperations,
  giveUpCapabilities,
  identityOperations,
  keepCapabilities,
  orphaned,
  personalityOperations,
  rlimitOperations,
  signalOperations,
  workingDirectory,
} from "./plan_process.ts";
import {
  attachRoot,
  pivotOperations,
  type PlainRootfs,
  prepareRoot,
  propagationOperations,
  type Rootfs,
  rootOperations,
} from "./plan_root.ts";
import { everyProcessor, schedulingOperations } from "./plan_scheduling.ts";
import {
  offerTerminal,
  openTerminal,
  ownStreams,
  sessionOperations,
  type Stream,
  streamOperations,
} from "./plan_streams.ts";
import { seccompOperations, usesNotify } from "./plan_seccomp.ts";
import type { Spec } from "./spec.ts";

export type { Rootfs } from "./plan_root.ts";
export { CLONE_FLAG, isNew } from "./plan_namespaces.ts";

/** All that a plan depends on beside the specification. */
export interface PlanInput {
  readonly spec: Spec;
  readonly rootfs: Rootfs;
  readonly facts: MountFacts & {
    /** /proc/sys/kernel/cap_last_cap */
    readonly lastCapability: number;
    /** The user namespace that mini itself lives in, if that is not the machine's. */
    readonly own?: OwnNamespace | undefined;
  };
  /** Descriptors that are passed to the program. */
  readonly descriptors: {
    /** Our end of a socket pair whose other end the caller holds as long as it lives. */
    readonly sync: number;
    /** What becomes 0, 1 and 2; not with a terminal. `null` is the container's own null device. */
    readonly stdio?: readonly [stdin: Stream, stdout: Stream, stderr: Stream];
    /** Namespaces to join, and the user namespace, whether that is new or not (idmap.ts). */
    readonly namespaces: NamespaceDescriptors;
    /** User namespaces whose ids bind mounts get, by the mount's place in the specification. */
    readonly idmaps?: ReadonlyMap<number, number>;
    /** What stands for the source of a bind mount, by the mount's place in the specification. */
    readonly sources?: ReadonlyMap<number, HeldSource>;
  };
  /** A PID 1 of ours that reaps and hands signals on. */
  readonly init: boolean;
  /** Another command begins it; without this it begins at once, and dies with the process that makes it. */
  readonly gate?: Gate;
  /** Whether the caller sets up its networks (plan_network.ts). */
  readonly network?: boolean;
  /** What stands in for calls that are missing here (ffi/without). */
  readonly fallback?: Pick<Fallback, "lower"> | undefined;
  /** Nothing of it is in the pid namespace that it joins before it is all that it is to be (joined_pid.ts); filtered from birth. */
  readonly joinsLast?: boolean | "filtered";
}

/** What an operation is about, for people. */
export type Phase = "namespaces" | "root" | "mounts" | "devices" | "security" | "process" | "exec" | "shim";

/** A plan: the flags for clone3 and the program that runs behind it. */
export interface Plan {
  readonly flags: bigint;
  /**
   * The program's first process clones the container (plan_child.ts) and tells its number: at first, or when it has taken part in
   * everything else that the caller is asked for, except networks and what a gate is for.
   */
  readonly twice: false | "first" | "last";
  readonly program: Program;
  /** What its operations are about, and how many of them, in order. */
  readonly phases: readonly { readonly phase: Phase; readonly length: number }[];
}

/** Every phase in order, as operations. */
export function plan(input: PlanInput): Plan {
  const { spec, facts, descriptors, gate } = input, { process } = spec, linux = spec.linux ?? {};
  if (!hasNamespace(spec, "mount")) {
    throw new MiniError("a container needs a mount namespace of its own: linux.namespaces must have one of type mount");
  }
  const { namespaces } = descriptors, flags = newNamespaces(spec), mounts = spec.mounts ?? [];
  const user = namespaces.user !== undefined;
  if (namespaces.mount !== undefined && input.rootfs.kind !== "directory") {
    throw new MiniError("layers are stacked in a mount namespace of the container's own, and it joins another one");
  }
  // A pid namespace holds for children only. And only namespaces that are made by a process inside a user namespace belong to
  // it. So a first process enters these, and clones the container as the caller's own child.
  const last = input.joinsLast ?? false,
    filtered = last === "filtered",
    first = !last && (namespaces.pid !== undefined || user);
  const twice = last ? "last" : first && "first", clonesAtAll = twice !== false;
  const isFresh = (path: string) => mounts.some((m) => m.destination === path && m.type === "tmpfs");
  const isBound = (path: string) => mounts.some((m) => m.destination === path && isBind(m));
  const seccomp = seccompOperations(linux.seccomp, process.noNewPrivileges ?? false, gate && descriptors.sync);
  const sections: [Phase, Operation[]][] = [
    ["namespaces", [
      ...newKeyring(gate?.keyring),
      ...oomScore(process.oomScoreAdj),
      ...openLabels(process),
      ...joinMounts(namespaces),
      ...(user
        ? [
          ...bindSources(mounts, descriptors.idmaps, descriptors.sources),
          ...prepareRoot(input.rootfs, namespaces.user!, linux.mountLabel, linux.rootfsPropagation),
        ]
        : []),
      ...joinNamespaces(spec, namespaces),
      ...(first ? cloneSibling(descriptors.sync, flags, "the container itself, where we are now") : []),
      ...(last ? [op("unshare", [flags], "namespaces of its own")] : []),
      ...makeNamespaces(spec),
      ...(input.network ? offerNetwork(descriptors.sync) : []),
    ]],
    ["root", [
      ...(user ? attachRoot() : [
        ...bindSources(mounts, descriptors.idmaps, descriptors.sources),
        ...rootOperations(plain(input.rootfs), linux.mountLabel, linux.rootfsPropagation),
      ]),
    ]],
    ["mounts", [
      op("umask", [0], "permissions exactly as given below"),
      ...mountOperations(mounts, facts, linux.mountLabel),
    ]],
    ["devices", [
      ...(isBound("/dev")
        ? []
        : deviceOperations(linux.devices ?? [], user || facts.own !== undefined, isFresh("/dev"))),
      // As late as can be: it takes as long as what is mounted above.
      ...(input.network && !last ? awaitNetwork(descriptors.sync) : []),
      ...(process.terminal
        ? [
          ...openTerminal(result(ROOT), process.user.uid),
          ...consoleOperations("tty"),
          ...offerTerminal(descriptors.sync),
        ]
        : []),
    ]],
    ["security", [
      ...sysctlOperations(spec),
      ...maskPaths([...new Set(linux.maskedPaths)]),
      ...readonlyPaths(linux.readonlyPaths ?? []),
      ...(process.cwd === "/" ? [] : makeInside(components(process.cwd, "the working directory"), "directory", "cwd")),
      ...readonlyMounts(mounts),
      ...(spec.root.readonly ? [readonlyRoot(ROOT)] : []),
    ]],
    ["root", [
      ...(gate && !last ? environmentMade(descriptors.sync) : []),
      ...(gate?.cover ?? pivotOperations()),
      ...propagationOperations(linux.rootfsPropagation),
    ]],
    ["process", [
      ...hostOperations(spec),
      ...(gate ? [everyProcessor()] : []),
      ...schedulingOperations(process),
      ...personalityOperations(linux.personality),
      ...rlimitOperations(process),
      ...streamOperations(process.terminal ?? false, descriptors.stdio ?? []),
      ...(last ? [] : sessionOperations(process.terminal ?? false)),
      ...ownStreams(process, gate?.ownStreams),
      ...workingDirectory(process.cwd),
    ]],
    ["security", [
      ...(gate ? lookForProgram(process) : []),
      ...labelOperations(process),
      ...(last
        ? [
          ...giveUpCapabilities(process, facts.lastCapability, seccomp.early.length > 0 ? ["CAP_SYS_ADMIN"] : []),
          ...nothingToTake([...passed(gate?.preserveFds ?? 0), descriptors.sync, ...gate ? [gate.fifo] : []]),
          closeOnExec(gate?.preserveFds),
          ...(filtered ? [...seccomp.early, keepCapabilities(process, facts.lastCapability)] : []),
          ...cloneSibling(descriptors.sync, 0n, "the container itself, in the pid namespace at last", filtered),
          ...(input.network ? awaitNetwork(descriptors.sync) : []),
          ...(gate ? environmentMade(descriptors.sync) : []),
          ...sessionOperations(process.terminal ?? false),
        ]
        : []),
      ...(gate && !last ? closeOthers(descriptors.sync, gate) : []),
      ...(last ? [] : [closeOnExec(gate?.preserveFds)]),
      ...(filtered ? [] : seccomp.early),
      ...(last
        ? becomeUser(process, facts.lastCapability, facts.own?.setgroups)
        : identityOperations(process, facts.lastCapability, facts.own?.setgroups)),
      ...(gate ? [] : dieWithParent(descriptors.sync)),
      // The init is filtered as well: what the container's root makes it do by ptrace must not get around the filter.
      ...(input.init ? [...seccomp.late, ...initOperations(process.terminal ?? false)] : []),
    ]],
    ["exec", [
      ...signalOperations(),
      ...execOperations(
        process,
        // Who is asked about calls has to listen before the caller goes; otherwise the filter comes last.
        [
          ...(usesNotify(linux.seccomp) ? seccomp.late : []),
          ...(gate ? waitForStart(descriptors.sync, gate.fifo, usesNotify(linux.seccomp)) : []),
          ...(input.init || usesNotify(linux.seccomp) ? [] : seccomp.late),
        ],
      ),
      orphaned(),
      ...(clonesAtAll ? tellChild(descriptors.sync) : []),
    ]],
  ];
  const planned = sections.map(([, operations]) => operations), begin = clonesAtAll ? 0n : flags;
  const parts = input.fallback?.lower(planned, (begin & CLONE_NEWNS) !== 0n) ?? planned;
  const phases = sections.map(([phase], i) => ({ phase, length: parts[i]!.length }));
  return { flags: begin, twice, program: parts.flat(), phases };
}

/** A root whose ids are those of a user namespace is made before that is entered (plan_root.ts). */
function plain(rootfs: Rootfs): PlainRootfs {
  if (rootfs.kind === "idmapped overlay" || rootfs.kind === "directory" && rootfs.idmap) {
    throw new MiniError("a root with the ids of a user namespace needs a user namespace: linux.namespaces has none");
  }
  return rootfs;
}

/** Values below /proc/sys of the container's own namespaces, through its own fresh procfs and nothing mounted over it. */
function sysctlOperations(spec: Spec): Operation[] {
  const entries = Object.entries(spec.linux?.sysctl ?? {});
  if (entries.length === 0) return [];
  const proc = (spec.mounts ?? []).findIndex((m) => m.type === "proc" && m.destination === "/proc");
  if (proc < 0) throw new MiniError("sysctls are set through the container's /proc, and the specification mounts none");
  return entries.flatMap(([key, value]) => [
    openInside(["sys", ...key.split(".")], `sysctl ${key}`, {
      from: result(mountName(proc)),
      name: `sysctl ${key}`,
      flags: O_WRONLY,
      resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
      on: `/proc/sys/${key.replaceAll(".", "/")}`,
    }),
    op("write", [result(`sysctl ${key}`), value, new TextEncoder().encode(value).length], `sysctl ${key} = ${value}`, {
      on: `/proc/sys/${key.replaceAll(".", "/")}`,
    }),
  ]);
}

/** Through the host's /proc, as long as that is there. */
function oomScore(value: number | undefined): Operation[] {
  return value === undefined
    ? []
    : writeFile("/proc/self/oom_score_adj", `${value}`, "how soon to be killed for memory");
}

function hostOperations(spec: Spec): Operation[] {
  const length = (text: string) => new TextEncoder().encode(text).length;
  return [
    ...(spec.hostname === undefined
      ? []
      : [op("sethostname", [spec.hostname, length(spec.hostname)], "the host name", { on: spec.hostname })]),
    ...(spec.domainname === undefined
      ? []
      : [op("setdomainname", [spec.domainname, length(spec.domainname)], "the domain name", { on: spec.domainname })]),
  ];
}
