/** From what the command line and the image say to an OCI specification: the defaults of every container are here. */
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { OCI_VERSION } from "../runtime/spec.ts";
import type { Resources } from "../runtime/resources.ts";
import type { Device, Mount, Namespace, Rlimit, Spec } from "../runtime/spec.ts";
import type { LinuxSeccomp } from "../runtime/seccomp_types.ts";
import type { ContainerConfig } from "./record.ts";
import type { ResolvedUser } from "./users.ts";

/** What has no place in a container's own configuration but in its specification. */
export interface SpecOptions {
  readonly user: ResolvedUser;
  readonly capabilities: string[];
  /** Without one every system call is allowed. */
  readonly seccomp: LinuxSeccomp | undefined;
  readonly volumes: readonly Mount[];
  readonly rlimits: Rlimit[];
  readonly sysctl: Record<string, string>;
  readonly shmBytes: number;
  /** Files of the container's own that are mounted into /etc. */
  readonly etc: readonly Mount[];
  readonly cgroupsPath: string;
  readonly resources: Resources;
  /** Devices beside those that every container has. */
  readonly devices: Device[];
}

/** What a program in a container must not read, because it tells of the host or changes it. */
const MASKED = [
  "acpi",
  "asound",
  "interrupts",
  "kcore",
  "keys",
  "latency_stats",
  "sched_debug",
  "scsi",
  "timer_list",
  "timer_stats",
].map((name) => `/proc/${name}`).concat("/sys/firmware", "/sys/devices/virtual/powercap");
/** What it may read and not write. */
const READONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);
const DEFAULT_SHM_BYTES = 64 << 20;

/** The group of terminals, which grantpt(3) counts on. */
const TTY = 5;
const NOTHING = ["nosuid", "noexec", "nodev"];

function defaultMounts(shmBytes: number, hostNetwork: boolean): Mount[] {
  const own = ownNamespace();
  return [
    { destination: "/proc", type: "proc", source: "proc", options: NOTHING },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ...own && !own.hasGid(TTY) ? [] : [`gid=${TTY}`],
      ],
    },
    // A sysfs shows the network of whoever mounts it, which has to be that one's own.
    own && hostNetwork
      ? {
        destination: "/sys",
        type: "bind",
        source: "/sys",
        options: ["rbind", ...NOTHING.map((option) => `r${option}`), "rro"],
      }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...NOTHING, "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...NOTHING, "relatime", "ro"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: NOTHING },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...NOTHING, "mode=1777", `size=${shmBytes}`] },
  ];
}

/** Hides the thermal throttle counters of each processor, a side channel between containers. */
function thermalPaths(): string[] {
  return Array.from(
    { length: navigator.hardwareConcurrency },
    (_, i) => `/sys/devices/system/cpu/cpu${i}/thermal_throttle`,
  );
}

/** The specification of a container. @throws {MiniError} for two mounts on one place. */
export function buildSpec(config: ContainerConfig, options: SpecOptions): Spec {
  // A volume below another one has to come after it, in whatever order they were given.
  const depth = ({ destination }: Mount) => destination.split("/").filter(Boolean).length;
  const placed = [...options.etc, ...options.volumes].toSorted((a, b) => depth(a) - depth(b));
  const mounts = [
    ...defaultMounts(options.shmBytes || DEFAULT_SHM_BYTES, config.network === "host"),
    ...placed,
  ];
  const given = options.volumes.map((m) => m.destination.replace(/\/+$/, ""));
  const twice = given.find((destination, i) => given.indexOf(destination) !== i);
  if (twice !== undefined) throw new MiniError(`two volumes are to be mounted on ${twice || "/"}`);
  // A volume of the user's takes the place of a default one.
  const kept = mounts.filter((m) => !given.includes(m.destination) || options.volumes.includes(m));
  const namespaces: Namespace[] = [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }];
  if (config.limits?.cgroupns !== "host") namespaces.push({ type: "cgroup" });
  namespaces.push({ type: "network" });
  const { uid, gid, additionalGids } = options.user, { capabilities } = options;
  return {
    ociVersion: OCI_VERSION,
    root: { path: "merged", ...config.readonlyRootfs ? { readonly: true } : {} },
    hostname: config.hostname,
    ...config.domainname === undefined ? {} : { domainname: config.domainname },
    process: {
      terminal: config.tty,
      cwd: config.workingDir,
      env: config.env,
      args: config.args,
      user: { uid, gid, additionalGids: [gid, ...additionalGids] },
      rlimits: options.rlimits,
      // Inheritable and ambient stay empty: a program of another user gets nothing handed on (CVE-2022-24769).
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      ...config.limits?.oomScoreAdj === undefined ? {} : { oomScoreAdj: config.limits.oomScoreAdj },
    },
    mounts: kept,
    linux: {
      namespaces,
      cgroupsPath: options.cgroupsPath,
      resources: options.resources,
      ...options.devices.length > 0 ? { devices: options.devices } : {},
      // In networks of its own, a program needs no right of root's to listen at port 80.
      sysctl: { ...config.networks?.length ? { "net.ipv4.ip_unprivileged_port_start": "0" } : {}, ...options.sysctl },
      maskedPaths: [...MASKED, ...thermalPaths()],
      readonlyPaths: READONLY,
      ...options.seccomp ? { seccomp: options.seccomp } : {},
    },
  };
}
