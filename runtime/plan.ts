/**
 * From an OCI specification to the program that makes the container: pure, so that a plan can be looked at, compared and
 * tested without root.
 */
import {
  AF_INET,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  IFF_UP,
  MNT_DETACH,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_REC,
  MS_SLAVE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  PR_SET_DUMPABLE,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation, type Program, result } from "../ffi/program.ts";
import { cloneSibling, tellChild } from "./plan_child.ts";
import { consoleOperations, deviceOperations } from "./plan_devices.ts";
import { initOperations } from "./plan_init.ts";
import {
  bindSources,
  maskPaths,
  type MountFacts,
  mountName,
  mountOperations,
  readonlyPaths,
  readonlyRoot,
} from "./plan_mounts.ts";
import { components, makeInside, openInside, ROOT } from "./plan_paths.ts";
import {
  dieWithParent,
  execOperations,
  identityOperations,
  orphaned,
  rlimitOperations,
  signalOperations,
  waitForCaller,
  workingDirectory,
} from "./plan_process.ts";
import { offerTerminal, openTerminal, type Stream, streamOperations } from "./plan_streams.ts";
import { seccompOperations } from "./plan_seccomp.ts";
import type { NamespaceType, Spec } from "./spec.ts";

/** Where a container's root comes from. */
export type Rootfs =
  /** A folder that is used as it is. */
  | { readonly kind: "directory"; readonly path: string }
  /** Layers under a folder that takes the container's changes. */
  | {
    readonly kind: "overlay";
    /** The `lowerdir=…,upperdir=…,workdir=…` of mount(2), overlayfs.rst; at most a page. */
    readonly options: string;
    /** Paths in the options are relative to this folder. */
    readonly relativeTo: string;
    /** An empty folder of ours to mount on, in the container's mount namespace only. */
    readonly target: string;
  };

/** All that a plan depends on beside the specification. */
export interface PlanInput {
  readonly spec: Spec;
  readonly rootfs: Rootfs;
  readonly facts: MountFacts & {
    /** /proc/sys/kernel/cap_last_cap */
    readonly lastCapability: number;
  };
  /** Descriptors that are passed to the program. */
  readonly descriptors: {
    /** Our end of a socket pair whose other end the caller holds as long as it lives. */
    readonly sync: number;
    /** What becomes 0, 1 and 2; not with a terminal. `null` is the container's own null device. */
    readonly stdio?: readonly [stdin: Stream, stdout: Stream, stderr: Stream];
    /** Namespaces to join. */
    readonly namespaces: Partial<Record<NamespaceType, number>>;
  };
  /** A PID 1 of ours that reaps and hands signals on. */
  readonly init: boolean;
}

/** The flag of clone3(2) and setns(2) for each kind of namespace. */
export const CLONE_FLAG: Record<NamespaceType, bigint> = {
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  mount: CLONE_NEWNS,
  ipc: CLONE_NEWIPC,
  uts: CLONE_NEWUTS,
  user: CLONE_NEWUSER,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME,
};

/** A plan: the flags for clone3 and the program that runs behind it. */
export interface Plan {
  readonly flags: bigint;
  readonly program: Program;
}

/** Whether the specification has a namespace of its own of this kind. */
export const isNew = (spec: Spec, type: NamespaceType) =>
  (spec.linux?.namespaces ?? []).some((n) => n.type === type && n.path === undefined);

/** Every phase in order, as operations. */
export function plan(input: PlanInput): Plan {
  const { spec, facts, descriptors } = input, { process } = spec, linux = spec.linux ?? {};
  const namespaces = linux.namespaces ?? [];
  if (!namespaces.some((n) => n.type === "mount" && n.path === undefined)) {
    throw new MiniError("a container needs a mount namespace of its own: linux.namespaces must have one of type mount");
  }
  // These two take effect in the process that asks for them: a cgroup namespace's root is where its maker is (after the move
  // into the cgroup), and a time namespace is made for children first.
  const later: NamespaceType[] = ["cgroup", "time"];
  const flags = namespaces.filter((n) => n.path === undefined && !later.includes(n.type))
    .reduce((all, n) => all | CLONE_FLAG[n.type], 0n);
  const user = isNew(spec, "user"), mounts = spec.mounts ?? [];
  const seccomp = seccompOperations(linux.seccomp, process.noNewPrivileges ?? false);
  const program = [
    ...(user ? userNamespaceOperations(descriptors.sync, flags) : []),
    ...namespaceOperations(input),
    ...bindSources(mounts),
    ...rootOperations(input.rootfs),
    op("umask", [0], "permissions exactly as given below"),
    ...mountOperations(mounts, facts),
    ...(mounts.some((m) => m.destination === "/dev" && m.type === "tmpfs")
      ? deviceOperations(linux.devices ?? [], user)
      : []),
    ...(process.terminal
      ? [
        ...openTerminal(result(ROOT), process.user.uid),
        ...consoleOperations("tty"),
        ...offerTerminal(descriptors.sync),
      ]
      : []),
    ...sysctlOperations(spec),
    ...maskPaths(linux.maskedPaths ?? []),
    ...readonlyPaths(linux.readonlyPaths ?? []),
    ...(process.cwd === "/" ? [] : makeInside(components(process.cwd, "the working directory"), "directory", "cwd")),
    ...oomScore(process.oomScoreAdj),
    ...(spec.root.readonly ? [readonlyRoot(ROOT)] : []),
    ...pivotOperations(),
    ...hostOperations(spec),
    ...rlimitOperations(process),
    ...streamOperations(process.terminal ?? false, descriptors.stdio ?? []),
    ...workingDirectory(process.cwd),
    ...seccomp.early,
    ...identityOperations(process, facts.lastCapability),
    ...dieWithParent(descriptors.sync),
    // The init is filtered as well: what the container's root makes it do by ptrace must not get around the filter.
    ...(input.init ? [...seccomp.late, ...initOperations(process.terminal ?? false)] : []),
    ...signalOperations(),
    ...execOperations(process, input.init ? [] : seccomp.late),
    orphaned(),
    ...(user ? tellChild(descriptors.sync) : []),
  ];
  return { flags: user ? 0n : flags, program };
}

/**
 * A user namespace comes first and in two steps. A process that is born in one has no ids there yet, so that the execve of
 * this very program would take its capabilities from it; unshare gives them all. And only namespaces that are made from inside
 * belong to it. So a first process makes it, gets its ids from the caller, and clones the container as the caller's own child.
 */
function userNamespaceOperations(sync: number, flags: bigint): Operation[] {
  return [
    op("unshare", [Number(CLONE_NEWUSER)], "a user namespace, where we have every capability and no id"),
    ...waitForCaller(sync, "it needs its ids"),
    op("setresgid", [0, 0, 0], "the namespace's root group"),
    op("setresuid", [0, 0, 0], "the namespace's root"),
    // The change of user took it away, and without it our own files in /proc would belong to the host's root.
    op("prctl", [PR_SET_DUMPABLE, 1, 0, 0, 0], "our own files in /proc are ours"),
    ...cloneSibling(
      sync,
      flags & ~CLONE_NEWUSER,
      "the container, in namespaces that belong to the user namespace",
    ),
  ];
}

const CHILDRENS_TIME = "/proc/self/ns/time_for_children";

function namespaceOperations({ spec, descriptors }: PlanInput): Operation[] {
  const namespaces = spec.linux?.namespaces ?? [];
  const time = isNew(spec, "time"), offsets = Object.entries(spec.linux?.timeOffsets ?? {});
  return [
    ...namespaces.flatMap((n) => {
      const fd = descriptors.namespaces[n.type];
      return fd === undefined ? [] : [op("setns", [fd, Number(CLONE_FLAG[n.type])], `join ${n.path}`, { on: n.path! })];
    }),
    ...(isNew(spec, "cgroup")
      ? [op("unshare", [Number(CLONE_NEWCGROUP)], "a cgroup namespace whose root is the container's cgroup")]
      : []),
    ...(time ? [op("unshare", [Number(CLONE_NEWTIME)], "clocks of its own, for children")] : []),
    ...(time && offsets.length > 0
      ? writeFile(
        "/proc/self/timens_offsets",
        offsets.map(([clock, o]) => `${clock} ${o.secs ?? 0} ${o.nanosecs ?? 0}`).join("\n"),
        "how far its clocks are ahead",
      )
      : []),
    // Before Linux 6.3 a new program does not enter it by itself.
    ...(time
      ? [
        op("openat", [AT_FDCWD, CHILDRENS_TIME, O_RDONLY | O_CLOEXEC, 0], "the new clocks", {
          name: CHILDRENS_TIME,
          on: CHILDRENS_TIME,
        }),
        op("setns", [result(CHILDRENS_TIME), Number(CLONE_NEWTIME)], "for ourselves, too"),
      ]
      : []),
    ...(isNew(spec, "network") ? loopbackOperations() : []),
  ];
}

/** Writes a file of the host's /proc, in one write as the kernel wants it. */
function writeFile(path: string, content: string, why: string): Operation[] {
  return [
    op("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], why, { name: path, on: path }),
    op("write", [result(path), content, new TextEncoder().encode(content).length], `${why}: ${content}`, { on: path }),
    op("close", [result(path)], "written"),
  ];
}

/** Brings `lo` up; struct ifreq of netdevice(7). */
function loopbackOperations(): Operation[] {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode("lo"));
  request[16] = IFF_UP;
  return [
    op("socket", [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], "a socket to ask the network namespace through", {
      name: "lo",
    }),
    op("ioctl", [result("lo"), SIOCSIFFLAGS, request], "the loopback interface is up", { on: "lo" }),
    op("close", [result("lo")], "done with it"),
  ];
}

/** The root under the name ROOT, in a mount namespace that nothing gets out of. */
export function rootOperations(rootfs: Rootfs): Operation[] {
  const apart = op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host", { on: "/" });
  if (rootfs.kind === "overlay") {
    return [
      apart,
      op("chdir", [rootfs.relativeTo], "where the layers are", { on: rootfs.relativeTo }),
      op("mount", ["overlay", rootfs.target, "overlay", 0, rootfs.options], "stack the layers", {
        on: rootfs.target,
      }),
      op("openat", [AT_FDCWD, rootfs.target, O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the root", {
        name: ROOT,
        on: rootfs.target,
      }),
    ];
  }
  return [
    op("open_tree", [AT_FDCWD, rootfs.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE], "the root", {
      name: ROOT,
      on: rootfs.path,
    }),
    apart,
    op(
      "mount_setattr",
      [result(ROOT), "", AT_EMPTY_PATH | AT_RECURSIVE, { words: [0, 0, MS_PRIVATE, 0] }, 32],
      "no mount made later passes between it and the host",
      { on: rootfs.path },
    ),
    op("move_mount", [result(ROOT), "", AT_FDCWD, rootfs.path, MOVE_MOUNT_F_EMPTY_PATH], "a root must be a mount", {
      on: rootfs.path,
    }),
  ];
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

function pivotOperations(): Operation[] {
  return [
    op("fchdir", [result(ROOT)], "into the new root"),
    op("pivot_root", [".", "."], "it is the root now; the old one is stacked on the same place", { on: "/" }),
    op("umount2", [".", MNT_DETACH], "nothing of the old root is left", { on: "/" }),
    op("chdir", ["/"], "the new root"),
  ];
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
