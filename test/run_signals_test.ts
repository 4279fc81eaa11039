/** Signals to `mini run`, and what other commands do to a container that runs. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Context, miniTest, needsProgram, type Running, startCommand, until } from "./harness.ts";

/** Starts `run` and waits until the container's program says that it is ready. */
async function ready({ start }: Context, script: string, ...flags: string[]): Promise<Running> {
  const running = start(["run", ...flags, "starter", "sh", "-c", `${script}`]);
  await until("the container is ready", () => running.stdout().includes("ready"));
  return running;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const LOOP = "echo ready; while :; do sleep 0.02; done";
const SLEEP = "echo ready; exec sleep 1000";

miniTest("every signal that is for the container reaches its PID 1", async (context) => {
  for (const name of ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT"] as const) {
    const running = await ready(context, `trap 'echo got ${name}; exit 42' ${name}; ${LOOP}`, "--rm");
    running.kill(`SIG${name}`);
    assertEquals(await running.output, { status: 42, stdout: `ready\ngot ${name}\n`, stderr: "" });
  }
});

miniTest("a death by a signal is 128 and its number", async (context) => {
  const { mini } = context;
  for (const [name, status] of [["KILL", 137], ["SEGV", 139], ["TERM", 143]] as const) {
    // A PID 1 is immune to what its own namespace sends; its child is not, and an init passes that on.
    const args = ["run", "--rm", "--init", "starter", "sh", "-c", `kill -${name} $$`];
    assertEquals((await mini(args)).status, status);
  }
  for (const [name, status] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGUSR1", 138], ["SIGHUP", 129]] as const) {
    const running = await ready(context, SLEEP, "--rm", "--init");
    running.kill(name);
    assertEquals((await running.output).status, status, name);
  }
});

miniTest("a PID 1 that does not end by SIGINT or SIGTERM is killed by the third", async (context) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const running = await ready(context, `trap 'echo got' INT TERM; ${LOOP}`, "--rm");
    // One after the other: what comes while the same one is still on its way counts as one.
    for (const said of ["ready\ngot\n", "ready\ngot\ngot\n"]) {
      running.kill(signal);
      await until("the signal", () => running.stdout() === said);
    }
    running.kill(signal);
    assertEquals((await running.output).status, 137);
    const deaf = await ready(context, SLEEP, "--rm");
    let ended = false;
    const end = deaf.output.finally(() => ended = true);
    while (!ended) {
      deaf.kill(signal);
      await pause(50);
    }
    assertEquals((await end).status, 137);
  }
});

miniTest("mini may be stopped and continued", async (context) => {
  const running = await ready(context, "echo ready; sleep 0.3; echo done; exit 5", "--rm");
  running.kill("SIGSTOP");
  await pause(500);
  running.kill("SIGCONT");
  assertEquals(await running.output, { status: 5, stdout: "ready\ndone\n", stderr: "" });
});

miniTest("stop asks first and kills later, and a stopped one is stopped already", async (context) => {
  const { mini } = context;
  const polite = await ready(context, `trap 'echo bye; exit 7' TERM; ${LOOP}`, "--name", "polite");
  assertEquals(await mini(["stop", "polite"]), { status: 0, stdout: "polite\n", stderr: "" });
  assertEquals((await polite.output).status, 7);
  // Written down by the time that stop is done.
  assertMatch((await mini(["ps", "-a", "--format", "{{.Status}}"])).stdout, /^Exited \(7\)/);
  assertEquals(await mini(["stop", "polite"]), { status: 0, stdout: "polite\n", stderr: "" });
  assertEquals((await mini(["rm", "polite"])).status, 0);

  const deaf = await ready(context, `trap '' TERM; ${LOOP}`, "--name", "deaf");
  const began = Date.now();
  assertEquals((await mini(["stop", "-t", "1", "deaf"])).status, 0);
  assert(Date.now() - began >= 1000);
  assertEquals((await deaf.output).status, 137);
  assertEquals((await mini(["rm", "deaf"])).status, 0);

  const own = await ready(context, `trap 'exit 9' USR1; ${LOOP}`, "--name", "own", "--rm", "--stop-signal", "USR1");
  assertEquals((await mini(["stop", "own"])).status, 0);
  assertEquals((await own.output).status, 9);
});

miniTest("kill sends the signal that it is told, and says when there is nobody", async (context) => {
  const { mini } = context;
  const running = await ready(context, `trap 'echo one' USR1; ${LOOP}`, "--name", "target");
  assertEquals(await mini(["kill", "-s", "USR1", "target"]), { status: 0, stdout: "target\n", stderr: "" });
  await until("the signal", () => running.stdout().includes("one"));
  assertEquals((await mini(["kill", "target"])).status, 0);
  assertEquals((await running.output).status, 137);
  const late = await mini(["kill", "target"]);
  assertEquals([late.status, late.stderr], [
    1,
    "mini: container target is not running, so SIGKILL cannot be sent to it\n",
  ]);
  assertEquals((await mini(["rm", "target"])).status, 0);
});

miniTest("rm refuses what runs, and with -f ends it, also twice at once", async (context) => {
  const { mini } = context;
  for (const flags of [[], ["--rm"]]) {
    const running = await ready(context, SLEEP, "--name", "busy", ...flags);
    const refused = await mini(["rm", "busy"]);
    assertEquals([refused.status, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /^mini: container busy runs: [^\n]*\n$/);
    const both = await Promise.all([mini(["rm", "-f", "busy"]), mini(["rm", "-f", "busy"])]);
    assertEquals(both.map(({ status }) => status), [0, 0]);
    // One may come when the other is done; then it says that there is nothing to remove.
    for (const { stderr } of both) assertMatch(stderr, /^(mini: [^\n]*[Nn]o such container[^\n]*\n)?$/);
    assertEquals((await running.output).status, 137);
    assertEquals((await mini(["ps", "-aq"])).stdout, "");
  }
});

miniTest("rm -f of a container whose command is stopped says so, and the name stays taken", async (context) => {
  const { mini } = context;
  const running = await ready(context, SLEEP, "--name", "held");
  running.kill("SIGSTOP");
  const { status, stderr } = await mini(["rm", "-f", "held"]);
  assertEquals(status, 1);
  assertMatch(stderr, /^mini: the command that runs container held does not come to its end: [^\n]*\n$/);
  running.kill("SIGCONT");
  assertEquals((await running.output).status, 137);
  assertEquals((await mini(["rm", "held"])).status, 0);
});

miniTest("a process that got a container's number is not taken for it", async (context) => {
  const { mini, state } = context;
  const running = await ready(context, SLEEP, "--name", "reused");
  const id = (await mini(["ps", "-q", "--no-trunc"])).stdout.trim(), file = `${state}/containers/${id}/state.json`;
  const bystander = startCommand(["sleep", "1000"]);
  const original = Deno.readTextFileSync(file), written = JSON.parse(original);
  for (
    const forged of [{ ...written, pid: bystander.pid }, { ...written, pid: bystander.pid, pidStartTicks: undefined }]
  ) {
    Deno.writeTextFileSync(file, JSON.stringify(forged));
    assertEquals((await mini(["kill", "reused"])).status, 1);
    assertEquals((await mini(["kill", "-s", "TERM", "reused"])).status, 1);
  }
  Deno.writeTextFileSync(file, original);
  assertEquals((await mini(["kill", "reused"])).status, 0);
  assertEquals((await running.output).status, 137);
  bystander.kill("SIGUSR1");
  assertEquals((await bystander.output).status, 138, "it lived until now");
  assertEquals((await mini(["rm", "reused"])).status, 0);
});

miniTest("orphans are reaped by an init, a thousand and more", async ({ mini }) => {
  // Each inner shell is gone before its child ends, so that PID 1 inherits it.
  // In the end there are the init and this shell; a zombie that is not reaped would stay.
  const script = `i=0; while [ $i -lt 1000 ]; do sh -c 'true &'; i=$((i + 1)); done
    while set -- /proc/[0-9]*; [ $# -gt 2 ]; do sleep 0.05; done; echo $*`;
  const withInit = await mini(["run", "--rm", "--init", "starter", "sh", "-c", script]);
  assertEquals([withInit.stdout, withInit.stderr], ["/proc/1 /proc/2\n", ""]);
});

miniTest(
  "Ctrl-C while a container is being made ends it there, and leaves nothing",
  async ({ command, mini, root, state }) => {
    assertEquals((await mini(["run", "--rm", "starter", "true"])).status, 0);
    // A call of mini's, and one of the container's before its program, are held up while the signal comes.
    for (const call of ["symlink", "pivot_root"]) {
      const delay = `--inject=${call}:delay_enter=4000000:when=1`;
      const trace = ["strace", "-f", "-qq", "-e", `trace=${call}`, delay, "-o", "/dev/null"];
      const args = [...command, "run", "--name", "early", "starter", "sleep", "1000"];
      const { child, output } = startCommand([...trace, ...args]);
      const folder = await until("the container's folder", () => [...Deno.readDirSync(`${root}/containers`)][0]?.name);
      if (call === "pivot_root") {
        await until("its state", () => isThere(`${state}/containers/${folder}/state.json`));
      }
      await pause(200);
      const [pid] = Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`).split(" ");
      Deno.kill(Number(pid), "SIGINT");
      const { status, stdout, stderr } = await output;
      assertEquals([status, stdout], [130, ""], call);
      assert(!stderr.includes("mini:"), stderr); // strace has its own to say
      assertEquals([...Deno.readDirSync(`${root}/names`)], []);
      assertEquals([...Deno.readDirSync(`${root}/containers`)], []);
    }
  },
  [needsProgram("strace")],
);

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
