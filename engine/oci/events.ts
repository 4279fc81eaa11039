/** What a container uses, in the form of `runc events`: the files of its cgroup, cgroup-v2.rst. */
import { isGone } from "../../runtime/cgroup.ts";

function read(folder: string, file: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${folder}/${file}`);
  } catch (error) {
    if (isGone(error)) return undefined; // the controller is not here, or the container has ended
    throw error;
  }
}

/** A file of keys and numbers. */
function keyed(text: string | undefined): Record<string, number> {
  const lines = (text ?? "").split("\n").filter(Boolean).map((line) => line.split(" "));
  return Object.fromEntries(lines.map(([key, value]) => [key, Number(value)]));
}

/** A file with one number; `max` is without limit, which is the largest number as runc has it. */
function single(text: string | undefined): number | bigint | undefined {
  if (text === undefined) return undefined;
  return text.trim() === "max" ? 2n ** 64n - 1n : Number(text);
}

/** Entries such as `8:0 rbytes=1 wbytes=2 …`. */
function diskEntries(text: string | undefined, keys: readonly (readonly [key: string, op: string])[]) {
  return (text ?? "").split("\n").filter(Boolean).flatMap((line) => {
    const [device = "", ...fields] = line.split(" ");
    const [major, minor] = device.split(":").map(Number);
    const values = new Map(fields.map((field) => field.split("=") as [string, string]));
    return keys.map(([key, op]) => ({ major, minor, op, value: Number(values.get(key) ?? 0) }));
  });
}

const MICROS = 1000;

/** What a cgroup uses; a part whose controller the host does not have in version 2 is left out. */
export function stats(cgroup: string) {
  const cpu = keyed(read(cgroup, "cpu.stat")), current = read(cgroup, "memory.current"), io = read(cgroup, "io.stat");
  const raw = keyed(read(cgroup, "memory.stat")), events = keyed(read(cgroup, "memory.events"));
  return {
    cpu: {
      usage: {
        total: (cpu.usage_usec ?? 0) * MICROS,
        kernel: (cpu.system_usec ?? 0) * MICROS,
        user: (cpu.user_usec ?? 0) * MICROS,
      },
      throttling: {
        periods: cpu.nr_periods ?? 0,
        throttledPeriods: cpu.nr_throttled ?? 0,
        throttledTime: (cpu.throttled_usec ?? 0) * MICROS,
      },
    },
    ...current === undefined ? {} : {
      memory: {
        cache: raw.file ?? 0,
        usage: {
          limit: single(read(cgroup, "memory.max")),
          usage: Number(current),
          max: single(read(cgroup, "memory.peak")),
          failcnt: events.max ?? 0,
        },
        swap: { limit: single(read(cgroup, "memory.swap.max")), usage: single(read(cgroup, "memory.swap.current")) },
        raw,
      },
    },
    pids: { current: single(read(cgroup, "pids.current")), limit: single(read(cgroup, "pids.max")) },
    blkio: {
      ioServiceBytesRecursive: diskEntries(io, [["rbytes", "Read"], ["wbytes", "Write"], ["dbytes", "Discard"]]),
      ioServicedRecursive: diskEntries(io, [["rios", "Read"], ["wios", "Write"], ["dios", "Discard"]]),
    },
  };
}

/** How often something in a cgroup was killed because memory was short. */
export const oomKills = (cgroup: string): number => keyed(read(cgroup, "memory.events")).oom_kill ?? 0;
