import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, type Context, killIfThere, miniTest, type Output, startCommand, until } from "./harness.ts";
import { monitors } from "./monitors.ts";

const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""]);
  return stdout.trim();
};

/** `mini run -d`; its id. */
const runDetached = async ({ mini }: Context, ...args: string[]) => {
  const id = ok(await mini(["run", "-d", ...args]));
  assertMatch(id, /^[0-9a-f]{64}$/);
  return id;
};

interface State {
  Status: string;
  Pid: number;
  ExitCode: number;
  Error: string;
  FinishedAt: string;
}

const stateOf = async ({ mini }: Context, name: string): Promise<State> =>
  JSON.parse(ok(await mini(["inspect", "-f", "{{json .State}}", name])));

/** A script that goes on when it is let go. */
const awaiting = (script: string) => `until [ -e /go ]; do sleep 0.05; done; ${script}`;
const letGo = async ({ mini }: Context, name: string) => ok(await mini(["exec", name, "touch", "/go"]));

const ended = (context: Context, name: string) =>
  until(`${name} ends`, async () => {
    const state = await stateOf(context, name);
    return state.Status === "exited" ? state : undefined;
  });

/** What is written down of a container that runs. */
const running = ({ state }: Context, id: string): { pid: number; shim: { pid: number } } =>
  JSON.parse(Deno.readTextFileSync(`${state}/containers/${id}/state.json`));

const killAll = (pids: readonly number[]) => pids.forEach(killIfThere);

miniTest("a container in the background goes on without its command, and its end is written down", async (context) => {
  const { mini } = context;
  const id = await runDetached(context, "--name", "job", "starter", "sh", "-c", awaiting("exit 7"));
  assertEquals((await stateOf(context, "job")).Status, "running");
  const { pid, shim } = running(context, id);
  // Its parent is a shim that has nothing of the command's open.
  assertEquals(Deno.readTextFileSync(`/proc/${shim.pid}/comm`), "mini-shim\n");
  assertEquals(Number(Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ")[1]), shim.pid);
  for (const { name } of Deno.readDirSync(`/proc/${shim.pid}/fd`)) {
    assertMatch(Deno.readLinkSync(`/proc/${shim.pid}/fd/${name}`), /\/(lock|stdout|stderr)$/);
  }
  await letGo(context, "job");
  const state = await ended(context, "job");
  assertEquals([state.ExitCode, state.Error], [7, ""]);
  ok(await mini(["rm", "job"]));
});

miniTest("created, started, stopped, started again, paused, restarted, removed", async (context) => {
  const { mini } = context;
  const id = ok(
    await mini(["create", "--name", "web", "starter", "sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait"]),
  );
  assertEquals((await stateOf(context, "web")).Status, "created");
  assertEquals(ok(await mini(["start", "web"])), "web");
  assertEquals(ok(await mini(["start", id.slice(0, 12)])), id.slice(0, 12), "one that runs is started already");
  const { Pid } = await stateOf(context, "web");
  ok(await mini(["pause", "web"]));
  assertEquals((await stateOf(context, "web")).Status, "paused");
  assertRefused(await mini(["pause", "web"]), 1, "paused already");
  assertRefused(await mini(["exec", "web", "true"]), 1, "web is paused", "mini unpause web");
  assertRefused(await mini(["start", "web"]), 1, "mini unpause web");
  assertMatch(ok(await mini(["ps", "--format", "{{.Status}}"])), /^Up .* \(Paused\)$/);
  ok(await mini(["unpause", "web"]));
  assertRefused(await mini(["unpause", "web"]), 1, "not paused");
  ok(await mini(["restart", "web"]));
  assert((await stateOf(context, "web")).Pid !== Pid);
  ok(await mini(["stop", "web"]));
  assertEquals((await stateOf(context, "web")).ExitCode, 3);
  assertEquals(ok(await mini(["stop", "web"])), "web", "one that is stopped is stopped already");
  assertRefused(await mini(["pause", "web"]), 1, "is not running");
  ok(await mini(["start", "web"]));
  ok(await mini(["pause", "web"]));
  ok(await mini(["stop", "-t", "5", "web"]));
  assertEquals((await stateOf(context, "web")).ExitCode, 3, "the signal finds one that is paused");
  ok(await mini(["rm", "web"]));
});

miniTest("start -a shows the output, takes input, and ends as the container does", async (context) => {
  const { mini } = context;
  ok(
    await mini([
      "create",
      "-i",
      "--name",
      "echo",
      "starter",
      "sh",
      "-c",
      "read line; echo got $line; echo bad >&2; exit 5",
    ]),
  );
  for (const line of ["one", "two"]) {
    assertEquals(await mini(["start", "-ai", "echo"], { stdin: `${line}\n` }), {
      status: 5,
      stdout: `got ${line}\n`,
      stderr: "bad\n",
    });
  }
  assertRefused(await mini(["start", "-a", "echo", "other"]), 1, "one container at a time");
  ok(await mini(["rm", "echo"]));
});

miniTest("what cannot be started says why at once, and stays to be looked at", async (context) => {
  const { mini } = context;
  assertRefused(await mini(["run", "-d", "--name", "none", "starter", "nosuch"]), 127, "nosuch");
  const state = await stateOf(context, "none");
  assertEquals([state.Status, state.ExitCode], ["exited", 127]);
  assertMatch(state.Error, /nosuch/);
  assertRefused(await mini(["start", "none"]), 1, "nosuch");
  ok(await mini(["rm", "none"]));
  assertRefused(await mini(["run", "-d", "--rm", "starter", "/etc"]), 126, "/etc");
  assertRefused(await mini(["run", "-d", "--restart", "sometimes", "starter", "true"]), 125, "--restart", "on-failure");
  const conflicting = ["--rm", "--restart", "on-failure"];
  assertRefused(await mini(["run", ...conflicting, "starter", "true"]), 125, "Conflicting options: --restart and --rm");
  assertEquals(ok(await mini(["ps", "-aq"])), "");
});

miniTest("--rm removes a container in the background when it ends", async (context) => {
  const id = await runDetached(context, "--rm", "starter", "sleep", "0.3");
  await until("it is gone", async () => (await context.mini(["inspect", id])).status === 1);
});

miniTest("the monitor is killed, and no container notices", async (context) => {
  const { mini } = context;
  await runDetached(context, "--name", "long", "starter", "sh", "-c", awaiting("exit 9"));
  const first = await until("the monitor is there", () => {
    const found = monitors(context.state);
    return found.guardian.length === 1 ? found : undefined;
  });
  for (let round = 0; round < 3; round++) {
    const before = monitors(context.state).monitor;
    killAll(before);
    await until("another takes its place", () => monitors(context.state).monitor.some((pid) => !before.includes(pid)));
  }
  assertEquals(monitors(context.state).guardian, first.guardian);
  await letGo(context, "long");
  const state = await ended(context, "long");
  assertEquals(state.ExitCode, 9);
  await until("nobody is left", () => monitors(context.state).monitor.length === 0);
  ok(await mini(["rm", "long"]));
});

miniTest("without any monitor no exit status is lost, and a policy is carried out by the next one", async (context) => {
  const { mini } = context;
  await runDetached(context, "--name", "alone", "starter", "sh", "-c", awaiting("exit 6"));
  const found = await until("the monitor is there", () => {
    const found = monitors(context.state);
    return found.guardian.length === 1 ? found : undefined;
  });
  killAll([...found.guardian, ...found.monitor]);
  await letGo(context, "alone");
  const state = await ended(context, "alone");
  assertEquals(state.ExitCode, 6);
  assert(Math.abs(Date.parse(state.FinishedAt) - Date.now()) < 20_000);
  ok(await mini(["rm", "alone"]));
});

miniTest("a shim that is killed takes its container along, and that is told", async (context) => {
  const { mini } = context;
  const id = await runDetached(context, "--name", "web", "starter", "sleep", "1000");
  const { pid, shim } = running(context, id);
  Deno.kill(shim.pid, "SIGKILL");
  const state = await ended(context, "web");
  assertEquals(state.ExitCode, 137);
  assertMatch(state.Error, /killed/);
  assert(!Deno.readTextFileSync("/proc/self/mountinfo").includes(id));
  await until("its process is gone", () => {
    try {
      return !Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("sleep");
    } catch {
      return true;
    }
  });
  ok(await mini(["rm", "web"]));
});

miniTest("restart policies", async (context) => {
  const { mini } = context;
  const starts = async (name: string) => ok(await mini(["inspect", "-f", "{{.RestartCount}}", name]));
  await runDetached(context, "--name", "failing", "--restart", "on-failure:2", "starter", "false");
  await until("it has been tried twice more", async () => await starts("failing") === "2");
  assertEquals((await ended(context, "failing")).ExitCode, 1);
  await runDetached(context, "--name", "good", "--restart", "on-failure", "starter", "true");
  await ended(context, "good");
  assertEquals(await starts("good"), "0");
  await runDetached(context, "--name", "always", "--restart", "always", "starter", "sleep", "0.05");
  await until("it comes back", async () => Number(await starts("always")) >= 2);
  ok(await mini(["stop", "always"]));
  assertEquals((await stateOf(context, "always")).Status, "exited");
  const count = await starts("always");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assertEquals(await starts("always"), count, "one that was stopped stays so");
  await runDetached(context, "--name", "killed", "--restart", "unless-stopped", "starter", "sleep", "1000");
  // What kills it from outside is no wish of a person.
  Deno.kill((await stateOf(context, "killed")).Pid, "SIGKILL");
  await until("it comes back", async () => await starts("killed") === "1");
  await until("it runs", async () => (await stateOf(context, "killed")).Status === "running");
  ok(await mini(["kill", "killed"]));
  assertEquals((await ended(context, "killed")).ExitCode, 137);
  for (const name of ["failing", "good", "always", "killed"]) ok(await mini(["rm", name]));
});

miniTest("after a reboot those come back that are wanted", async (context) => {
  const { mini, state } = context;
  const sleep = ["starter", "sleep", "1000"];
  for (const policy of ["no", "always", "unless-stopped", "on-failure"]) {
    await runDetached(context, "--name", `run-${policy}`, "--restart", policy, ...sleep);
  }
  for (const policy of ["always", "unless-stopped"]) {
    await runDetached(context, "--name", `stopped-${policy}`, "--restart", policy, ...sleep);
    ok(await mini(["stop", "-t", "0", `stopped-${policy}`]));
  }
  // As a power cut: everything stops at once, and what is in /run is gone.
  const { monitor, guardian } = monitors(context.state);
  killAll([...guardian, ...monitor]);
  for (const { name } of Deno.readDirSync(`${state}/containers`)) killAll([running(context, name).shim.pid]);
  await until("nothing runs", () => {
    const { cgroups } = cgroupsOf(state);
    return cgroups.every((folder) => Deno.readTextFileSync(`${folder}/cgroup.events`).includes("populated 0"));
  });
  const { cgroups } = cgroupsOf(state);
  Deno.removeSync(state, { recursive: true });
  for (const folder of cgroups) Deno.removeSync(folder);

  assertEquals(ok(await mini(["system", "start"])).split("\n").sort(), [
    "run-always",
    "run-on-failure",
    "run-unless-stopped",
    "stopped-always",
  ]);
  const shown = ok(await mini(["ps", "-a", "--format", "{{.Names}} {{.State}}"])).split("\n").sort();
  assertEquals(shown, [
    "run-always running",
    "run-no exited",
    "run-on-failure running",
    "run-unless-stopped running",
    "stopped-always running",
    "stopped-unless-stopped exited",
  ]);
  assertEquals((await stateOf(context, "run-no")).ExitCode, 255);
  // The machine ends in good order: what it stops comes back.
  assertEquals(ok(await mini(["system", "stop", "-t", "0"])).split("\n").length, 4);
  assertEquals(ok(await mini(["ps", "-q"])), "");
  assertEquals(ok(await mini(["system", "start"])).split("\n").length, 4);
  ok(await mini(["rm", "-f", ...shown.map((line) => line.split(" ")[0]!)]));
});

/** The cgroups of the containers of a state folder. */
function cgroupsOf(state: string): { cgroups: string[] } {
  const cgroups = [...Deno.readDirSync(`${state}/containers`)].flatMap(({ name }) => {
    const { cgroup } = JSON.parse(Deno.readTextFileSync(`${state}/containers/${name}/state.json`));
    return cgroup ? [cgroup as string] : [];
  });
  return { cgroups };
}

miniTest("a hundred containers from one loop, stopped all at once", async (context) => {
  const { mini } = context;
  for (let i = 0; i < 100; i++) await runDetached(context, "--name", `c${i}`, "starter", "sleep", "1000");
  const ids = ok(await mini(["ps", "-q"])).split("\n");
  assertEquals(ids.length, 100);
  const before = Date.now();
  ok(await mini(["stop", "-t", "1", ...ids], { timeout: 60_000 }));
  assert(Date.now() - before < 60_000);
  assertEquals(ok(await mini(["ps", "-q"])), "");
  const all = ok(await mini(["ps", "-aq"])).split("\n");
  assertEquals(ok(await mini(["rm", ...all], { timeout: 60_000 })).split("\n").length, 100);
});

miniTest("containers that are started, stopped and removed at the same time by several", async (context) => {
  const { mini } = context;
  await runDetached(context, "--name", "web", "starter", "sleep", "1000");
  await Promise.all([1, 2, 3].map(() => mini(["stop", "-t", "0", "web"]).then(ok)));
  const starts = await Promise.all([1, 2, 3].map(() => mini(["start", "web"])));
  assert(starts.some(({ status }) => status === 0));
  for (const { status, stderr } of starts) if (status !== 0) assertMatch(stderr, /another command is at work on it/);
  const running = startCommand([...context.command, "exec", "web", "sleep", "1000"]);
  await until("exec runs", async () => ok(await mini(["exec", "web", "ps"])).includes("sleep 1000"));
  await Promise.all([1, 2].map(() => mini(["rm", "-f", "web"]).then(({ status }) => assertEquals(status, 0))));
  assertEquals((await running.output).status, 137);
  assertEquals(ok(await mini(["ps", "-aq"])), "");
});

miniTest("what forks wildly and ignores SIGTERM is killed as a whole", async (context) => {
  const { mini } = context;
  const script = "trap '' TERM; while :; do for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; sleep 0.01; done";
  const id = await runDetached(context, "--name", "bomb", "--ulimit", "nproc=4096", "starter", "sh", "-c", script);
  await until("it has many", async () => {
    const count = ok(await mini(["exec", "bomb", "sh", "-c", "ls /proc 2>/dev/null | grep -c '^[0-9]'"]));
    return Number(count) > 30;
  });
  const before = Date.now();
  ok(await mini(["stop", "-t", "1", "bomb"]));
  assert(Date.now() - before < 10_000);
  assertEquals((await stateOf(context, id)).ExitCode, 137);
  ok(await mini(["rm", "bomb"]));
});

miniTest("state files that are cut short, or of a process with another's number", async (context) => {
  const { mini, state } = context;
  for (const content of ["", "{", "null", "7", JSON.stringify({ status: "running", pid: 1, cgroup: 3, shim: 8 })]) {
    const id = await runDetached(context, "--name", "web", "starter", "sleep", "1000");
    const { shim } = running(context, id);
    const { monitor, guardian } = monitors(context.state);
    killAll([...guardian, ...monitor]);
    Deno.writeTextFileSync(`${state}/containers/${id}/state.json`, content);
    Deno.kill(shim.pid, "SIGKILL");
    assertEquals((await ended(context, "web")).ExitCode, 137, content);
    ok(await mini(["rm", "web"]));
  }
});
