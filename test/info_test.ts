/** `mini info` and `mini version`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { miniTest } from "./harness.ts";

miniTest("info counts containers and images, and tells of the machine", async ({ mini, root, state }) => {
  const facts = async () => JSON.parse((await mini(["info", "--format", "json"])).stdout);
  // Before there is anything, not even the folders.
  assertEquals([(await facts()).Containers, (await facts()).Images], [0, 0]);
  await mini(["run", "--name", "ended", "starter", "true"]);
  await mini(["create", "--name", "made", "starter", "true"]);
  await mini(["run", "-d", "--name", "runs", "starter", "sleep", "1000"]);
  const now = await facts();
  assertEquals([now.Containers, now.ContainersRunning, now.ContainersPaused, now.ContainersStopped], [3, 1, 0, 2]);
  assertEquals([now.Images, now.Driver, now.DockerRootDir, now.StateDir], [1, "overlayfs", root, state]);
  assertEquals([now.KernelVersion, now.Name, now.NCPU], [
    Deno.osRelease(),
    Deno.hostname(),
    navigator.hardwareConcurrency,
  ]);
  assert(now.MemTotal > 1e6);
  const controllers = Deno.readTextFileSync(
    now.CgroupVersion === "2" && now.Warnings.length === 0 ? "/sys/fs/cgroup/cgroup.controllers" : "/dev/null",
  );
  if (controllers !== "") assertEquals(now.MemoryLimit, controllers.split(/\s/).includes("memory"));
  const text = await mini(["info"]);
  assertMatch(
    text.stdout,
    /^Version: .*\nContainers: 3\n Running: 1\n Paused: 0\n Stopped: 2\nImages: 1\nStorage Driver: overlayfs\n/,
  );
  assertEquals(text.stderr, now.Warnings.map((warning: string) => `WARNING: ${warning}\n`).join(""));
  assertEquals(
    (await mini(["info", "-f", "{{.NCPU}} {{len .Warnings}}"])).stdout,
    `${now.NCPU} ${now.Warnings.length}\n`,
  );
  await mini(["rm", "-f", "runs", "made", "ended"]);
});

miniTest("version nests its facts as Docker does", async ({ mini }) => {
  const version = async (format: string) => (await mini(["version", "--format", format])).stdout;
  assertMatch(await version("{{.Client.Version}}"), /^\d+\.\d+\.\d+\n$/);
  assertEquals(await version("{{.Client.Version}}"), await version("{{.Version}}"));
  const { Client, Server } = JSON.parse(await version("json"));
  assertEquals([Server, typeof Server.Version], [Client, "string"]);
});
