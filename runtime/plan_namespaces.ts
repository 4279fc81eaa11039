/** How a process comes into its namespaces: into those that there are, by their descriptors, and into new ones. */
import {
  AF_INET,
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  IFF_UP,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  PR_SET_DUMPABLE,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../ffi/constants.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import type { NamespaceType, Spec } from "./spec.ts";

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

/** Whether the specification has a namespace of its own of this kind. */
export const isNew = (spec: Spec, type: NamespaceType): boolean =>
  (spec.linux?.namespaces ?? []).some((n) => n.type === type && n.path === undefined);

/** Whether it has one of this kind that is not the caller's: a new one, or one that is joined. */
export const hasNamespace = (spec: Spec, type: NamespaceType): boolean =>
  (spec.linux?.namespaces ?? []).some((n) => n.type === type);

/** The flags for clone3 of all new namespaces that can be made by it. */
export function newNamespaces(spec: Spec): bigint {
  // A cgroup namespace's root is where its maker is (after the move into the cgroup), a time namespace is made for children
  // first, and a user namespace is made before, with its ids (idmap.ts).
  const later: NamespaceType[] = ["cgroup", "time", "user"];
  return (spec.linux?.namespaces ?? []).filter((n) => n.path === undefined && !later.includes(n.type))
    .reduce((all, n) => all | CLONE_FLAG[n.type], 0n);
}

/** Descriptors of namespaces to join. */
export type NamespaceDescriptors = Partial<Record<NamespaceType, number>>;

/** The mount namespace is joined before anything is looked up in it. */
export function joinMounts({ mount }: NamespaceDescriptors): Operation[] {
  return mount === undefined ? [] : [op("setns", [mount, Number(CLONE_NEWNS)], "join the mount namespace")];
}

/**
 * Joins the rest. Which of them may be joined depends on who owns them: those that the host has made only before the user
 * namespace is entered, those that belong to it only from inside. So what fails first is tried again there.
 */
export function joinNamespaces(spec: Spec, descriptors: NamespaceDescriptors): Operation[] {
  const inside = descriptors.user !== undefined;
  const others = (spec.linux?.namespaces ?? []).flatMap(({ type, path }) => {
    const fd = descriptors[type];
    return fd === undefined || type === "user" || type === "mount" ? [] : [{ type, fd, on: path ?? type }];
  });
  const join = (type: NamespaceType, fd: number, on: string, details = {}) =>
    op("setns", [fd, Number(CLONE_FLAG[type])], `join the ${type} namespace ${on}`, { on, ...details });
  return [
    ...others.map(({ type, fd, on }) => join(type, fd, on, inside ? { name: `join ${type}`, optional: true } : {})),
    ...(inside ? enterUserNamespace(descriptors.user!, isNew(spec, "pid")) : []),
    ...(inside ? others : []).flatMap(({ type, fd, on }) => [
      op("add", [result(`join ${type}`), 0], `is it joined, the ${type} namespace?`, {
        jump: { when: "=", to: `joined ${type}` },
      }),
      join(type, fd, on),
      op("add", [0, 0], "it is", { name: `joined ${type}` }),
    ]),
  ];
}

/** @param alone no process of a container can see this one yet, so that it need not be kept from being traced. */
function enterUserNamespace(fd: number, alone: boolean): Operation[] {
  return [
    op("setns", [fd, Number(CLONE_NEWUSER)], "the user namespace, where we have every capability"),
    ...becomeItsRoot(),
    // The change of user took it away, and without it our own files in /proc would belong to the host's root.
    ...(alone ? [op("prctl", [PR_SET_DUMPABLE, 1, 0, 0, 0], "our own files in /proc are ours")] : []),
  ];
}

/** The first user and group of a user namespace that was just entered: until then its ids are not ours. */
export function becomeItsRoot(): Operation[] {
  return [
    op("setresgid", [0, 0, 0], "the user namespace's root group"),
    op("setresuid", [0, 0, 0], "the user namespace's root"),
  ];
}

const CHILDRENS_TIME = "/proc/self/ns/time_for_children";

/** Those that a process makes for itself, and what is to be done in new ones. */
export function makeNamespaces(spec: Spec): Operation[] {
  const time = isNew(spec, "time"), offsets = Object.entries(spec.linux?.timeOffsets ?? {});
  return [
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
export function writeFile(path: string, content: string, why: string): Operation[] {
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
