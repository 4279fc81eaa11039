/** Limits under real load: what was measured has to be within what was asked for. MINI_FIGURES names a file for the figures. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { majorMinor } from "../engine/disks.ts";
import { removeCgroup } from "../runtime/cgroup.ts";
import { cgroupFile, hostTree, needsControllers } from "./cgroups.ts";
import { type Context, miniTest, type Need, until } from "./harness.ts";

const MIB = 2 ** 20;

function figure(text: string): void {
  const file = Deno.env.get("MINI_FIGURES");
  if (file) Deno.writeTextFileSync(file, `${text}\n`, { append: true });
}

/** A program that fills so many MiB of memory at once. */
const fill = (mib: number) => ["dd", "if=/dev/zero", "of=/dev/null", `bs=${mib}M`, "count=1"];

miniTest("memory: what takes more than its limit is killed, and told so", async ({ mini }) => {
  const flags = ["--rm", "-m", "32m", "--memory-swap", "32m"];
  const killed = await mini(["run", ...flags, "starter", ...fill(200)]);
  figure(`memory limit 32 MiB, filling 200 MiB: status ${killed.status}, ${killed.stderr.trim()}`);
  assertEquals([killed.status, killed.stdout], [137, ""]);
  assertEquals(killed.stderr, "mini: killed: memory limit 32 MiB reached (memory.events: oom_kill 1)\n");
  // A part of the container: the shell goes on, and says what it has seen. It never had more than its limit.
  const script = `${fill(200).join(" ")}; cat /sys/fs/cgroup/memory.peak; exit 3`;
  const part = await mini(["run", ...flags, "starter", "sh", "-c", script]);
  figure(`memory limit 32 MiB, its peak: ${(Number(part.stdout) / MIB).toFixed(1)} MiB`);
  assertEquals(part.status, 3);
  assertMatch(
    part.stderr,
    /^(Killed\n)?mini: a process in it was killed: memory limit 32 MiB reached .*oom_kill 1\)\n$/,
  );
  assert(Number(part.stdout) > 20 * MIB && Number(part.stdout) <= 32 * MIB, part.stdout);
  // What takes less is not.
  assertEquals((await mini(["run", ...flags, "starter", ...fill(8)])).status, 0);
}, [needsControllers("memory")]);

miniTest("memory: inspect knows of a container in the background, whoever clears up after it", async ({ mini }) => {
  const state = async (name: string) => {
    const format = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}";
    return (await mini(["inspect", "-f", format, name])).stdout.trim();
  };
  await mini(["run", "-d", "--name", "short", "-m", "32m", "--memory-swap", "32m", "starter", ...fill(200)]);
  assertEquals((await mini(["wait", "short"])).stdout, "137\n");
  assertEquals(
    await state("short"),
    "exited 137 true killed: memory limit 32 MiB reached (memory.events: oom_kill 1)",
  );
  await mini(["run", "-d", "--name", "other", "-m", "32m", "starter", "sleep", "600"]);
  await mini(["kill", "other"]);
  assertEquals((await mini(["wait", "other"])).stdout, "137\n");
  assertEquals(await state("other"), "exited 137 false");
  assertEquals((await mini(["rm", "short", "other"])).status, 0);
}, [needsControllers("memory")]);

miniTest("memory: a limit above the container's is not called its own", async ({ mini }) => {
  const parent = `${hostTree.root}/mini-test-small`;
  Deno.mkdirSync(parent);
  try {
    Deno.writeTextFileSync(`${hostTree.root}/cgroup.subtree_control`, "+memory");
    Deno.writeTextFileSync(`${parent}/memory.max`, `${32 * MIB}`);
    Deno.writeTextFileSync(`${parent}/memory.swap.max`, "0");
    const out = await mini([
      "run",
      "--rm",
      "--cgroup-parent",
      "/mini-test-small",
      "-m",
      "128m",
      "starter",
      ...fill(100),
    ]);
    assertEquals(out.status, 137);
    assertStringIncludes(out.stderr, "killed: memory of the host, or of a cgroup above the container's, was used up");
  } finally {
    await removeCgroup(parent);
  }
}, [needsControllers("memory")]);

miniTest("processors: a busy loop gets the time that it may have", async ({ inside }) => {
  // Both by what the shell does itself: making the container has cost time, too.
  const script = `cd /sys/fs/cgroup; read _ used <cpu.stat; read before _ </proc/uptime
    timeout 3 sh -c 'while :; do :; done' 2>/dev/null
    read after _ </proc/uptime; read _ later <cpu.stat; echo $before $after $used $later; grep nr_throttled cpu.stat`;
  const out = await inside(script, "--cpus", "0.2");
  const [before, after, used, later, throttled] = [...out.matchAll(/\d[\d.]*/g)].map(([number]) => Number(number));
  const seconds = after! - before!, share = (later! - used!) / 1e6 / seconds;
  figure(`0.2 processors, busy for ${seconds.toFixed(1)} s: ${share.toFixed(3)}, throttled ${throttled} times`);
  assert(throttled! > 5, out);
  assert(share > 0.05 && share < 0.27, `${share}\n${out}`);
}, [needsControllers("cpu")]);

miniTest("processes: a fork bomb stays as small as it may be, and can be removed", async (context: Context) => {
  const { mini } = context;
  await mini([
    "run",
    "-d",
    "--name",
    "bomb",
    "--pids-limit",
    "25",
    "starter",
    "sh",
    "-c",
    "b() { b | b & }; b & exec sleep 600",
  ]);
  const refused = await until("a process that is refused", () => {
    const max = Number(cgroupFile(context, "bomb", "pids.events").match(/^max (\d+)/m)?.[1]);
    return max > 10 && max;
  });
  const now = Number(cgroupFile(context, "bomb", "pids.current"));
  figure(`limit of 25 processes, fork bomb: ${now} processes, refused ${refused} times`);
  assert(now <= 25, `${now}`);
  // The host is not out of processes, and exec is the container's business.
  assertEquals((await mini(["rm", "-f", "bomb"])).status, 0);
}, [needsControllers("pids")]);

/** The disk that tests write to, and why there is none. */
function testDisk(): { disk?: string; need: Need } {
  const folder = Deno.env.get("MINI_TEST_FOLDER") ?? "/var/tmp";
  const { major, minor } = majorMinor(Deno.statSync(folder).dev);
  try {
    const path = Deno.realPathSync(`/sys/dev/block/${major}:${minor}`);
    const isPart = Array.from(Deno.readDirSync(path)).some(({ name }) => name === "partition");
    return { disk: `/dev/${path.split("/").at(isPart ? -2 : -1)}`, need: undefined };
  } catch {
    return { need: `${folder} is on no disk of its own` };
  }
}
const { disk, need } = testDisk();

miniTest("disks: writing takes as long as its rate makes it", async ({ inside }) => {
  const script = `grep -c wbps=1048576 /sys/fs/cgroup/io.max; read before _ </proc/uptime
    dd if=/dev/zero of=/file bs=64k count=64 oflag=direct 2>/dev/null
    read after _ </proc/uptime; echo $before $after`;
  const seconds = async (...flags: string[]) => {
    const [, before, after] = (await inside(script, ...flags)).match(/([\d.]+) ([\d.]+)\n$/)!.map(Number);
    return after! - before!;
  };
  const limited = await seconds("--device-write-bps", `${disk}:1mb`);
  figure(`1 MiB/s, writing 4 MiB: ${limited.toFixed(1)} s`);
  assert(limited > 2.5 && limited < 20, `${limited} s for 4 MiB at 1 MiB/s`);
}, [needsControllers("io"), need]);
