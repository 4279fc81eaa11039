/** `mini inspect`, which finds containers and images. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { miniTest } from "./harness.ts";

miniTest("inspect finds a container first, then an image, and tells what is neither", async ({ mini }) => {
  await mini(["run", "--name", "web", "starter", "sh", "-c", "exit 3"]);
  const both = await mini(["inspect", "web", "starter", "nothing"]);
  const [container, image, ...more] = JSON.parse(both.stdout);
  assertEquals([container.Name, container.State.ExitCode, image.Os, more], ["/web", 3, "linux", []]);
  assertEquals([both.status, both.stderr], [
    1,
    "mini: No such object: nothing; 'mini ps -a', 'mini images', 'mini volume ls' and " +
    "'mini network ls' list them\n",
  ]);
  assertEquals(container.Image, image.Id);
  // An image may have a container's name.
  await mini(["tag", "starter", "web"]);
  const format = async (...flags: string[]) => (await mini(["inspect", ...flags, "-f", "{{.Id}}", "web"])).stdout;
  assertEquals(await format(), `${container.Id}\n`);
  assertEquals(await format("--type", "image"), `${image.Id}\n`);
  assertEquals((await mini(["inspect", "--type", "container", "starter"])).status, 1);
  await mini(["rm", "web"]);
  // Then a volume, then a network.
  await mini(["volume", "create", "data"]);
  assertEquals(
    (await mini(["inspect", "-f", "{{.Name}} {{.Driver}}", "data", "bridge"])).stdout,
    "data local\nbridge bridge\n",
  );
  assertEquals((await mini(["inspect", "--type", "network", "data"])).status, 1);
  await mini(["volume", "rm", "data"]);
});

miniTest("inspect has Docker's shape", async ({ mini, root, folder }) => {
  await mini([
    "run",
    "-d",
    "--name",
    "web",
    "--restart",
    "on-failure:3",
    "--cap-drop",
    "CHOWN",
    "--cap-add",
    "net_admin",
    "--ulimit",
    "nofile=100:200",
    "--shm-size",
    "32m",
    "-v",
    `${folder}:/data:ro`,
    "--tmpfs",
    "/scratch:size=1m",
    "-l",
    "tier=front",
    "-e",
    "A=b",
    "-u",
    "1000",
    "--log-opt",
    "max-size=5m",
    "starter",
    "sleep",
    "1000",
  ]);
  const inspect = async () => JSON.parse((await mini(["inspect", "web"])).stdout)[0];
  const web = await inspect();
  const { State, HostConfig, Config } = web;
  assertEquals({ ...State, StartedAt: "" }, {
    Status: "running",
    Running: true,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: State.Pid,
    ExitCode: 0,
    Error: "",
    StartedAt: "",
    FinishedAt: "0001-01-01T00:00:00Z",
  });
  assertEquals(Deno.readTextFileSync(`/proc/${State.Pid}/cmdline`), "sleep\x001000\0");
  assertMatch(State.StartedAt, /^\d{4}-\d\d-\d\dT.*Z$/);
  assertEquals([HostConfig.RestartPolicy, HostConfig.LogConfig, HostConfig.AutoRemove], [
    { Name: "on-failure", MaximumRetryCount: 3 },
    { Type: "local", Config: { "max-size": "5m" } },
    false,
  ]);
  assertEquals([HostConfig.CapAdd, HostConfig.CapDrop], [["CAP_NET_ADMIN"], ["CAP_CHOWN"]]);
  assertEquals([HostConfig.Ulimits, HostConfig.ShmSize], [[{ Name: "nofile", Hard: 200, Soft: 100 }], 32 << 20]);
  assertEquals([HostConfig.Binds, Object.keys(HostConfig.Tmpfs)], [[`${folder}:/data:ro`], ["/scratch"]]);
  assertEquals(web.Mounts.map((mount: Record<string, unknown>) => [mount["Type"], mount["Destination"], mount["RW"]]), [
    ["bind", "/data", false],
    ["tmpfs", "/scratch", true],
  ]);
  assertEquals(web.GraphDriver.Data.UpperDir, `${root}/containers/${web.Id}/upper`);
  assert(Deno.statSync(web.GraphDriver.Data.LowerDir).isDirectory);
  assertEquals([Config.User, Config.Labels.tier, Config.Cmd, Config.Entrypoint], [
    "1000",
    "front",
    ["sleep", "1000"],
    null,
  ]);
  const format = async (text: string, ...flags: string[]) =>
    (await mini(["inspect", ...flags, "-f", text, "web"])).stdout;
  assertEquals(await format("{{.Config.Labels.tier}} {{.Config.Labels.no}}"), "front <no value>\n");
  assertEquals(await format("{{range .Mounts}}{{.Destination}} {{end}}"), "/data /scratch \n");
  assertEquals(await format("{{json .Config.Labels}}"), '{"tier":"front"}\n');
  assertEquals(await format("{{.SizeRw}}", "-s"), "0\n");
  assertEquals((await mini(["inspect", "-f", "{{.Id}}", "web", "starter"])).stdout.split("\n").length, 3);
  await mini(["stop", "-t", "0", "web"]);
  const { State: ended } = await inspect();
  assertEquals([ended.Status, ended.Running, ended.Pid, ended.ExitCode], ["exited", false, 0, 137]);
  await mini(["rm", "web"]);
});
