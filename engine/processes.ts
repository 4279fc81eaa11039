/** The processes of a container, as /proc shows them to the host: proc(5). */
import { processes as inCgroup } from "../runtime/cgroup.ts";
import type { RunningState } from "./record.ts";

/** The kernel's clock ticks in a second, as far as programs see them: USER_HZ, the same on both machines. */
export const TICKS_PER_SECOND = 100;

/** A process as it was at one moment. */
export interface Process {
  readonly pid: number;
  /** As the kernel calls it, at most 15 characters. */
  readonly name: string;
  /** `S`, `R`, `Z` … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The device number of its terminal, 0 for none. */
  readonly terminal: number;
  /** The process group in the foreground of its terminal. */
  readonly foreground: number;
  /** Clock ticks. */
  readonly cpuTicks: number;
  readonly priority: number;
  readonly nice: number;
  readonly threads: number;
  /** Clock ticks after the machine's start. */
  readonly startTicks: number;
  readonly virtualBytes: number;
  /** Bytes that are in memory. */
  readonly residentBytes: number;
  /** Effective. */
  readonly uid: number;
  readonly gid: number;
  /** Its arguments; empty for what has none, as a zombie. */
  readonly args: readonly string[];
}

/** Reads a file of a process; undefined when that has ended, or says nothing of this to us. */
export function readProc(pid: number, file: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    // ESRCH: it ended while we were reading.
    if ((error as Error).message.includes("os error 3)")) return undefined;
    throw error;
  }
}

/** A process; undefined when it has ended. */
export function readProcess(pid: number): Process | undefined {
  const stat = readProc(pid, "stat"), status = stat && readProc(pid, "status");
  if (stat === undefined || status === undefined) return undefined;
  // The name stands in brackets and may hold anything, brackets too.
  const open = stat.indexOf("("), end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  const at = (field: number) => Number(fields[field - 3]);
  const effective = (key: string) => Number(new RegExp(`^${key}:\\s+\\d+\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    pid,
    name: stat.slice(open + 1, end),
    state: fields[0] ?? "?",
    parent: at(4),
    group: at(5),
    session: at(6),
    terminal: at(7),
    foreground: at(8),
    cpuTicks: at(14) + at(15),
    priority: at(18),
    nice: at(19),
    threads: at(20),
    startTicks: at(22),
    virtualBytes: at(23),
    residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
    uid: effective("Uid"),
    gid: effective("Gid"),
    args: (readProc(pid, "cmdline") ?? "").split("\0").slice(0, -1),
  };
}

/** The numbers of all processes of a container that runs: those in its cgroup, and where there is none, in its pid namespace. */
export function containerPids({ pid, cgroup }: RunningState): number[] {
  const found = cgroup === undefined ? inNamespace(pid) : inTree(cgroup);
  return found.sort((a, b) => a - b);
}

/** With the cgroups that the container has made inside its own. */
function inTree(folder: string): number[] {
  let below: number[] = [];
  try {
    below = Array.from(Deno.readDirSync(folder)).filter((entry) => entry.isDirectory)
      .flatMap(({ name }) => inTree(`${folder}/${name}`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has just ended
  }
  return [...inCgroup(folder), ...below];
}

/** Also those in pid namespaces below it: their ancestors are in it. */
function inNamespace(first: number): number[] {
  const namespace = (pid: number) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
    } catch {
      return undefined; // it has ended
    }
  };
  const wanted = namespace(first);
  if (wanted === undefined) return [];
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    const stat = readProc(Number(name), "stat");
    if (stat !== undefined) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const known = new Map<number, boolean>();
  const isInside = (pid: number): boolean => {
    let inside = known.get(pid);
    if (inside === undefined) {
      known.set(pid, false); // whatever numbers are reused while we look: no circle
      const parent = parents.get(pid);
      inside = namespace(pid) === wanted || (parent !== undefined && parent > 1 && isInside(parent));
      known.set(pid, inside);
    }
    return inside;
  };
  return [...parents.keys()].filter(isInside);
}
