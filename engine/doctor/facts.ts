/** Looks at the host for `system check`. Nothing is changed. */
import { isMissing, PROBED } from "../../ffi/available.ts";
import { AT_FDCWD, CLONE_NEWNET, O_PATH } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { fileSystemOf } from "../../ffi/file_info.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { Netlink, NETLINK_NETFILTER } from "../../ffi/netlink.ts";
import { newBridge, newVeth } from "../../ffi/netlink_route.ts";
import { open } from "../../ffi/open.ts";
import { takeOpened, untilTaken } from "../../ffi/take.ts";
import { listChains } from "../../network/nft_message.ts";
import { openSocket } from "../../network/inside.ts";
import { cgroupTree, delegatedTree, hostTree } from "../../runtime/cgroup.ts";
import { controllers } from "../../runtime/cgroup_apply.ts";
import { fileSystemName } from "../host_facts.ts";
import { ownIds } from "../rootless/enter.ts";
import { findProgram } from "../rootless/find.ts";
import { userName } from "../rootless/ids.ts";
import { DONE_WITHOUT, type HostFacts, type UserFacts } from "./checks.ts";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return ""; // not there, or not for us: it counts as nothing
  }
}

function exists(path: string): boolean {
  return trySyscall("faccessat", AT_FDCWD, path, 0) === 0;
}

/** Loadable modules count: the kernel loads a file system at its first mount. */
function fileSystems(): string[] {
  const known = read("/proc/filesystems").split("\n").map((line) => line.split("\t").at(-1)!);
  const isModule = /\/overlay\.ko/.test(read(`/lib/modules/${Deno.osRelease()}/modules.dep`));
  return isModule ? [...known, "overlay"] : known;
}

function cgroupFacts(isRoot: boolean): HostFacts["cgroup"] {
  const host = hostTree();
  if (!host) return { kind: "none", root: undefined, controllers: [] };
  const ours = isRoot ? cgroupTree() : delegatedTree(host);
  return { kind: host.hybrid ? "hybrid" : "v2", root: ours?.root, controllers: ours ? controllers(ours) : [] };
}

/** The nearest folder that is there. */
function diskFacts(root: string): HostFacts["disk"] {
  let path = root;
  while (!exists(path) && path !== "/") path = path.slice(0, path.lastIndexOf("/")) || "/";
  const fd = open(path, O_PATH);
  try {
    const words = new BigInt64Array(16); // struct statfs: the second word is the size of blocks, the fifth how many are ours
    syscall("fstatfs", fd, words);
    return { path, freeBytes: Number(words[1]! * words[4]!), fileSystem: fileSystemName(fileSystemOf(fd).type) };
  } finally {
    close(fd);
  }
}

/** Makes a bridge and a cable in a network of their own, which goes at once. */
function missingForNetworks(): string[] {
  const missing: string[] = [];
  // The network lives as long as a socket of it.
  const [socket] = takeOpened((sync) => [openSocket("netlink"), ...untilTaken(sync)], ["netlink"], {
    flags: CLONE_NEWNET,
  }, [
    "socket",
    Errno.ESRCH,
  ]);
  using inside = new Netlink(socket!);
  if (inside.attempt([newBridge({ name: "br0" })])[0]) missing.push("bridge");
  if (inside.attempt([newVeth({ name: "v0" }, { name: "v1" })])[0]) missing.push("veth");
  try {
    using netlink = Netlink.open(NETLINK_NETFILTER);
    netlink.dump(listChains());
  } catch (error) {
    if (!(error instanceof SyscallError || error instanceof MiniError)) throw error;
    missing.push("nf_tables");
  }
  return missing;
}

/** The settings that keep ordinary users from making user namespaces, and how each is changed. */
function forbidden(): UserFacts["forbidden"] {
  const setting = (path: string, value: string, allow: string) =>
    read(`/proc/sys/${path}`) === value
      ? { setting: `${path.replaceAll("/", ".")}=${value}`, allow: `sudo sysctl ${path.replaceAll("/", ".")}=${allow}` }
      : undefined;
  return setting("kernel/unprivileged_userns_clone", "0", "1") ??
    setting("user/max_user_namespaces", "0", "15000") ??
    setting("kernel/apparmor_restrict_unprivileged_userns", "1", "0");
}

/** Whether a program may set ids: by its set-user-id bit, or by a capability of its file. */
function hasPower(path: string): boolean {
  const S_ISUID = 0o4000;
  return ((Deno.statSync(path).mode ?? 0) & S_ISUID) !== 0 ||
    trySyscall("getxattr", path, "security.capability", new Uint8Array(64), 64) > 0;
}

/** Above all ids that were given to anybody. subuid(5) */
function freeId(): number {
  const FIRST = 100_000;
  const ends = ["/etc/subuid", "/etc/subgid"].flatMap((path) => read(path).split("\n")).map((line) => {
    const [, first, size] = line.split(":").map(Number);
    return first! + size!;
  });
  return Math.max(FIRST, ...ends.filter(Number.isSafeInteger));
}

function userFacts(): UserFacts {
  const uid = Deno.uid()!, name = userName(read("/etc/passwd"), uid) ?? String(uid);
  const { uids, gids, helpers } = ownIds();
  const programs = ["newuidmap", "newgidmap"].map(findProgram);
  const count = (lines: typeof uids) => lines.slice(1).reduce((sum, [, , size]) => sum + size, 0);
  const tun = trySyscall("faccessat", AT_FDCWD, "/dev/net/tun", 6);
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  return {
    name,
    forbidden: forbidden(),
    freeId: freeId(),
    idCount: { uids: count(uids), gids: count(gids) },
    helpers: programs.includes(undefined)
      ? "missing"
      : helpers && !programs.every((p) => hasPower(p!))
      ? "powerless"
      : "fine",
    networkHelpers: ["pasta", "slirp4netns"].filter((helper) => findProgram(helper)),
    tun: tun === 0 ? "fine" : tun === -Errno.ENOENT ? "missing" : "forbidden",
    firstPort: Number(read("/proc/sys/net/ipv4/ip_unprivileged_port_start") || 1024),
    runtimeFolder: runtime?.startsWith("/") && trySyscall("faccessat", AT_FDCWD, runtime, 2) === 0
      ? runtime
      : undefined,
    lingers: exists("/run/systemd/system") ? exists(`/var/lib/systemd/linger/${name}`) : undefined,
  };
}

/** Looks. @param root where images and containers are kept. */
export function hostFacts(root: string): HostFacts {
  const isRoot = Deno.uid() === 0, missingCalls = PROBED.filter(isMissing);
  const canStart = missingCalls.every((call) => DONE_WITHOUT.includes(call));
  return {
    kernel: Deno.osRelease(),
    missingCalls,
    fileSystems: fileSystems(),
    seccomp: exists("/proc/sys/kernel/seccomp/actions_avail"),
    cgroup: cgroupFacts(isRoot),
    securityModules: [
      ...read("/sys/module/apparmor/parameters/enabled") === "Y" ? ["apparmor"] : [],
      ...exists("/sys/fs/selinux/enforce") ? ["selinux"] : [],
    ],
    disk: diskFacts(root),
    inotifyInstances: Number(read("/proc/sys/fs/inotify/max_user_instances") || 128),
    ...isRoot ? {} : { user: userFacts() },
    ...isRoot && canStart
      ? { network: { missing: missingForNetworks(), forwarding: read("/proc/sys/net/ipv4/ip_forward") === "1" } }
      : {},
  };
}
