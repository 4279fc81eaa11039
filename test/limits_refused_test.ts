/** Limits that are refused: what cannot be anywhere, and what cannot be set where cgroup v1 holds the controllers. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { needsHybrid } from "./cgroups.ts";
import { assertRefused, type Context, miniTest } from "./harness.ts";

miniTest("a limit that cannot be set is refused, with what to change on the host", async ({ mini }) => {
  for (
    const [flags, what] of [[["--memory", "64m"], "memory"], [["--cpus", "0.5"], "cpu"], [
      ["--pids-limit", "5"],
      "pids",
    ]] as const
  ) {
    const words = [`the ${what} controller`, "cgroup version 1", "systemd.unified_cgroup_hierarchy=1"];
    assertRefused(await mini(["run", "--rm", ...flags, "starter", "true"]), 125, "cannot set", ...words);
    assertRefused(await mini(["run", "-d", "--rm", ...flags, "starter", "true"]), 125, "cannot set", ...words);
  }
}, [needsHybrid]);

miniTest("a limit cannot be set later either, and what was before stays", async ({ mini }) => {
  await mini(["run", "-d", "--name", "one", "starter", "sleep", "600"]);
  const out = await mini(["update", "--memory", "64m", "one"]);
  assertEquals([out.status, out.stdout], [1, ""]);
  assertStringIncludes(out.stderr, "cannot set the memory limit: the memory controller");
  const shown = await mini(["inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", "one"]);
  assertEquals(shown.stdout, "0 <nil>\n");
  assertEquals((await mini(["rm", "-f", "one"])).status, 0);
}, [needsHybrid]);

miniTest("without limits it runs, and no word is said about the one on processes", async ({ inside }) => {
  assertEquals(await inside("echo runs"), "runs\n");
}, [needsHybrid]);

miniTest("what cannot be is refused, and nothing is left behind", async ({ mini }: Context) => {
  const refused = async (flags: string, ...words: string[]) =>
    assertRefused(await mini(["run", "--rm", ...flags.split(" "), "starter", "true"]), 125, ...words);
  await refused("--memory 1m", "--memory", "6m");
  await refused("--memory-swappiness 10", "--memory-swappiness", "cgroup version 1");
  await refused("--kernel-memory 10m", "--kernel-memory", "cgroup version 1");
  await refused("--oom-kill-disable", "--oom-kill-disable", "cgroup version 1");
  await refused("--device-read-bps /dev/null:1mb", "/dev/null is not a disk");
  await refused("--device-read-bps /dev/nodisk:1mb", "there is no disk /dev/nodisk");
  await refused("--cpus 0.5 --cpu-quota 5000", "--cpus", "--cpu-quota");
});
