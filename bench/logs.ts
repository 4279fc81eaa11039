/** How fast a container in the background may print, and how fast that is read again, side by side with Docker and Podman. */
import { resolve } from "@std/path";
import { median } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";
import { type Engine, podmanIn, run, startDocker, unmountBelow } from "./peers.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const MINI = Deno.env.get("MINI") ?? `${ROOT}/mini`;
const ROUNDS = 5;
const MEGABYTES = 200;
/** All three rotate: what is kept is what is read again. */
const LOG = ["--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"];
const LINE = "2026-01-31T12:00:00Z INFO a request was answered, as most of them are: GET /index.html 200 1234";
const SCRIPT = `yes '${LINE}' | head -c ${MEGABYTES}000000`;

export const title = "Logs";

/** Seconds until a container has printed all, and megabytes per second of reading what is kept of it. */
async function measure({ command, runFlags }: Engine): Promise<{ seconds: number; readRate: number }> {
  const begin = performance.now();
  const id = await run([
    ...command,
    "run",
    "-d",
    ...runFlags,
    "--network",
    "none",
    ...LOG,
    "bench",
    "sh",
    "-c",
    SCRIPT,
  ]);
  await run([...command, "wait", id]);
  const seconds = (performance.now() - begin) / 1000;
  const reading = performance.now();
  const { stdout } = await new Deno.Command(command[0]!, { args: [...command.slice(1), "logs", id], stdin: "null" })
    .output();
  const readRate = stdout.length / 1e3 / (performance.now() - reading);
  await run([...command, "rm", id]);
  return { seconds, readRate };
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("containers are measured as root");
  const folder = await Deno.makeTempDir({ prefix: "mini-bench-", dir: "/var/tmp" });
  try {
    await using docker = await startDocker(`${folder}/docker`);
    const podman = podmanIn(`${folder}/podman`);
    const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
    const engines: Engine[] = [
      { name: "mini", command: [MINI, "--root", `${folder}/root`, "--state", `${folder}/state`], runFlags: [] },
      ...docker ? [{ name: "docker", command: ["docker", "-H", docker.socket], runFlags: [] }] : [],
      ...podman ? [{ name: "podman", command: podman, runFlags: limits }] : [],
    ];
    for (const { command } of engines) await run([...command, "import", `${ROOT}/build/starter.tar.gz`, "bench"]);
    const measured = engines.map(() => [] as Awaited<ReturnType<typeof measure>>[]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, engine] of engines.entries()) measured[i]!.push(await measure(engine));
    }
    const rows = engines.map(({ name }, i) => {
      const seconds = median(measured[i]!.map((one) => one.seconds));
      const ratio = median(measured[i]!.map((one, round) => one.seconds / measured[0]![round]!.seconds));
      const readRate = median(measured[i]!.map((one) => one.readRate));
      const cells = [`${seconds.toFixed(2)} s`, `${(MEGABYTES / seconds).toFixed(0)} MB/s`, `${ratio.toFixed(2)} ×`];
      return `| ${[name, ...cells, `${readRate.toFixed(0)} MB/s`].join(" | ")} |`;
    });
    const versions = [
      firstLine(MINI, "--version"),
      firstLine("dockerd", "--version"),
      firstLine("podman", "--version"),
    ];
    return [
      `A container in the background prints ${MEGABYTES} MB of lines of ${
        LINE.length + 1
      } bytes, from \`run -d\` until ` +
      "`wait` returns, `--log-opt max-size=10m`; then `logs` reads what is kept:",
      [
        "| engine | time | printed | to the first | read |",
        "| --- | ---: | ---: | ---: | ---: |",
        ...rows,
      ].join("\n"),
      `${versions.filter(Boolean).join(", ")}.`,
    ].join("\n\n");
  } finally {
    await unmountBelow(folder);
    await Deno.remove(folder, { recursive: true });
  }
}
