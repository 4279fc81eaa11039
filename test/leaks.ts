/** What commands may leave on the machine, looked at before and after a test. */
import { syscall, trySyscall } from "../ffi/kernel.ts";

/** The places where something may be left, as they are at one moment. */
export interface Observation {
  /** By what a mount is called that no other one is called at the same time: its ID and its place. */
  readonly mounts: ReadonlyMap<string, string>;
  readonly cgroups: ReadonlySet<string>;
  readonly interfaces: ReadonlySet<string>;
  readonly runFiles: ReadonlySet<string>;
  readonly descriptors: ReadonlyMap<string, string>;
}

const PR_SET_CHILD_SUBREAPER = 36;
let subreaper = false;

function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw error;
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // processes and cgroups come and go
  }
}

/** The folders of mini's cgroups. */
function cgroups(): string[] {
  return ["/sys/fs/cgroup/unified/mini", "/sys/fs/cgroup/mini"].flatMap((folder) =>
    names(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) => `${folder}/${name}`)
  );
}

/** Descriptors of this process that stay open, by number; Deno's own (epoll, events, its isolates' files) count as well. */
function descriptors(): Map<string, string> {
  const open = new Map<string, string>();
  for (const fd of names("/proc/self/fd")) {
    try {
      open.set(fd, Deno.readLinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // the one that this list was read through
    }
  }
  return open;
}

/** The lines of mountinfo, proc_pid_mountinfo(5). Who remounts something changes its line, not its ID. */
function mounts(): Map<string, string> {
  return new Map(
    readText("/proc/self/mountinfo").split("\n").filter(Boolean).map((line) => {
      const [id, , , , place] = line.split(" ");
      return [`${id} ${place}`, line];
    }),
  );
}

/** Looks, and makes this process the one that orphans of its children belong to, so that none gets out of sight. */
export function observe(): Observation {
  if (!subreaper) syscall("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  subreaper = true;
  return {
    mounts: mounts(),
    cgroups: new Set(cgroups()),
    interfaces: new Set(names("/sys/class/net")),
    runFiles: new Set(names("/run").filter((name) => /^mini-[0-9a-f]{8}-/.test(name))),
    descriptors: descriptors(),
  };
}

/** Every process below this one that has not ended; those that have, and whose parent has, are reaped. */
export function ownDescendants(): number[] {
  const children = new Map<number, number[]>(), zombies: number[] = [];
  for (const name of names("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    const stat = readText(`/proc/${name}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!parent) continue;
    if (state === "Z") {
      if (Number(parent) === Deno.pid) zombies.push(Number(name));
    } else children.set(Number(parent), [...children.get(Number(parent)) ?? [], Number(name)]);
  }
  for (const pid of zombies) trySyscall("wait4", pid, null, 1, /* WNOHANG */ null);
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(Deno.pid);
}

function describe(pid: number): string {
  return `process ${pid} (${readText(`/proc/${pid}/comm`).trim()}: ${
    readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").slice(0, 200)
  })`;
}

/** What stays in the root and the state when nothing runs any more. */
const KEPT = [
  "userns.lock",
  "containers",
  "names",
  "images",
  "volumes",
  "networks",
  "monitor",
  "monitor.lock",
  "monitor.log",
  "events.log",
  "events.log.1",
];

/** Everything in the store and the state that a test has to remove before it ends; images may stay. */
function leftFiles(root: string, state: string): string[] {
  const folders = [
    `${root}/containers`,
    `${root}/names`,
    `${root}/volumes`,
    `${state}/containers`,
    `${root}/images/ingest`,
  ];
  const left = folders.flatMap((folder) => names(folder).map((name) => `${folder}/${name}`));
  for (const folder of [root, state]) {
    for (const name of names(folder)) {
      if (!KEPT.includes(name)) {
        left.push(`${folder}/${name}`);
      }
    }
  }
  return [...left, ...leftNetworks(root, state)];
}

/** Networks but the one that is always there, and what containers have of networks. */
function leftNetworks(root: string, state: string): string[] {
  const networks = names(`${root}/networks`).filter((name) => name.endsWith(".json") && name !== "bridge.json");
  const leases = names(`${state}/networks/leases`).flatMap((id) => names(`${state}/networks/leases/${id}`));
  const addresses = leases.filter((name) => /^[0-9a-f.:]+$/.test(name) && name !== ".lock");
  const ports = names(`${state}/networks/ports`).filter((name) => !name.startsWith("."));
  return [...networks, ...addresses, ...ports].map((name) => `${name} of networks`);
}

/**
 * How long what was just ended may take to be gone: kernels take cgroups and namespaces apart by and by, and the monitor of a
 * test has to be given a processor before it goes. What is left behind stays for ever, however long one waits.
 */
const PATIENCE_MILLISECONDS = 30_000;

/** What is there now and was not before, after waiting so many milliseconds for it to go. */
export async function findLeaks(
  before: Observation,
  { folder, root, state }: { folder: string; root: string; state: string },
  patience = PATIENCE_MILLISECONDS,
): Promise<string[]> {
  for (const end = Date.now() + patience;;) {
    const leaks = look(before, folder, root, state);
    if (leaks.length === 0 || Date.now() > end) return leaks;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The ids of every container that a test has made: others make some at the same time. */
function ownContainers(root: string, state: string): Set<string> {
  const events = ["events.log", "events.log.1"].map((name) => readText(`${state}/${name}`)).join("");
  const told = [...events.matchAll(/"[0-9a-f]{64}"/g)].map(([id]) => id.slice(1, -1));
  return new Set([...told, ...[root, state].flatMap((folder) => names(`${folder}/containers`))]);
}

/**
 * Where something is mounted in every container: what gets out of one lies at such a place. What else is mounted on this machine
 * meanwhile, as tracefs is when somebody looks at it, is none of a test's.
 */
const CONTAINER_PLACE =
  /^\/(|proc|proc\/[^/]+|sys|sys\/(fs\/cgroup|firmware|devices\/.*)|dev|dev\/(pts|shm|mqueue|console|null|ptmx)|etc\/[^/]+)$/;

function look(before: Observation, folder: string, root: string, state: string): string[] {
  const mine = ownDescendants();
  const ids = ownContainers(root, state);
  const now = observe();
  const isNewMount = ([key, line]: [string, string]) =>
    !before.mounts.has(key) && (line.includes(folder) || CONTAINER_PLACE.test(line.split(" ")[4]!));
  // By the bridges of the test's networks, and by what the host's ends of its containers are called.
  const networks = names(`${root}/networks`).map((name) => readText(`${root}/networks/${name}`)).join("");
  const isOurInterface = (name: string) =>
    networks.includes(`"${name}"`) || [...ids].some((id) => name.startsWith(`mv${id.slice(0, 12)}`));
  const isOurDescriptor = ([fd, target]: [string, string]) =>
    before.descriptors.get(fd) !== target &&
    (target.startsWith(folder) || /pidfd|mini|\/run\/|cgroup|netns|ns:\[/.test(target));
  return [
    ...mine.map(describe),
    ...[...now.mounts].filter(isNewMount).map(([, line]) => `mount ${line}`),
    ...[...now.cgroups].filter((path) => !before.cgroups.has(path) && ids.has(path.slice(path.lastIndexOf("/") + 1)))
      .map((p) => `cgroup ${p}`),
    ...[...now.interfaces].filter((name) => !before.interfaces.has(name) && isOurInterface(name))
      .map((name) => `network interface ${name}`),
    ...[...now.runFiles].filter((name) => !before.runFiles.has(name)).map((name) => `file /run/${name}`),
    ...[...now.descriptors].filter(isOurDescriptor).map(([fd, target]) => `descriptor ${fd} of ${target}`),
    ...leftFiles(root, state).map((path) => `file ${path}`),
  ];
}
