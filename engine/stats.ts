/**
 * What containers use at the moment: from the files of their cgroups (Documentation/admin-guide/cgroup-v2.rst), and where
 * the host's tree does not have these, from their processes in /proc.
 */
import type { Found } from "./containers.ts";
import { memoryBytes } from "./host_facts.ts";
import { containerPids, type Process, readProc, readProcess, TICKS_PER_SECOND } from "./processes.ts";
import type { RunningState } from "./record.ts";

/** What a container has used until a moment. What cannot be known here is undefined. */
export interface Sample {
  /** Milliseconds on a clock that never jumps. */
  readonly at: number;
  readonly cpuMicros: number | undefined;
  /** Bytes in use now, without what the kernel would give back at once (the inactive part of the file cache). */
  readonly memory: number | undefined;
  /** What it may use: its own limit, or all that the machine has. */
  readonly memoryLimit: number;
  /** Bytes received and sent, through every interface but the loopback. */
  readonly network: Transfer | undefined;
  /** Bytes read from and written to disks. */
  readonly block: Transfer | undefined;
  /** Threads included. */
  readonly pids: number | undefined;
}

/** Bytes that came in and went out. */
export interface Transfer {
  readonly in: number;
  readonly out: number;
}

/** A sample, and the share of the processors since the one before it. */
export interface Usage extends Sample {
  /** Percent of one processor: 200 is two of them all the time. */
  readonly cpuPercent: number | undefined;
  readonly memoryPercent: number | undefined;
}

/** Reads a file of a cgroup; undefined if there is none. */
function readCgroup({ cgroup }: RunningState, file: string): string | undefined {
  if (cgroup === undefined) return undefined;
  try {
    return Deno.readTextFileSync(`${cgroup}/${file}`);
  } catch (error) {
    // ENODEV: it was removed between opening the file and reading it.
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("os error 19)")) return undefined;
    throw error;
  }
}

/** The number after a key, in a file of keys and numbers. */
function valueOf(text: string | undefined, key: string): number | undefined {
  const value = text && new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1];
  return value ? Number(value) : undefined;
}

/** What a container uses; undefined when it does not run. */
export function sample({ running }: Found): Sample | undefined {
  if (!running) return undefined;
  // Asked of the processes only if the cgroup does not know.
  let all: Process[] | undefined;
  const processes = () => all ??= containerPids(running).flatMap((pid) => readProcess(pid) ?? []);
  const sum = (value: (process: Process) => number) =>
    processes().length > 0 ? processes().reduce((total, process) => total + value(process), 0) : undefined;
  const ticks = () => {
    const total = sum((process) => process.cpuTicks);
    return total === undefined ? undefined : total * 1e6 / TICKS_PER_SECOND;
  };
  const threads = readCgroup(running, "pids.current");
  return {
    at: performance.now(),
    cpuMicros: valueOf(readCgroup(running, "cpu.stat"), "usage_usec") ?? ticks(),
    memory: memoryOf(running) ?? sum(({ pid, residentBytes }) => ownMemory(pid) ?? residentBytes),
    memoryLimit: limitOf(running),
    network: networkOf(running),
    block: blockOf(running) ?? blockOfProcesses(processes()),
    pids: threads === undefined ? sum((process) => process.threads) : Number(threads),
  };
}

function memoryOf(running: RunningState): number | undefined {
  const current = readCgroup(running, "memory.current");
  if (current === undefined) return undefined;
  return Math.max(0, Number(current) - (valueOf(readCgroup(running, "memory.stat"), "inactive_file") ?? 0));
}

/** The lowest limit of its cgroup and those above it. */
function limitOf(running: RunningState): number {
  const all = memoryBytes(), limit = Number(readCgroup(running, "memory.max"));
  return limit > 0 && limit < all ? limit : all;
}

/** What a process takes of the memory, pages that it shares with others by parts. */
function ownMemory(pid: number): number | undefined {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readProc(pid, "smaps_rollup") ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** The counters of the interfaces in its network namespace; of one that shares the host's they would be the host's. */
function networkOf({ pid }: RunningState): Transfer | undefined {
  const text = isInHostNetwork(pid) ? undefined : readProc(pid, "net/dev");
  if (text === undefined) return undefined;
  const total = { in: 0, out: 0 };
  for (const line of text.split("\n").slice(2)) {
    const [name = "", numbers = ""] = line.split(":");
    const fields = numbers.trim().split(/\s+/).map(Number);
    if (name.trim() === "lo" || fields.length < 9) continue;
    total.in += fields[0]!;
    total.out += fields[8]!;
  }
  return total;
}

function isInHostNetwork(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`) === Deno.readLinkSync("/proc/self/ns/net");
  } catch {
    return false; // it has ended
  }
}

function blockOf(running: RunningState): Transfer | undefined {
  const text = readCgroup(running, "io.stat");
  if (text === undefined) return undefined;
  const sum = (key: string) =>
    Array.from(text.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))).reduce(
      (total, match) => total + Number(match[1]),
      0,
    );
  return { in: sum("rbytes"), out: sum("wbytes") };
}

/** A process counts its own and that of its children that have ended. */
function blockOfProcesses(processes: readonly Process[]): Transfer | undefined {
  const total = { in: 0, out: 0 };
  let known = false;
  for (const { pid } of processes) {
    const text = readProc(pid, "io");
    if (text === undefined) continue;
    const value = (key: string) => Number(new RegExp(`^${key}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    total.in += value("read_bytes");
    total.out += value("write_bytes");
    known = true;
  }
  return known ? total : undefined;
}

/** What a container uses, of the processors since an earlier sample of it; without one the processors are not known. */
export function usage(now: Sample, before: Sample | undefined): Usage {
  const { memory, memoryLimit, cpuMicros } = now;
  const micros = before && (now.at - before.at) * 1000;
  const known = cpuMicros !== undefined && before?.cpuMicros !== undefined && micros !== undefined && micros > 0;
  return {
    ...now,
    // Of processes that have ended in between nothing is counted, which must not make it less than nothing.
    cpuPercent: known ? Math.max(0, 100 * (cpuMicros - before.cpuMicros!) / micros) : undefined,
    memoryPercent: memory === undefined ? undefined : 100 * memory / memoryLimit,
  };
}
