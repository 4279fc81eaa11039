/** Limits as they are given to containers, changed while they run, and shown. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { removeCgroup } from "../runtime/cgroup.ts";
import { cgroupFile, hostTree, needsControllers } from "./cgroups.ts";
import { assertRefused, type Context, miniTest } from "./harness.ts";

const MIB = 2 ** 20;
const ALL = needsControllers("memory", "cpu", "cpuset", "pids", "io");

/** The first line of each file, as the container sees its own cgroup. */
const show = (...files: string[]) => `cd /sys/fs/cgroup; for f in ${files.join(" ")}; do head -n 1 $f; done`;

miniTest(
  "flags become the limits that the container sees, and nothing of the host's cgroups is seen",
  async (context) => {
    const { inside } = context;
    const files = ["memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max"];
    const flags = "-m 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 50";
    assertEquals(
      await inside(
        `${show(...files)}; cat /proc/self/oom_score_adj /proc/self/cgroup; grep Cpus_allowed_list /proc/self/status`,
        ...flags.split(" "),
        "--oom-score-adj",
        "500",
      ),
      `${64 * MIB}\n${64 * MIB}\n${32 * MIB}\n50000 100000\n${"59"}\n0\n50\n500\n0::/\nCpus_allowed_list:\t0\n`,
    );
    // Without flags there is a limit on processes alone, and a container cannot change its own.
    assertEquals(
      await inside(`${show("memory.max", "cpu.max", "pids.max")}; (echo max > /sys/fs/cgroup/pids.max) 2>&1; true`),
      "max\nmax 100000\n2048\nsh: can't create /sys/fs/cgroup/pids.max: Read-only file system\n",
    );
  },
  [ALL],
);

miniTest("limits are changed while it runs, shown, kept for the next start, and taken away", async (context) => {
  const { mini } = context;
  await mini(["run", "-d", "--name", "one", "--pids-limit", "-1", "starter", "sleep", "600"]);
  const files = () => ["memory.max", "cpu.max", "pids.max"].map((file) => cgroupFile(context, "one", file)).join(" ");
  assertEquals(files(), "max max 100000 max");
  assertEquals(
    (await mini(["update", "--memory", "48m", "--cpus", "0.25", "--pids-limit", "7", "one"])).stdout,
    "one\n",
  );
  assertEquals(files(), `${48 * MIB} 25000 100000 7`);
  const format = "{{.Memory}} {{.MemorySwap}} {{.NanoCpus}} {{.PidsLimit}}";
  const shown = async () =>
    (await mini(["inspect", "-f", `{{with .HostConfig}}${format}{{end}}`, "one"])).stdout.trim();
  assertEquals(await shown(), `${48 * MIB} ${96 * MIB} 250000000 7`);
  // One that the kernel does not take changes nothing.
  const refused = await mini(["update", "--memory", "96m", "--cpuset-cpus", "4000", "one"]);
  assertEquals([refused.status, refused.stdout], [1, ""]);
  assertStringIncludes(refused.stderr, '"4000" for cpuset.cpus; there are the processors 0');
  assertEquals([files(), await shown()], [`${48 * MIB} 25000 100000 7`, `${48 * MIB} ${96 * MIB} 250000000 7`]);
  assertEquals((await mini(["restart", "-t", "0", "one"])).status, 0);
  assertEquals(files(), `${48 * MIB} 25000 100000 7`);
  assertEquals((await mini(["update", "--memory", "0", "--cpus", "0", "one"])).status, 0);
  assertEquals(files(), "max max 100000 7");
  assertEquals((await mini(["rm", "-f", "one"])).status, 0);
}, [ALL]);

miniTest("one that does not run is changed for its next start", async (context) => {
  const { mini } = context;
  await mini(["create", "--name", "one", "starter", "cat", "/sys/fs/cgroup/memory.max"]);
  assertEquals((await mini(["update", "--memory", "48m", "one"])).stdout, "one\n");
  assertEquals((await mini(["start", "-a", "one"])).stdout, `${48 * MIB}\n`);
  assertEquals((await mini(["rm", "one"])).status, 0);
}, [ALL]);

miniTest("another parent, and the host's cgroups where they are asked for", async (context) => {
  const { inside } = context, parent = "/mini-test-parent/batch";
  try {
    const out = await inside(
      "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/mini-test-parent",
      "--cgroupns",
      "host",
      "--cgroup-parent",
      parent,
      "-m",
      "64m",
    );
    assertEquals(out.replace(/[0-9a-f]{64}/, "ID"), `0::${parent}/ID\n/sys/fs/cgroup/mini-test-parent\n`);
    assertEquals(Array.from(Deno.readDirSync(`${hostTree.root}${parent}`)).filter((e) => e.isDirectory), []);
  } finally {
    await removeCgroup(`${hostTree.root}/mini-test-parent/batch`);
    await removeCgroup(`${hostTree.root}/mini-test-parent`);
  }
}, [ALL]);

miniTest("a processor that there is not is refused, and nothing is left behind", async ({ mini }: Context) => {
  for (const detach of [[], ["-d"]]) {
    const flags = ["--rm", ...detach, "--cpuset-cpus", "4000"];
    assertRefused(await mini(["run", ...flags, "starter", "true"]), 125, "there are the processors 0");
  }
}, [ALL]);
