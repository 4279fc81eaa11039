/** The monitor of a test's containers and its guardian, found by their command lines. */

/** Their numbers. There may be none, and while one takes the place of another, two. */
export interface Monitors {
  monitor: number[];
  guardian: number[];
}

/** @param state the folder of what runs, which is in the monitor's command line. */
export function monitors(state: string): Monitors {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = read(`/proc/${name}/cmdline`).split("\0");
    if (!words.includes("monitor") || !words.includes(state)) continue;
    const parent = Number(read(`/proc/${name}/stat`).split(") ")[1]?.split(" ")[1]);
    if (parent > 0) parents.set(Number(name), parent);
  }
  const found: Monitors = { monitor: [], guardian: [] };
  for (const [pid, parent] of parents) {
    // What the monitor starts looks like itself until it is another program.
    if (parents.has(parent)) continue;
    found.monitor.push(pid);
    if (read(`/proc/${parent}/comm`) === "mini-guardian\n") found.guardian.push(parent);
  }
  return found;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // it ended meanwhile
  }
}
