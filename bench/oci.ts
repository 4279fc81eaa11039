/**
 * The OCI command line: create, start and delete of `true` on one bundle, side by side with runc and crun.
 *
 *     deno run -A bench/oci.ts FILE ROUNDS    writes the tables to a file: for another machine (oci_machine.ts)
 */
import { resolve } from "@std/path";
import { OciContainers } from "../engine/oci/containers.ts";
import { create } from "../engine/oci/create.ts";
import { defaultSpec } from "../engine/oci/default_spec.ts";
import { remove } from "../engine/oci/delete.ts";
import { start } from "../engine/oci/start.ts";
import { syscall, trySyscall } from "../ffi/kernel.ts";
import { needsProgram } from "../test/harness.ts";
import { median } from "./hyperfine.ts";
import { firstLine } from "./machine.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const PR_SET_CHILD_SUBREAPER = 36, WNOHANG = 1, ROUNDS = 40;
const STEPS = ["create", "start", "delete"] as const;

export const title = "The OCI command line";

/** Milliseconds of each step, and of all. */
type Times = readonly number[];

const now = () => performance.now();

/** Runs a command, with its output thrown away; the container that it leaves is ours to reap. */
function run(command: readonly string[], cwd: string): void {
  const [program = "", ...args] = command;
  const { code } = new Deno.Command(program, { args, cwd, stdin: "null", stdout: "null", stderr: "null" }).outputSync();
  if (code !== 0) throw new Error(`${command.join(" ")}: status ${code}`);
}

/** crun wants a host whose cgroups are all version 2. */
function works(program: string): boolean {
  const unified = Deno.readTextFileSync("/proc/self/mounts").includes(" /sys/fs/cgroup cgroup2 ");
  return program !== "crun" || unified;
}

/** Waits for the end of the container, as an engine's shim does; nothing else of ours runs meanwhile. */
function reap(): void {
  while (trySyscall("wait4", -1, null, WNOHANG, null) <= 0) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

function timed(command: readonly string[], bundle: string): Times {
  const times = STEPS.map((step) => {
    const begin = now();
    run([...command, step, "bench"], bundle);
    const took = now() - begin;
    if (step === "start") reap();
    return took;
  });
  return [...times, times.reduce((sum, time) => sum + time, 0)];
}

/** The same from a process that runs already: what the library does. */
async function warm(containers: OciContainers, bundle: string): Promise<Times> {
  const warn = () => {};
  const begin = now();
  const options = { bundle, preserveFds: 0, noPivot: false, noNewKeyring: false, systemdCgroup: false };
  const container = await create(containers, "bench", options, warn);
  const created = now();
  await start(containers, "bench");
  const started = now();
  await container.wait();
  const ended = now();
  await remove(containers, "bench", false, warn);
  const times = [created - begin, started - created, now() - ended];
  return [...times, times.reduce((sum, time) => sum + time, 0)];
}

/** Measures, and returns a section of Markdown without its heading. */
export async function bench(rounds = ROUNDS): Promise<string> {
  if (Deno.uid() !== 0) throw new Error("containers are measured as root");
  syscall("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const folder = await Deno.makeTempDir(), bundle = `${folder}/bundle`;
  try {
    await Deno.mkdir(`${bundle}/rootfs`, { recursive: true });
    run(["tar", "-xzf", `${ROOT}/build/starter.tar.gz`, "-C", `${bundle}/rootfs`], folder);
    // Debian's crun knows no later one.
    const spec = { ...defaultSpec(undefined), ociVersion: "1.0.2" };
    spec.process.terminal = false;
    spec.process.args = ["true"];
    await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec));
    const programs = ["runc", "crun"].filter((program) => needsProgram(program) === undefined && works(program));
    const subjects: [string, () => Times | Promise<Times>][] = [
      ["mini oci", () => timed([`${ROOT}/mini`, "oci", "--root", `${folder}/mini`], bundle)],
      ...programs.map((p) => [p, () => timed([p, "--root", `${folder}/${p}`], bundle)] as [string, () => Times]),
      ["mini, from a process that runs", () => warm(new OciContainers(`${folder}/warm`), bundle)],
    ];
    const all = subjects.map(() => [] as Times[]);
    for (let round = 0; round < rounds; round++) {
      for (const [i, [, measure]] of subjects.entries()) all[i]!.push(await measure());
    }
    const last = STEPS.length, peer = subjects.findIndex(([name]) => name === "runc");
    const rows = subjects.map(([name], i) => {
      const cells = [...STEPS, "all"].map((_, step) => median(all[i]!.map((times) => times[step]!)).toFixed(1));
      const ratio = peer < 0 ? "" : median(all[i]!.map((times, r) => times[last]! / all[peer]![r]![last]!)).toFixed(2);
      return `| ${[name, ...cells, ratio].join(" | ")} |`;
    });
    return [
      [
        "| | create ms | start ms | delete ms | all ms | to runc |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        ...rows,
      ]
        .join("\n"),
      "Each command of `mini oci` starts Deno, which is most of what it takes: `mini --version` is under Startup.",
      `${
        [firstLine(`${ROOT}/mini`, "--version"), ...programs.map((program) => firstLine(program, "--version"))].join(
          ", ",
        )
      }.`,
    ].join("\n\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await Deno.writeTextFile(Deno.args[0]!, await bench(Number(Deno.args[1])));
