/** What a cgroup knows of its end: whether a limit of its own did it. Read before it is removed. */

/** The facts, from memory.events, memory.max and pids.events of cgroup-v2.rst. */
export interface CgroupEnd {
  /** How many of its processes were killed because memory was short, there or anywhere above it. */
  readonly oomKills: number;
  /** Whether its own memory limit was what was reached, and not one above it or the host's memory. */
  readonly ownLimit: boolean;
  /** That limit, in bytes; without one undefined. */
  readonly memoryMax?: number;
  /** How often its limit on processes has refused one. */
  readonly pidsRefused: number;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    // ENODEV: it was removed between opening the file and reading it.
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("(os error 19)")) return undefined;
    throw error;
  }
}

const count = (text: string | undefined, key: string) =>
  Number(text?.match(new RegExp(`^${key} (\\d+)$`, "m"))?.[1] ?? 0);

/** Reads the facts of a cgroup; undefined where nothing of the kind is known, since it has no memory controller or is gone. */
export function readCgroupEnd(folder: string): CgroupEnd | undefined {
  const events = read(`${folder}/memory.events`);
  if (events === undefined) return undefined;
  const oomKills = count(events, "oom_kill"), pidsRefused = count(read(`${folder}/pids.events`), "max");
  // Nearly always: nothing more to read.
  if (oomKills === 0) return { oomKills, ownLimit: false, pidsRefused };
  const max = read(`${folder}/memory.max`)?.trim();
  return {
    oomKills,
    ownLimit: count(events, "oom") > 0,
    ...max === undefined || max === "max" ? {} : { memoryMax: Number(max) },
    pidsRefused,
  };
}

/** A size as a person says it: `64 MiB`, `1.5 GiB`, `1000 bytes`. */
function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  return `${Number((bytes / 1024 ** power).toFixed(2))} ${units[power]}`;
}

/**
 * Why something in the container was killed, in words: `memory limit 64 MiB reached (memory.events: oom_kill 1)`; undefined
 * if nothing was.
 */
export function limitReached({ oomKills, ownLimit, memoryMax }: CgroupEnd): string | undefined {
  if (oomKills === 0) return undefined;
  const fact = `(memory.events: oom_kill ${oomKills})`;
  if (ownLimit && memoryMax !== undefined) return `memory limit ${size(memoryMax)} reached ${fact}`;
  return `memory of the host, or of a cgroup above the container's, was used up ${fact}`;
}
