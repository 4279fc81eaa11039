/** What there is on this machine, as `docker info` tells it. */
import { O_PATH } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { fileSystemOf } from "../ffi/file_info.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import { Store } from "../images/store.ts";
import type { Containers, Found } from "./containers.ts";
import { fileSystemName, memoryBytes, operatingSystem } from "./host_facts.ts";

/** The fields of Docker's API that have a meaning here. */
export interface Info {
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: "overlayfs";
  readonly DriverStatus: readonly (readonly [name: string, value: string])[];
  readonly LoggingDriver: "local";
  readonly CgroupDriver: "cgroupfs" | "none";
  readonly CgroupVersion: "2" | "";
  /** Whether what a container uses of these can be limited here. */
  readonly MemoryLimit: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly IPv4Forwarding: boolean;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSType: "linux";
  readonly Architecture: string;
  readonly NCPU: number;
  /** Bytes. */
  readonly MemTotal: number;
  readonly Name: string;
  readonly SystemTime: string;
  readonly SecurityOptions: readonly string[];
  /** Where images, volumes and containers' changes are; the name is Docker's. */
  readonly DockerRootDir: string;
  /** Where the state of what runs is. */
  readonly StateDir: string;
  readonly ServerVersion: string;
  readonly Warnings: readonly string[];
}

/** Gathers it. `note` is told of containers that cannot be read. */
export async function gatherInfo(
  containers: Containers,
  version: string,
  note: (sentence: string) => void,
): Promise<Info> {
  const { root, state } = containers;
  const all = await containers.list(note), tree = cgroupTree();
  const count = (...statuses: Found["status"][]) => all.filter(({ status }) => statuses.includes(status)).length;
  const have = tree ? controllers(tree) : [];
  const forwarding = readNumber("/proc/sys/net/ipv4/ip_forward") === 1;
  const running = count("running", "restarting"), paused = count("paused");
  return {
    Containers: all.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: all.length - running - paused,
    Images: new Set(new Store(root).images.list().map(({ id }) => id)).size,
    Driver: "overlayfs",
    DriverStatus: [["Backing Filesystem", fileSystem(root)]],
    LoggingDriver: "local",
    CgroupDriver: tree ? "cgroupfs" : "none",
    CgroupVersion: tree ? "2" : "",
    MemoryLimit: have.includes("memory"),
    CpuCfsQuota: have.includes("cpu"),
    CPUSet: have.includes("cpuset"),
    PidsLimit: have.includes("pids"),
    IPv4Forwarding: forwarding,
    KernelVersion: Deno.osRelease(),
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: Deno.build.arch,
    NCPU: navigator.hardwareConcurrency,
    MemTotal: memoryBytes(),
    Name: Deno.hostname(),
    SystemTime: new Date().toISOString(),
    SecurityOptions: ["name=seccomp,profile=builtin", "name=cgroupns", "name=no-new-privileges"],
    DockerRootDir: root,
    StateDir: state,
    ServerVersion: version,
    Warnings: warnings(tree, have, forwarding),
  };
}

function warnings(tree: ReturnType<typeof cgroupTree>, have: readonly string[], forwarding: boolean): string[] {
  const missing = ["cpu", "cpuset", "io", "memory", "pids"].filter((name) => !have.includes(name));
  return [
    ...tree ? [] : ["No cgroup v2 is mounted: containers run without limits, and cannot be paused"],
    ...tree && missing.length > 0
      ? [`The cgroup v2 tree lacks the controllers ${missing.join(", ")}: what they limit cannot be limited`]
      : [],
    ...forwarding ? [] : ["IPv4 forwarding is off until a container is in a network that leads outside"],
  ];
}

function readNumber(path: string): number | undefined {
  try {
    return Number(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The kind of file system that a folder is on, or will be: the nearest one that there is counts. statfs(2) */
function fileSystem(folder: string): string {
  for (let path = folder;; path = path.slice(0, path.lastIndexOf("/")) || "/") {
    try {
      Deno.statSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && path !== "/") continue;
      throw new MiniError(`cannot look at ${path}: ${(error as Error).message}`);
    }
    const fd = open(path, O_PATH);
    try {
      return fileSystemName(fileSystemOf(fd).type);
    } finally {
      close(fd);
    }
  }
}
