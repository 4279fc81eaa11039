/** Health checks: what probes say, where it is shown, and what is done about it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Store } from "../images/store.ts";
import { assertRefused, type Context, miniTest, until } from "./harness.ts";
import { addImage, layerTar } from "./images_fixtures.ts";
import { monitors } from "./monitors.ts";

const QUICK = ["--health-interval", "50ms", "--health-timeout", "5s", "--health-retries", "2"];
const LONG = "sleep 1000 & trap 'exit 0' TERM; wait";

async function run({ mini }: Context, name: string, check: string, flags: string[] = [], script = LONG): Promise<void> {
  const health = [...QUICK, "--health-cmd", check];
  const args = ["run", "-d", "--network", "none", "--name", name, ...health, ...flags, "starter", "sh", "-c", script];
  const { status, stderr } = await mini(args);
  assertEquals([status, stderr], [0, ""]);
}

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

async function healthOf({ mini }: Context, name: string): Promise<Health> {
  return JSON.parse((await mini(["inspect", "-f", "{{json .State.Health}}", name])).stdout);
}

const becomes = (context: Context, name: string, status: string) =>
  until(`${name} is ${status}`, async () => {
    const health = await healthOf(context, name);
    return health.Status === status && health;
  });

const statusOf = async ({ mini }: Context, name: string) =>
  (await mini(["ps", "-a", "-f", `name=${name}`, "--format", "{{.Status}}"])).stdout.trim();

miniTest("a container is starting, healthy, unhealthy and healthy again, as its probe says", async (context) => {
  const { mini } = context;
  await run(context, "web", "cat /state; echo more >&2; test $(cat /state) = up", [], `echo down > /state; ${LONG}`);
  const bad = await becomes(context, "web", "unhealthy");
  assert(bad.FailingStreak >= 2);
  assertEquals([bad.Log.at(-1)!.ExitCode, bad.Log.at(-1)!.Output], [1, "down\nmore\n"]);
  assertMatch(await statusOf(context, "web"), /^Up .* \(unhealthy\)$/);
  await mini(["exec", "web", "sh", "-c", "echo up > /state"]);
  const good = await becomes(context, "web", "healthy");
  assertEquals([good.FailingStreak, good.Log.at(-1)!.ExitCode], [0, 0]);
  assert(good.Log.length <= 5 && Date.parse(good.Log[0]!.End) >= Date.parse(good.Log[0]!.Start));
  assertMatch(await statusOf(context, "web"), /^Up .* \(healthy\)$/);
  assertEquals((await mini(["ps", "-q", "-f", "health=healthy"])).stdout.length, 13);
  assertEquals((await mini(["ps", "-q", "-f", "health=none"])).stdout, "");
  const events = (await mini(["events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}"])).stdout;
  assertMatch(events, /health_status: unhealthy\n[^]*health_status: healthy\n/);
  // Paused, nothing is asked; it goes on after that.
  await mini(["pause", "web"]);
  const before = (await healthOf(context, "web")).Log.at(-1)!.Start;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assertEquals((await healthOf(context, "web")).Status, "healthy");
  await mini(["unpause", "web"]);
  await until("it is asked again", async () => (await healthOf(context, "web")).Log.at(-1)!.Start !== before);
  const [{ Config }] = JSON.parse((await mini(["inspect", "web"])).stdout);
  assertEquals([Config.Healthcheck.Test[0], Config.Healthcheck.Interval, Config.Healthcheck.Retries], [
    "CMD-SHELL",
    50_000_000,
    2,
  ]);
  // What it said at last is kept; a new run begins anew.
  await mini(["stop", "-t", "1", "web"]);
  assertEquals([(await healthOf(context, "web")).Status, /healthy/.test(await statusOf(context, "web"))], [
    "healthy",
    false,
  ]);
  await mini(["start", "web"]);
  await becomes(context, "web", "unhealthy");
  await mini(["rm", "-f", "web"]);
});

miniTest(
  "a probe that takes too long is killed with all that it started, and one that cannot be run has failed",
  async (context) => {
    const { mini } = context;
    await run(context, "slow", "echo begun; sleep 1234 & sleep 1234", ["--health-timeout", "3s"]);
    const slow = await becomes(context, "slow", "unhealthy");
    assertEquals(slow.Log[0]!.ExitCode, -1);
    assertEquals(slow.Log[0]!.Output, "Health check exceeded timeout (3s): begun\n");
    await mini(["exec", "slow", "true"]);
    const left = await mini(["exec", "slow", "sh", "-c", "ps | grep -c 'sleep 123[4]'"]);
    assert(Number(left.stdout) <= 2, `${left.stdout} of the probes' processes are left`);
    await mini(["rm", "-f", "slow"]);

    await run(context, "missing", "/no/such/program");
    assertEquals((await becomes(context, "missing", "unhealthy")).Log[0]!.ExitCode, 127);
    await mini(["rm", "-f", "missing"]);

    // Output has an end, and what is left behind with it open does not hold anything up.
    await run(context, "loud", "yes | head -c 100000; sleep 1000 & exit 0");
    const loud = await becomes(context, "loud", "healthy");
    assertEquals([loud.Log[0]!.Output.length, loud.Log[0]!.Output.slice(-5)], [4099, "y\n..."]);
    await mini(["rm", "-f", "loud"]);
  },
);

miniTest("in its start period failures do not count", async (context) => {
  const { mini } = context;
  const flags = ["--health-start-period", "1h", "--health-start-interval", "50ms", "--health-interval", "1h"];
  await run(context, "web", "test -e /up", flags, LONG);
  await until("five probes", async () => (await healthOf(context, "web")).Log.length === 5);
  const { Status, FailingStreak } = await healthOf(context, "web");
  assertEquals([Status, FailingStreak], ["starting", 0]);
  assertMatch(await statusOf(context, "web"), /^Up .* \(health: starting\)$/);
  await mini(["exec", "web", "touch", "/up"]);
  await becomes(context, "web", "healthy");
  await mini(["rm", "-f", "web"]);
});

miniTest("--health-on-failure kills, stops or starts again", async (context) => {
  const { mini } = context;
  await run(context, "kill", "false", ["--health-on-failure", "kill"]);
  await until("it is killed", async () => /^Exited \(137\)/.test(await statusOf(context, "kill")));
  await run(context, "stop", "false", ["--health-on-failure", "stop", "--restart", "always"]);
  await until("it is stopped", async () => /^Exited \(0\)/.test(await statusOf(context, "stop")));
  await run(context, "again", "false", ["--health-on-failure", "kill", "--restart", "on-failure"]);
  const restarts = async (name: string) => Number((await mini(["inspect", "-f", "{{.RestartCount}}", name])).stdout);
  await until("its policy starts it again", async () => await restarts("again") >= 1);
  await mini(["rm", "-f", "again"]);
  await run(
    context,
    "restart",
    "test $(cat /count) -ge 2",
    ["--health-on-failure", "restart"],
    `echo x >> /runs; wc -l < /runs > /count; ${LONG}`,
  );
  await becomes(context, "restart", "healthy");
  assertEquals((await mini(["exec", "restart", "cat", "/count"])).stdout, "2\n");
  await mini(["rm", "-f", "kill", "stop", "restart"]);
});

miniTest("an image's health check is used, changed and switched off; in the foreground as well", async (context) => {
  const { mini, start, root } = context;
  await mini(["run", "--rm", "--network", "none", "starter", "true"]);
  const store = new Store(root);
  const base = layerTar(
    [{ path: "bin/", type: "directory", mode: 0o755 }],
    [{ path: "bin/busybox", mode: 0o755 }, await Deno.readFile("/bin/busybox")],
    [{ path: "bin/sh", type: "symlink", linkPath: new TextEncoder().encode("busybox") }],
  );
  const health = (Test: string[]) => ({ Healthcheck: { Test, Interval: 50_000_000, Retries: 1 } });
  await addImage(store, "checked:latest", [base], health(["CMD", "/bin/busybox", "true"]));
  await addImage(store, "nonsense:latest", [base], health(["curl", "x"]));
  const script = ["/bin/sh", "-c", "busybox sleep 1000"];
  const fg = start(["run", "--rm", "--network", "none", "--name", "fg", "checked", ...script]);
  await until("the container is there", async () => (await mini(["ps", "-q"])).stdout !== "");
  await becomes(context, "fg", "healthy");
  await mini(["rm", "-f", "fg"]);
  assertEquals((await fg.output).status, 137);
  const detached = (...flags: string[]) => mini(["run", "-d", "--network", "none", ...flags, ...script]);
  await detached("--name", "other", "--health-cmd", "busybox false", "checked");
  await becomes(context, "other", "unhealthy");
  await detached("--name", "none", "--no-healthcheck", "checked");
  assertEquals(
    (await mini(["inspect", "-f", "{{json .Config.Healthcheck}} {{json .State}}", "none"])).stdout.includes('Health"'),
    false,
  );
  assertEquals(/health/.test(await statusOf(context, "none")), false);
  assertRefused(await detached("nonsense"), 125, "--no-healthcheck");
  assertEquals((await detached("--no-healthcheck", "--name", "fine", "nonsense")).status, 0);
  await mini(["rm", "-f", "other", "none", "fine"]);
});

miniTest("flags about health that cannot be are refused", async ({ mini }) => {
  const refused = async (...flags: string[]) => await mini(["run", "--rm", ...flags, "starter", "true"]);
  assertRefused(await refused("--no-healthcheck", "--health-cmd", "x"), 125, "--no-healthcheck");
  assertRefused(await refused("--health-interval", "5s"), 125, "--health-cmd");
  assertRefused(await refused("--health-cmd", "x", "--health-interval", "1us"), 125, "1ms");
  assertRefused(await refused("--health-cmd", "x", "--health-interval", "5"), 125, "--health-interval");
  assertRefused(await refused("--health-cmd", "x", "--health-retries", "-1"), 125, "--health-retries");
  assertRefused(await refused("--health-cmd", "x", "--health-on-failure", "pray"), 125, "--health-on-failure");
});

miniTest("a monitor that is killed leaves the streak to the next one", async (context) => {
  const { mini, state } = context;
  await run(context, "web", "test -e /up", ["--health-retries", "1000"]);
  await until("some failures", async () => (await healthOf(context, "web")).FailingStreak >= 3);
  const { monitor } = monitors(state);
  assertEquals(monitor.length, 1);
  const { FailingStreak: before } = await healthOf(context, "web");
  Deno.kill(monitor[0]!, "SIGKILL");
  await until("the next one goes on", async () => (await healthOf(context, "web")).FailingStreak > before + 3);
  assertStringIncludes(await statusOf(context, "web"), "(health: starting)");
  await mini(["exec", "web", "touch", "/up"]);
  await becomes(context, "web", "healthy");
  await mini(["rm", "-f", "web"]);
});
