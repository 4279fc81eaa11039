/** What a container's network costs: to make and remove, and in throughput, side by side with podman. */
import { resolve } from "@std/path";
import { hyperfine, median, table } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";
import { type Engine, podmanIn, unmountBelow } from "./peers.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const MINI = `${ROOT}/mini`, STARTER = `${ROOT}/build/starter.tar.gz`;
/** Seconds of each measurement of throughput, and how often each is done. */
const SECONDS = 3, ROUNDS = 3;

export const title = "Network";

function output(command: readonly string[]): string {
  const [program = "", ...args] = command;
  const { success, stdout, stderr } = new Deno.Command(program, { args, stdin: "null" }).outputSync();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

/** A network namespace in which everything is measured, so that nothing of this machine's is touched. */
async function withNamespace<T>(body: (enter: string[]) => Promise<T>): Promise<T> {
  const child = new Deno.Command("unshare", {
    args: ["--net", "--", "sh", "-c", "ip link set lo up && echo ready && exec sleep 3600"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  try {
    return await body(["nsenter", `--net=/proc/${child.pid}/ns/net`, "--"]);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** The engines, with the image `bench` in each. */
function engines(folder: string): Engine[] {
  const places = ["--root", `${folder}/images`, "--state", `${folder}/state`];
  const podman = podmanIn(`${folder}/podman`);
  const all: Engine[] = [
    { name: "mini", command: [MINI, ...places], runFlags: [] },
    ...podman
      ? [{
        name: "podman",
        command: podman,
        runFlags: ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"],
      }]
      : [],
  ];
  for (const { command } of all) output([...command, "import", STARTER, "bench"]);
  return all;
}

/** Bits per second of one connection. @param from and @param to prefixes of commands. @param address of the server. */
async function throughput(
  from: readonly string[],
  to: readonly string[],
  address: string,
  port: number,
): Promise<number> {
  const [program = "", ...args] = [...to, "iperf3", "-s", "-1", "-p", "5201"];
  const server = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const result = output([...from, "iperf3", "-c", address, "-p", String(port), "-t", String(SECONDS), "-J"]);
  await server.status;
  return JSON.parse(result).end.sum_received.bits_per_second;
}

/** Throughput in Gbit/s between two containers of an engine, and from the host through a published port. */
async function measure(engine: Engine, enter: readonly string[]): Promise<{ between: number; published: number }> {
  const run = (...args: string[]) => output([...enter, ...engine.command, ...args]).trim();
  const names = ["bench-a", "bench-b"];
  try {
    run("run", "-d", ...engine.runFlags, "--name", names[0]!, "-p", "127.0.0.1:15201:5201", "bench", "sleep", "1000");
    run("run", "-d", ...engine.runFlags, "--name", names[1]!, "bench", "sleep", "1000");
    const inside = names.map((
      name,
    ) => ["nsenter", `--net=/proc/${run("inspect", "-f", "{{.State.Pid}}", name)}/ns/net`, "--"]);
    const address = output([...inside[0]!, "ip", "-4", "-o", "addr", "show", "eth0"]).match(/inet ([\d.]+)/)![1]!;
    return {
      between: await throughput(inside[1]!, inside[0]!, address, 5201) / 1e9,
      published: await throughput(enter, inside[0]!, "127.0.0.1", 15201) / 1e9,
    };
  } finally {
    for (const name of names) output([...enter, ...engine.command, "rm", "-f", name]);
  }
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("networks are made as root");
  const folder = await Deno.makeTempDir({ dir: "/var/tmp" });
  try {
    return await withNamespace(async (enter) => {
      const all = engines(folder);
      const runs = all.flatMap(({ name, command, runFlags }) =>
        [[], ["--network", "none"]].map((network) =>
          [
            `\`${[name, "run", "--rm", ...network, "starter", "true"].join(" ")}\``,
            [...enter, ...command, "run", "--rm", ...runFlags, ...network, "bench", "true"].join(" "),
          ] as const
        )
      );
      const measured = await hyperfine(runs.map(([, command]) => command), 4, 8);
      const script = [
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        `${ROOT}/bench/network_one.ts`,
        `${folder}/one`,
        "50",
      ];
      const { made, removed } = JSON.parse(output([...enter, ...script]));
      const rates: { between: number; published: number }[][] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const one = [];
        for (const engine of all) one.push(await measure(engine, enter));
        rates.push(one);
      }
      return [
        table(runs.map(([name]) => name), measured),
        `From a warm process, a container's network with one published port takes ${
          median(made).toFixed(2)
        } ms to make ` +
        `(at most 5 are allowed) and ${median(removed).toFixed(2)} ms to give back.`,
        throughputTable(all, rates),
        `${[MINI, "podman", "iperf3"].map((program) => firstLine(program, "--version")).join(", ")}.`,
      ].join("\n\n");
    });
  } finally {
    await unmountBelow(folder);
    await Deno.remove(folder, { recursive: true });
  }
}

function throughputTable(all: readonly Engine[], rates: readonly { between: number; published: number }[][]): string {
  const row = (what: string, rate: (one: { between: number; published: number }) => number) => {
    const medians = all.map((_, i) => median(rates.map((round) => rate(round[i]!))));
    const ratio = all.length > 1 ? median(rates.map((round) => rate(round[0]!) / rate(round[1]!))).toFixed(2) : "–";
    return `| ${what} | ${medians.map((value) => `${value.toFixed(1)} Gbit/s`).join(" | ")} | ${ratio} |`;
  };
  return [
    `| one TCP connection | ${all.map(({ name }) => name).join(" | ")} | mini to podman |`,
    `| --- | ${all.map(() => "---:").join(" | ")} | ---: |`,
    row("between two containers", ({ between }) => between),
    row("from the host to a published port at 127.0.0.1", ({ published }) => published),
  ].join("\n");
}
