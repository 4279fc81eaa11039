/**
 * `deno task ok` and `deno task test`: everything that has to be right before a change goes in. See CONTRIBUTING.md.
 *
 *     deno run -A tools/run_tests.ts ok             format, lint, types, import rules, unit tests
 *     deno run -A tools/run_tests.ts [all] [PART…]  the same, then build ./mini and run the integration tests in test/;
 *                                              with PARTs, only those test files whose path contains one
 *     deno run -A tools/run_tests.ts old-kernel [PART…]  build ./mini, and the second lane alone
 *
 * Many of the integration tests run a second time without the system calls that came with Linux 5.6 to 5.12 (test_lanes.ts).
 * Where this machine's cgroups are not all version 2, some of the integration tests run once more in a small machine of their
 * own (vm/machine.ts).
 *
 * The last line is `N passed, N failed` or `N passed, N failed, N skipped`; the exit status is 1 if anything failed.
 */
import { resolve } from "@std/path";
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import { type Failure, parseJunit, type Results, summary } from "./junit.ts";
import { isForOldKernel, MACHINE_TESTS, WITHOUT_NEWER_CALLS } from "./test_lanes.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const REPORTS = `${ROOT}/build/test`;
/** How many files of integration tests run at a time: they wait more than they work, and none minds what others do. */
const JOBS = 2;
/** How long one file of integration tests may take. */
const FILE_MINUTES = 10;
const UNIT_MINUTES = 10;
const MACHINE_MINUTES = 20;
/** Tests in test/ that need no ./mini and belong to the gate. */
const GATE_TESTS = ["test/imports_test.ts"];
/** Deno finds by itself what a test leaves open; it looks only if told to. */
const SANITIZE = ["--sanitize-ops", "--sanitize-resources", "--trace-leaks", "--preload=tools/test_preload.ts"];

const total = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
/** What the tests threw, to be said once more at the end: what runs afterwards prints more than anybody reads. */
const thrown: Failure[] = [];
const THROWN_LINES = 25;
/** What failed beside another file, and is run once more by itself: a machine that is too busy is no defect of mini, and is told. */
const unsteady: Failure[] = [];

function failed(what: string): void {
  total.failed++;
  failures.push(what);
}

function count(name: string, results: Results): void {
  total.passed += results.passed;
  total.failed += results.failed;
  total.skipped += results.skipped;
  if (results.failed > 0) failures.push(name);
  thrown.push(...results.failures);
}

/**
 * Runs a program with our output as its own. Returns its exit status, or "timeout" after killing it.
 *
 * @param log a file for its output instead, where several run at a time.
 */
async function run(
  args: string[],
  minutes: number,
  command = Deno.execPath(),
  log?: string,
): Promise<number | "timeout"> {
  const program = log === undefined ? [command, ...args] : ["sh", "-c", 'exec "$@" > "$0" 2>&1', log, command, ...args];
  const child = new Deno.Command(program[0]!, { args: program.slice(1), cwd: ROOT, stdin: "null" }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, minutes * 60_000);
  const { code } = await child.status;
  clearTimeout(timer);
  return late ? "timeout" : code;
}

/** One of the checks that are not tests; it counts as one. */
async function check(name: string, args: string[]): Promise<void> {
  if (await run(args, UNIT_MINUTES) === 0) total.passed++;
  else failed(name);
}

/** Test files that run in one `deno test`. */
interface Job {
  readonly name: string;
  readonly files: readonly string[];
  readonly minutes: number;
  /** The command line in front of that. */
  readonly under?: readonly string[];
}

/**
 * Runs test files and counts their results.
 *
 * @param again for those that run beside others: the list of those that failed, which are not counted then.
 */
async function test(job: Job, again?: Job[]): Promise<void> {
  const { name, files, minutes, under = [] } = job;
  const report = `${REPORTS}/${name.replaceAll("/", "-")}.xml`;
  await Deno.remove(report).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const log = again ? `${report}.log` : undefined;
  if (!again) console.error(`\n--- ${name}`);
  const [command, ...args] = [
    ...under,
    Deno.execPath(),
    ...["test", "-A", "--quiet", "--no-check", ...SANITIZE, `--junit-path=${report}`, ...files],
  ];
  const code = await run(args, minutes, command, log);
  if (log !== undefined) console.error(`\n--- ${name}\n${await Deno.readTextFile(log)}`);
  if (code === "timeout") return failed(`${name}: not done after ${minutes} minutes`);
  const xml = await Deno.readTextFile(report).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const results = parseJunit(xml);
  if (again && results.failed > 0) {
    again.push(job);
    unsteady.push(...results.failures);
    return;
  }
  count(name, results);
  // A file that throws before its tests begin, or in between, is in no report.
  if (results.failed === 0 && code !== 0) failed(`${name}: exit status ${code}`);
}

/** All test files below a folder of the project, sorted. */
function testFiles(folder: string): string[] {
  return [...Deno.readDirSync(`${ROOT}/${folder}`)].flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.name.startsWith(".") || ["build", "node_modules"].includes(path)) return [];
    if (entry.isDirectory) return testFiles(path);
    return entry.isFile && entry.name.endsWith("_test.ts") ? [path] : [];
  }).sort();
}

const isIntegration = (path: string) => path.startsWith("test/") && !GATE_TESTS.includes(path);

async function main(mode: string, parts: string[]): Promise<void> {
  Deno.mkdirSync(REPORTS, { recursive: true });
  const wanted = testFiles("").filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)));
  if (wanted.length === 0) failed(`no test file has ${parts.join(" or ")} in its path`);
  if (parts.length === 0 && mode !== "old-kernel") {
    await check("format (deno fmt)", ["fmt", "--quiet", "--check"]);
    await check("lint", ["lint", "--quiet"]);
    await check("types", ["check", "--quiet", "."]);
  }
  const unit = wanted.filter((path) => !isIntegration(path));
  if (unit.length > 0 && mode !== "old-kernel") await test({ name: "unit tests", files: unit, minutes: UNIT_MINUTES });
  const integration = wanted.filter(isIntegration);
  if (mode === "ok" || integration.length === 0) return;
  if (await run([`${ROOT}/tools/install-test-needs.sh`], 30, "sh") !== 0) failed("installing what the tests need");
  // Without ./mini, or with an old one, the integration tests would say nothing.
  if (await run(["run", "-A", "tools/build.ts"], UNIT_MINUTES) !== 0) return failed("build");
  total.passed++;
  if (mode !== "old-kernel") {
    await testAll(integration.map((path) => ({ name: path, files: [path], minutes: FILE_MINUTES })));
    await testInMachine(integration.filter((path) => MACHINE_TESTS.includes(path)));
  }
  await testAsOnOldKernel(integration.filter(isForOldKernel));
}

/** Runs several at a time, and those that failed once more by themselves. */
async function testAll(jobs: readonly Job[]): Promise<void> {
  const queue = [...jobs], again: Job[] = [];
  await Promise.all(Array.from({ length: JOBS }, async () => {
    for (let job; (job = queue.shift()) !== undefined;) await test(job, again);
  }));
  for (const job of again) await test(job);
}

/** Runs tests without the calls that older kernels lack. They count like all others. */
async function testAsOnOldKernel(files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const name = "tests without openat2 and the mount calls by descriptor";
  console.error(`\n--- ${name}`);
  if (Deno.uid() !== 0) {
    console.error("skipped: only root may filter the calls of others");
    total.skipped++;
    return;
  }
  await testAll(files.map((path) => ({
    name: `${path} without openat2 and the mount calls by descriptor`,
    files: [path],
    minutes: FILE_MINUTES,
    under: WITHOUT_NEWER_CALLS,
  })));
}

/** Runs tests in a machine whose cgroups are all version 2, where this one's are not. They count like all others. */
async function testInMachine(files: readonly string[]): Promise<void> {
  if (files.length === 0 || hasAllControllers()) return;
  const name = "tests in a machine with cgroup v2";
  console.error(`\n--- ${name}`);
  const { Unavailable } = await import("./vm/unavailable.ts");
  const { DISK_FOLDER, runInMachine } = await import("./vm/machine.ts");
  const own = Deno.env.get("MINI");
  const outcome = await runInMachine({
    command:
      `MINI_TEST_SLOWNESS=4 MINI_TEST_FOLDER=${DISK_FOLDER} ${
        own ? `MINI=${own} ` : ""
      }${Deno.execPath()} test -A --quiet --no-check ` +
      `--junit-path=/run/report.xml ${files.join(" ")}`,
    project: ROOT,
    milliseconds: MACHINE_MINUTES * 60_000,
    print: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
  }).catch((error) => {
    if (error instanceof Unavailable) return error;
    throw error;
  });
  if (outcome instanceof Unavailable) {
    console.error(`skipped: ${outcome.message}`);
    total.skipped++;
    return;
  }
  const results = parseJunit(outcome.report);
  count(name, results);
  if (outcome.status === undefined) console.error(outcome.log);
  if (outcome.late) failed(`${name}: not done after ${MACHINE_MINUTES} minutes`);
  else if (results.failed === 0 && outcome.status !== 0) failed(`${name}: exit status ${outcome.status ?? "unknown"}`);
}

/** Whether cgroup v2 has what limits need on this very host. */
function hasAllControllers(): boolean {
  const tree = cgroupTree();
  return tree !== undefined && ["memory", "cpu", "pids", "io"].every((name) => controllers(tree).includes(name));
}

const [first, ...rest] = Deno.args;
if (first === "ok" || first === "all" || first === "old-kernel") await main(first, rest);
else await main("all", Deno.args);
const tell = (what: string, tests: readonly Failure[]) => {
  for (const { file, name, text } of tests) {
    console.error(`\n--- ${what}: ${name} (${file})\n${text.split("\n").slice(0, THROWN_LINES).join("\n")}`);
  }
};
tell("failed beside another file, and ran once more", unsteady);
tell("failed", thrown);
if (failures.length > 0) console.error(`\nfailed: ${failures.join("\n        ")}`);
console.log(`\n${summary(total)}`);
Deno.exit(total.failed > 0 ? 1 : 0);
