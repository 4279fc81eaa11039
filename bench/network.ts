/** What a container's network costs: to make and remove, and in throughput, side by side with podman. */
import { resolve } from "@std/path";
import { hyperfine, median, table } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";
import { type Engine, podmanIn, unmountBelow } from "./peers.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const MINI = `${ROOT}/mini`, STARTER = `${ROOT}/build/starter.tar.gz`;
/** Seconds of each measurement of throughput, and how often each is done. */
const SECONDS = 3, ROUNDS = 10;

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

/** An engine with a network namespace of its own, so that no packet meets another engine's firewall rules. */
interface Placed extends Engine {
  /** What a command is put behind to run there. */
  readonly enter: readonly string[];
}

/** The engines, with the image `bench` in each. */
function engines(folder: string, namespaces: readonly (readonly string[])[]): Placed[] {
  const places = ["--root", `${folder}/images`, "--state", `${folder}/state`];
  const podman = podmanIn(`${folder}/podman`);
  const all: Placed[] = [
    { name: "mini", command: [MINI, ...places], runFlags: [], enter: namespaces[0]! },
    ...podman
      ? [{
        name: "podman",
        command: podman,
        runFlags: ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"],
        enter: namespaces[1]!,
      }]
      : [],
  ];
  for (const { command } of all) output([...command, "import", STARTER, "bench"]);
  return all;
}

/** What one TCP connection carries, and costs. */
interface Rate {
  /** Gbit/s */
  readonly gigabits: number;
  /** Seconds of processor time of both ends for 10^9 bytes: less noisy than the rate while a machine does other things. */
  readonly cost: number;
}

/** Measures one connection. @param from and @param to prefixes of commands. @param address of the server. */
async function throughput(
  from: readonly string[],
  to: readonly string[],
  address: string,
  port: number,
): Promise<Rate> {
  const [program = "", ...args] = [...to, "iperf3", "-s", "-1", "-p", "5201"];
  const server = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const result = output([...from, "iperf3", "-c", address, "-p", String(port), "-t", String(SECONDS), "-J"]);
  await server.status;
  const { sum_received, cpu_utilization_percent: cpu } = JSON.parse(result).end;
  const gigabits = sum_received.bits_per_second / 1e9;
  return { gigabits, cost: (cpu.host_total + cpu.remote_total) / 100 / (gigabits / 8) };
}

/** The ways that are measured. */
const WAYS = {
  between: "between two containers",
  published: "from the host to a published port at 127.0.0.1",
} as const;
type Way = keyof typeof WAYS;

/** Two containers of an engine, and a function that measures each way to the first of them. */
function pair({ enter, command, runFlags }: Placed): (way: Way) => Promise<Rate> {
  const run = (...args: string[]) => output([...enter, ...command, ...args]).trim();
  const start = (name: string, ...flags: string[]) => {
    run("run", "-d", ...runFlags, "--name", name, ...flags, "bench", "sleep", "1000");
    return ["nsenter", `--net=/proc/${run("inspect", "-f", "{{.State.Pid}}", name)}/ns/net`, "--"];
  };
  const to = start("bench-a", "-p", "127.0.0.1:15201:5201"), from = start("bench-b");
  const address = output([...to, "ip", "-4", "-o", "addr", "show", "eth0"]).match(/inet ([\d.]+)/)![1]!;
  return (way) => way === "between" ? throughput(from, to, address, 5201) : throughput(enter, to, "127.0.0.1", 15201);
}

/** Every way and engine in turns, so that what the machine does besides hits all alike; who is first changes. */
async function throughputs(all: readonly Placed[]): Promise<Record<Way, Rate[][]>> {
  const rates: Record<Way, Rate[][]> = { between: [], published: [] };
  try {
    const measures = all.map(pair), turns = all.map((_, i) => i);
    for (let round = 0; round < ROUNDS; round++) {
      for (const way of ["between", "published"] as const) {
        const one: Rate[] = [];
        for (const i of round % 2 === 0 ? turns : turns.toReversed()) one[i] = await measures[i]!(way);
        rates[way].push(one);
      }
    }
    return rates;
  } finally {
    for (const { enter, command } of all) output([...enter, ...command, "rm", "-f", "bench-a", "bench-b"]);
  }
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("networks are made as root");
  const folder = await Deno.makeTempDir({ dir: "/var/tmp" });
  try {
    return await withNamespace((first) => withNamespace((second) => measure(folder, [first, second])));
  } finally {
    await unmountBelow(folder);
    await Deno.remove(folder, { recursive: true });
  }
}

async function measure(folder: string, namespaces: readonly (readonly string[])[]): Promise<string> {
  const all = engines(folder, namespaces);
  const runs = all.flatMap(({ name, command, runFlags, enter }) =>
    [[], ["-p", "127.0.0.1:8080:80"], ["--network", "none"]].map((flags) =>
      [
        `\`${[name, "run", "--rm", ...flags, "starter", "true"].join(" ")}\``,
        [...enter, ...command, "run", "--rm", ...runFlags, ...flags, "bench", "true"].join(" "),
      ] as const
    )
  );
  const measured = await hyperfine(runs.map(([, command]) => command), 4, 8);
  const script = [Deno.execPath(), "run", "-A", "--no-check", `${ROOT}/bench/network_one.ts`, `${folder}/one`, "50"];
  const { made, removed } = JSON.parse(output([...namespaces[0]!, ...script]));
  const rates = await throughputs(all);
  const [quick = 0] = made.toSorted((a: number, b: number) => a - b);
  return [
    table(runs.map(([name]) => name), measured),
    `From a warm process, a container's network with one published port takes ${median(made).toFixed(2)} ms to make ` +
    `(${quick.toFixed(2)} when nobody else is at the processors; at most 5 are allowed) and ` +
    `${median(removed).toFixed(2)} ms to give back, nearly all of it the kernel's: it frees what was in the firewall ` +
    "when no processor can still see it, and whoever closes the socket waits for that.",
    throughputTable(all, rates),
    `Medians of ${ROUNDS} rounds of ${SECONDS} s each, in turns. The cost is the processor time of both ends.`,
    `${[MINI, "podman", "iperf3"].map((program) => firstLine(program, "--version")).join(", ")}.`,
  ].join("\n\n");
}

function throughputTable(all: readonly Engine[], rates: Readonly<Record<Way, Rate[][]>>): string {
  const row = (what: string, rounds: readonly Rate[][], unit: string, digits: number, of: (rate: Rate) => number) => {
    const medians = all.map((_, i) => median(rounds.map((round) => of(round[i]!))));
    const ratio = all.length > 1 ? median(rounds.map((round) => of(round[0]!) / of(round[1]!))).toFixed(2) : "–";
    return `| ${what} | ${medians.map((value) => `${value.toFixed(digits)} ${unit}`).join(" | ")} | ${ratio} |`;
  };
  return [
    `| one TCP connection | ${all.map(({ name }) => name).join(" | ")} | mini to podman |`,
    `| --- | ${all.map(() => "---:").join(" | ")} | ---: |`,
    ...(["between", "published"] as const).flatMap((way) => [
      row(WAYS[way], rates[way], "Gbit/s", 1, ({ gigabits }) => gigabits),
      row("… its cost", rates[way], "s/GB", 3, ({ cost }) => cost),
    ]),
  ].join("\n");
}
