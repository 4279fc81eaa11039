/** What people do all day, side by side with Docker and Podman: run, exec, a hundred at once, and what it all keeps in memory. */
import { resolve } from "@std/path";
import { hyperfine, table } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";
import { type Engine, podmanIn, run, startDocker, unmountBelow } from "./peers.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const MINI = Deno.env.get("MINI") ?? `${ROOT}/mini`;
const STARTER = `${ROOT}/build/starter.tar.gz`;
/** How many containers run when memory is looked at. */
const COUNTS = [0, 1, 10, 50];
const AT_ONCE = 100, JOBS = 8;
/** Programs whose memory is an engine's, by the name in /proc/PID/comm; what runs in a container is not. */
const OF_ENGINES = /^(mini|dockerd|docker|containerd|podman|conmon|crun|runc)/;

export const title = "Every day";

const read = (path: string) => {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // processes come and go
  }
};

/** The processes of engines, by number. */
function processes(): Set<number> {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  return new Set(pids.filter((pid) => OF_ENGINES.test(read(`/proc/${pid}/comm`))));
}

/** Bytes of memory that are theirs alone, and their share of what they share: PSS of proc(5). */
function pss(pids: Iterable<number>): number {
  let kilobytes = 0;
  for (const pid of pids) kilobytes += Number(read(`/proc/${pid}/smaps_rollup`).match(/^Pss:\s+(\d+) kB/m)?.[1] ?? 0);
  return kilobytes * 1024;
}

/** Memory with so many containers, by engine; each engine alone, since pages are shared among what runs. */
async function memory(engines: readonly Engine[], before: ReadonlySet<number>): Promise<string> {
  const rows: string[] = [];
  for (const { name, command, runFlags } of engines) {
    const cells: string[] = [];
    let running = 0;
    for (const count of COUNTS) {
      for (; running < count; running++) {
        await run([
          ...command,
          "run",
          "-d",
          ...runFlags,
          "--network",
          "none",
          "--name",
          `memory-${running}`,
          "bench",
          "sleep",
          "1000",
        ]);
      }
      await new Promise((resolve) => setTimeout(resolve, 1500)); // until what was started has settled
      const own = [...processes()].filter((pid) => !before.has(pid));
      const servers = name === "docker"
        ? own
        : own.filter((pid) => !/^(dockerd|containerd)/.test(read(`/proc/${pid}/comm`)));
      cells.push((pss(servers) / 1e6).toFixed(1));
    }
    const names = Array.from({ length: running }, (_, i) => `memory-${i}`);
    await run([...command, "rm", "-f", ...names]);
    rows.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  return [
    `| MB of memory (PSS) with so many containers | ${COUNTS.join(" | ")} |`,
    `| --- | ${COUNTS.map(() => "---:").join(" | ")} |`,
    ...rows,
  ].join("\n");
}

/** Seconds for a hundred containers that end at once, some at a time. */
async function atOnce({ command, runFlags }: Engine): Promise<{ seconds: number; failed: number }> {
  let next = 0, failed = 0;
  const begin = performance.now();
  await Promise.all(Array.from({ length: JOBS }, async () => {
    while (next++ < AT_ONCE) {
      await run([...command, "run", "--rm", ...runFlags, "--network", "none", "bench", "true"]).catch(() => failed++);
    }
  }));
  return { seconds: (performance.now() - begin) / 1000, failed };
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("containers are measured as root");
  const folder = await Deno.makeTempDir({ prefix: "mini-bench-", dir: "/var/tmp" });
  const before = processes();
  try {
    await using docker = await startDocker(`${folder}/docker`);
    const podman = podmanIn(`${folder}/podman`);
    const engines: Engine[] = [
      { name: "mini", command: [MINI, "--root", `${folder}/root`, "--state", `${folder}/state`], runFlags: [] },
      ...docker ? [{ name: "docker", command: ["docker", "-H", docker.socket], runFlags: [] }] : [],
      ...podman
        ? [{
          name: "podman",
          command: podman,
          runFlags: ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"],
        }]
        : [],
    ];
    for (const { command } of engines) await run([...command, "import", STARTER, "bench"]);
    const line = ({ command }: Engine, ...args: string[]) => [...command, ...args].join(" ");
    const runs = await hyperfine(
      engines.map((e) => line(e, "run", "--rm", ...e.runFlags, "--network", "none", "bench", "true")),
      5,
      6,
    );
    for (const { command, runFlags } of engines) {
      await run([
        ...command,
        "run",
        "-d",
        ...runFlags,
        "--network",
        "none",
        "--name",
        "exec",
        "bench",
        "sleep",
        "1000",
      ]);
    }
    const execs = await hyperfine(engines.map((e) => line(e, "exec", "exec", "true")), 5, 6);
    for (const { command } of engines) await run([...command, "rm", "-f", "exec"]);
    const kept = await memory(engines, before);
    const hundred: { name: string; seconds: number; failed: number }[] = [];
    for (const engine of engines) hundred.push({ name: engine.name, ...await atOnce(engine) });
    const names = engines.map(({ name }) => name);
    return [
      "`run --rm --network none IMAGE true`:",
      table(names, runs),
      "`exec CONTAINER true`:",
      table(names, execs),
      "All processes of the engine, without what runs in the containers (`sleep`), which are in the background:",
      kept,
      `${AT_ONCE} containers that end at once, ${JOBS} at a time:`,
      [
        "| engine | time | to the first | failed |",
        "| --- | ---: | ---: | ---: |",
        ...hundred.map(({ name, seconds, failed }) =>
          `| ${name} | ${seconds.toFixed(1)} s | ${(seconds / hundred[0]!.seconds).toFixed(2)} × | ${failed} |`
        ),
      ].join("\n"),
      `${
        [firstLine(MINI, "--version"), firstLine("dockerd", "--version"), firstLine("podman", "--version")].filter(
          Boolean,
        ).join(", ")
      }.`,
    ].join("\n\n");
  } finally {
    await unmountBelow(folder);
    await Deno.remove(folder, { recursive: true });
  }
}
