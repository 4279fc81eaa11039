/** The user namespace that this process itself lives in: user_namespaces(7). */

/** What a process in a user namespace other than the machine's own can do less. */
export interface OwnNamespace {
  hasUid(id: number): boolean;
  hasGid(id: number): boolean;
  /** Whether groups may be set at all: not where an ordinary user has written the maps without help. */
  readonly setgroups: boolean;
}

interface Range {
  readonly first: number;
  readonly size: number;
}

/** Reads a map of /proc/PID/uid_map. */
function ranges(text: string): Range[] {
  return text.trim().split("\n").map((line) => {
    const [first = 0, , size = 0] = line.trim().split(/\s+/).map(Number);
    return { first, size };
  });
}

const ALL_IDS = 2 ** 32 - 1;
let known: { own: OwnNamespace | undefined } | undefined;

/** What holds for this process; undefined in the machine's own namespace. */
export function ownNamespace(): OwnNamespace | undefined {
  known ??= { own: look() };
  return known.own;
}

function look(): OwnNamespace | undefined {
  const uids = ranges(Deno.readTextFileSync("/proc/self/uid_map"));
  if (uids.length === 1 && uids[0]!.size === ALL_IDS) return undefined;
  const gids = ranges(Deno.readTextFileSync("/proc/self/gid_map"));
  const has = (list: readonly Range[]) => (id: number) => list.some((r) => id >= r.first && id < r.first + r.size);
  return {
    hasUid: has(uids),
    hasGid: has(gids),
    setgroups: Deno.readTextFileSync("/proc/self/setgroups").trim() === "allow",
  };
}
