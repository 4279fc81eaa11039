import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, needsProgram, runCommand } from "./harness.ts";

interface Step {
  number: number;
  phase: string;
  call: string;
  why: string;
  page: string;
  result: string;
  microseconds?: number;
}

const stepsOf = (text: string): Step[] => text.trim().split("\n").map((line) => JSON.parse(line));
const nameOf = ({ call }: Step) => call.match(/^([a-z0-9_]+)\(/)?.[1];

miniTest("explain shows the plan of a container and makes none", async ({ mini, root, state }) => {
  const { status, stdout, stderr } = await mini([
    "explain",
    "--format",
    "json",
    "run",
    "--network",
    "none",
    "starter",
    "sh",
  ]);
  assertEquals([status, stderr], [0, ""]);
  const steps = stepsOf(stdout);
  assertEquals(steps.map(({ number }) => number), steps.map((_, i) => i + 1));
  const phases = [...new Set(steps.map(({ phase }) => phase))];
  assertEquals(phases, ["namespaces", "root", "mounts", "devices", "security", "process", "exec"]);
  assert(steps.every(({ why, microseconds }) => why !== "" && microseconds === undefined));
  assert(steps.some(({ call, page }) => call === 'pivot_root(".", ".")' && page === "pivot_root(2)"));
  assertMatch(steps.findLast((step) => nameOf(step) === "execve")!.call, /^execve\("\/.*sh", \["sh"\]/);
  for (const folder of [`${root}/containers`, `${state}/containers`]) assertEquals([...Deno.readDirSync(folder)], []);
  const table = await mini(["explain", "run", "starter", "sh"]);
  assertMatch(table.stdout, /^# +PHASE +WHY +PAGE +CALL\n1 +namespaces/);
  assert(!table.stdout.includes("\x1b"), "no colours where nobody looks");
  const markdown = await mini(["explain", "--format", "markdown", "run", "starter", "sh"]);
  assertMatch(markdown.stdout, /^\| # \| PHASE \| CALL \| WHY \| PAGE \|\n\| --- \|/);
  assertRefused(await mini(["explain", "ps", "-a"]), 1, "only 'run' is explained");
  assertRefused(await mini(["explain", "run"]), 1, "an image");
  assertRefused(await mini(["run", "--explain-format", "json", "starter", "true"]), 125, "add --explain");
});

miniTest("run --explain tells what was done, with results and times, in the background too", async ({ mini }) => {
  const flags = ["--network", "none", "--explain", "--explain-format", "json"];
  const { status, stdout, stderr } = await mini(["run", "--rm", ...flags, "starter", "sh", "-c", "echo out; exit 3"]);
  assertEquals([status, stdout], [3, "out\n"]);
  const steps = stepsOf(stderr);
  for (const phase of ["mini", "start", "namespaces", "root", "mounts", "devices", "security", "process", "exec"]) {
    assert(steps.some((step) => step.phase === phase), phase);
  }
  assert(steps.filter(({ microseconds }) => microseconds !== undefined).length > steps.length * 0.9);
  const at = (text: string) => steps.findIndex(({ call }) => call.startsWith(text));
  assert(at("mkdir(") >= 0 && at("mkdir(") < at("clone3("), "its cgroup is there before it");
  assert(at("clone3(") < at("mount(") && at("mount(") < at("pivot_root("));
  const background = await mini(["run", "-d", "--rm", ...flags, "starter", "true"]);
  assertEquals(background.status, 0);
  assert(stepsOf(background.stderr).some(({ phase }) => phase === "shim"));
});

miniTest(
  "what --explain tells is what strace sees: the same calls in the same order",
  async ({ mini, command, folder }) => {
    assertEquals((await mini(["run", "--rm", "starter", "true"])).status, 0);
    const trace = `${folder}/trace`;
    const args = ["run", "--rm", "--network", "none", "--explain", "--explain-format", "json", "starter", "true"];
    const { status, stderr } = await runCommand(["strace", "-f", "-qq", "-s0", "-o", trace, ...command, ...args], {
      timeout: 60_000,
    });
    assertEquals(status, 0, stderr);
    const told = stepsOf(stderr).filter(({ phase, call }) => phase !== "mini" && /^[a-z0-9_]+\(/.test(call)).map(
      nameOf,
    );
    // The process that executes the program: the one after the execveat of the file without a name.
    const lines = Deno.readTextFileSync(trace).split("\n").flatMap((line) => {
      const [, pid, name] = line.match(/^(\d+) +(?:<\.\.\. )?([a-z0-9_]+)(?:\(| resumed)/) ?? [];
      return pid === undefined || line.includes(" resumed>") ? [] : [{ pid, name: name! }];
    });
    const begins = lines.map(({ name }, i) => name === "execveat" ? i : -1).filter((i) => i >= 0);
    const seen = begins.map((begin) => {
      const own = lines.slice(begin + 1).filter(({ pid }) => pid === lines[begin]!.pid).map(({ name }) => name);
      const end = own.findIndex((name, i) =>
        name === "execve" && own[i - 1] !== undefined && !own.slice(i + 1).includes("execve")
      );
      return own.slice(0, end + 1);
    });
    const same = seen.find((calls) => calls.length === told.length);
    assert(same, `told ${told.length}, seen ${seen.map((calls) => calls.length)}`);
    assertEquals(same, told as string[]);
  },
  [needsProgram("strace")],
);
