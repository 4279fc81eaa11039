/** What this host lets mini do: judged from facts alone, so that each verdict can be tested. */
import { MOUNT_CALLS } from "../../ffi/available.ts";
import { LEAST_KERNEL } from "../../ffi/errors.ts";

/** What was found of the host. Undefined: it was not looked at, since it does not matter to this user. */
export interface HostFacts {
  readonly kernel: string;
  /** System calls that the kernel does not know, or does not let us make. */
  readonly missingCalls: readonly string[];
  readonly fileSystems: readonly string[];
  readonly seccomp: boolean;
  readonly cgroup: CgroupFacts;
  /** The security modules that are on. */
  readonly securityModules: readonly string[];
  /** Bytes that are free where images and containers are kept, and the name of the file system. */
  readonly disk: { readonly path: string; readonly freeBytes: number; readonly fileSystem: string };
  readonly inotifyInstances: number;
  /** For root: what its networks need. Undefined for others, and where no program of system calls can be started. */
  readonly network?: { readonly missing: readonly string[]; readonly forwarding: boolean };
  /** For an ordinary user. Undefined for root. */
  readonly user?: UserFacts;
}

/** The host's cgroups, or the part of them that is given to the user. */
export interface CgroupFacts {
  readonly kind: "v2" | "hybrid" | "none";
  /** Undefined where no part of it is ours. */
  readonly root: string | undefined;
  readonly controllers: readonly string[];
}

/** What an ordinary user needs. */
export interface UserFacts {
  readonly name: string;
  /** Why a user namespace cannot be made: the setting that forbids it. */
  readonly forbidden?: { readonly setting: string; readonly allow: string } | undefined;
  readonly idCount: { readonly uids: number; readonly gids: number };
  /** The first id from which on nobody has any. */
  readonly freeId: number;
  /** newuidmap and newgidmap: not here, here without the right that they need, or fine. */
  readonly helpers: "missing" | "powerless" | "fine";
  readonly networkHelpers: readonly string[];
  readonly tun: "fine" | "missing" | "forbidden";
  readonly firstPort: number;
  readonly runtimeFolder: string | undefined;
  /** Whether what the user runs goes on when the user logs out; undefined without systemd. */
  readonly lingers: boolean | undefined;
}

/** One line of what `system check` says. */
export interface Check {
  readonly name: string;
  readonly state: "works" | "limited" | "missing";
  /** Without it no container runs. */
  readonly needed: boolean;
  /** What there is, and what it means. */
  readonly means: string;
  /** The command that mends it, or what else to do. */
  readonly mend?: string;
}

const CONTROLLERS = ["memory", "cpu", "pids", "io", "cpuset"];
/** Overlayfs keeps a container's changes on none of these. */
const UNFIT = ["overlayfs", "nfs", "vfat", "9p", "fuse"];
const LITTLE_SPACE = 1 << 30, FEW_INOTIFY = 64;
const USUAL_IDS = 65536;

const works = (name: string, means: string, needed = false): Check => ({ name, state: "works", needed, means });

/** Calls that mini does without at need, and what that means. */
export const DONE_WITHOUT: readonly string[] = ["openat2", ...MOUNT_CALLS];
const WITHOUT_MOUNT_CALLS = "mount(2) makes all mounts, so that nothing has other ids by its mount " +
  "(--userns as root, idmap), and /dev/shm of another container cannot be joined (--ipc container:…)";

/** All verdicts, in the order in which they are told. */
export function checkHost(facts: HostFacts): Check[] {
  return [
    kernel(facts),
    calls(facts),
    overlay(facts),
    seccomp(facts),
    cgroup(facts),
    ...securityModules(facts),
    ...facts.network ? rootNetwork(facts.network) : [],
    ...facts.user ? user(facts.user) : [],
    disk(facts),
    ...inotify(facts),
  ];
}

/** Whether containers can be run at all. */
export const isFit = (checks: readonly Check[]): boolean =>
  !checks.some(({ state, needed }) => needed && state === "missing");

function kernel({ kernel }: HostFacts): Check {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [leastMajor = 0, leastMinor = 0] = LEAST_KERNEL.split(".").map(Number);
  if (major > leastMajor || major === leastMajor && minor >= leastMinor) {
    return works("kernel", `Linux ${kernel}`, true);
  }
  return {
    name: "kernel",
    state: "missing",
    needed: true,
    means: `Linux ${kernel}, and mini needs ${LEAST_KERNEL} or newer`,
    mend: "install a newer kernel and start the machine again",
  };
}

function calls({ missingCalls }: HostFacts): Check {
  if (missingCalls.length === 0) return works("system calls", "all that mini makes", true);
  const name = "system calls", missing = missingCalls.filter((call) => !DONE_WITHOUT.includes(call));
  const why = "not in this kernel, or kept from us by a filter of what we run in";
  const mend = "on an old kernel install a newer one; inside another container run that with a filter that allows them";
  if (missing.length > 0) return { name, state: "missing", needed: true, means: `${missing.join(", ")}: ${why}`, mend };
  const instead = [
    ...missingCalls.includes("openat2") ? ["paths in containers are followed name by name"] : [],
    ...MOUNT_CALLS.some((call) => missingCalls.includes(call)) ? [WITHOUT_MOUNT_CALLS] : [],
  ];
  return {
    name,
    state: "limited",
    needed: false,
    means: `${missingCalls.join(", ")}: ${why}; ${instead.join("; ")}`,
    mend,
  };
}

function overlay({ fileSystems }: HostFacts): Check {
  if (fileSystems.includes("overlay")) {
    return works("overlayfs", "the kernel's own stacks the layers, for users as well", true);
  }
  return {
    name: "overlayfs",
    state: "missing",
    needed: true,
    means: "the kernel has no overlayfs, by which the layers of images are stacked",
    mend: "sudo modprobe overlay",
  };
}

function seccomp({ seccomp }: HostFacts): Check {
  if (seccomp) return works("seccomp", "system calls are filtered", true);
  return {
    name: "seccomp",
    state: "missing",
    needed: true,
    means: "the kernel has no filters for system calls, so containers run only with --security-opt seccomp=unconfined",
    mend: "use a kernel with CONFIG_SECCOMP_FILTER",
  };
}

function cgroup({ cgroup: { kind, root, controllers }, user }: HostFacts): Check {
  const name = "cgroups", missing = CONTROLLERS.filter((one) => !controllers.includes(one));
  if (kind === "none") {
    return {
      name,
      // Without one nothing keeps a container of root's from the host's devices.
      ...user ? { state: "limited", needed: false } : { state: "missing", needed: true },
      means: "no cgroup v2 is mounted: nothing can be limited or paused" +
        (user ? "" : ", and devices cannot be kept away"),
      mend: "sudo mkdir -p /sys/fs/cgroup/unified; sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
    };
  }
  if (root === undefined) {
    return {
      name,
      state: "limited",
      needed: false,
      means: "none is given to you: containers run, and cannot be limited or paused",
      mend: "systemd-run --user --scope -p Delegate=yes mini run …",
    };
  }
  if (missing.length === 0) return works(name, `version 2 at ${root}: every limit holds`);
  return {
    name,
    state: "limited",
    needed: false,
    means: `version 2 at ${root} without ${missing.join(", ")}: those limits are refused` +
      (kind === "hybrid" ? ", since version 1 has them" : ""),
    mend: kind === "hybrid"
      ? "start the machine with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
      : user
      ? "as root: mkdir -p /etc/systemd/system/user@.service.d; " +
        "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf; " +
        "systemctl daemon-reload; and log in again"
      : `echo '${missing.map((one) => `+${one}`).join(" ")}' | sudo tee ${root}/cgroup.subtree_control`,
  };
}

function securityModules({ securityModules }: HostFacts): Check[] {
  const known = securityModules.filter((name) => ["apparmor", "selinux"].includes(name));
  if (known.length === 0) return [works("AppArmor, SELinux", "neither is on; containers are confined without")];
  return [works("AppArmor, SELinux", `${known.join(" and ")} on: --security-opt apparmor=… and label=… are applied`)];
}

function rootNetwork({ missing, forwarding }: NonNullable<HostFacts["network"]>): Check[] {
  const modules: Record<string, string> = { "nf_tables": "nf_tables", bridge: "bridge", veth: "veth" };
  return [
    missing.length === 0 ? works("network", "bridges, cables and the firewall's tables") : {
      name: "network",
      state: "limited",
      needed: false,
      means: `the kernel has no ${missing.join(", ")}: only --network host and none work`,
      mend: `sudo modprobe -a ${missing.map((name) => modules[name] ?? name).join(" ")}`,
    },
    works("forwarding", forwarding ? "on" : "off; mini turns it on with the first container that has a network"),
  ];
}

function user(facts: UserFacts): Check[] {
  const { name, forbidden, networkHelpers, tun, runtimeFolder, lingers, firstPort } = facts;
  return [
    forbidden === undefined ? works("user namespaces", "ordinary users may make them", true) : {
      name: "user namespaces",
      state: "missing",
      needed: true,
      means: `${forbidden.setting} forbids them, so that only root can run containers`,
      mend: forbidden.allow,
    },
    ids(facts),
    userNetwork(networkHelpers, tun),
    works(
      "ports",
      `from ${firstPort} on can be published; for lower ones: sudo sysctl net.ipv4.ip_unprivileged_port_start=80`,
    ),
    runtimeFolder !== undefined ? works("runtime folder", runtimeFolder) : {
      name: "runtime folder",
      state: "limited",
      needed: false,
      means: "XDG_RUNTIME_DIR names no folder: what runs is written down below /tmp",
      mend: "log in by a session of its own (ssh, machinectl shell) rather than su",
    },
    ...lingers === false
      ? [
        {
          name: "lingering",
          state: "limited",
          needed: false,
          means: "containers in the background may end when you log out",
          mend: `sudo loginctl enable-linger ${name}`,
        } as const,
      ]
      : [],
  ];
}

function ids({ name, idCount: { uids, gids }, freeId, helpers }: UserFacts): Check {
  const least = Math.min(uids, gids), limited = { name: "ids", state: "limited", needed: false } as const;
  const range = `${freeId}-${freeId + USUAL_IDS - 1}`;
  const mend = `sudo usermod --add-subuids ${range} --add-subgids ${range} ${name}`;
  const alone = "in a container there is root alone, which is you";
  if (helpers === "missing") {
    return { ...limited, means: `newuidmap and newgidmap are not here: ${alone}`, mend: "sudo apt-get install uidmap" };
  }
  if (least === 0) {
    return {
      ...limited,
      means: `/etc/subuid and /etc/subgid give ${name} no ids: ${alone}`,
      mend,
    };
  }
  if (helpers === "powerless") {
    return {
      name: "ids",
      state: "missing",
      needed: true,
      means: "newuidmap and newgidmap lack the right to set ids, so that no user namespace gets any",
      mend: "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap",
    };
  }
  if (least < USUAL_IDS - 1) {
    return {
      ...limited,
      means: `${name} has ${least} ids beside its own: images with others are refused`,
      mend,
    };
  }
  return works("ids", `${least} beside your own`);
}

function userNetwork(helpers: readonly string[], tun: UserFacts["tun"]): Check {
  const limited = { name: "network", state: "limited", needed: false } as const;
  if (helpers.length === 0) {
    return {
      ...limited,
      means: "neither pasta nor slirp4netns is here: containers have their loopback, or --network host",
      mend: "sudo apt-get install passt",
    };
  }
  if (tun !== "fine") {
    return {
      ...limited,
      means: `/dev/net/tun ${
        tun === "missing" ? "is not there" : "cannot be opened by you"
      }: containers have their loopback alone`,
      mend: tun === "missing" ? "sudo modprobe tun" : "sudo chmod 666 /dev/net/tun",
    };
  }
  return works("network", `by ${helpers[0]}; networks that containers share need root`);
}

function disk({ disk: { path, freeBytes, fileSystem } }: HostFacts): Check {
  const free = `${(freeBytes / 1e9).toFixed(1)} GB free`;
  if (UNFIT.includes(fileSystem)) {
    return {
      name: "disk",
      state: "missing",
      needed: true,
      means: `${path} is on ${fileSystem}, on which overlayfs keeps no changes`,
      mend: "choose a folder on ext4, xfs, btrfs or tmpfs with --root or MINI_ROOT",
    };
  }
  if (freeBytes < LITTLE_SPACE) {
    return {
      name: "disk",
      state: "limited",
      needed: false,
      means: `${path} (${fileSystem}): ${free}`,
      mend: "mini system prune -a, or choose another folder with --root",
    };
  }
  return works("disk", `${path} (${fileSystem}): ${free}`);
}

function inotify({ inotifyInstances }: HostFacts): Check[] {
  if (inotifyInstances >= FEW_INOTIFY) return [];
  return [{
    name: "inotify",
    state: "limited",
    needed: false,
    means: `a user may watch with ${inotifyInstances} at once: following many logs and events may fail`,
    mend: "sudo sysctl fs.inotify.max_user_instances=512",
  }];
}
