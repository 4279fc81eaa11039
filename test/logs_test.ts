/** `mini logs`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, MINI, startCommand, until } from "./harness.ts";
import { ended, logsTest, ok, runDetached, type } from "./logs_harness.ts";

logsTest("what a container prints is kept, its two streams apart, with times", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "echo one; echo bad >&2; read x; echo two; printf three", "-i");
  await until("the first line", async () => (await mini(["logs", "job"])).stdout === "one\n");
  await type(context, "job", "go\n");
  await ended(context, "job");
  const output = await mini(["logs", "job"]);
  assertEquals([output.status, output.stdout, output.stderr], [0, "one\ntwo\nthree", "bad\n"]);
  assertEquals((await mini(["container", "logs", "-n", "2", "job"])).stdout, "two\nthree");
  assertEquals((await mini(["logs", "--tail=0", "job"])).stdout, "");
  assertEquals((await mini(["logs", "--tail=-1", "job"])).stdout, "one\ntwo\nthree");
  const lines = (await mini(["logs", "-t", "job"])).stdout.split("\n");
  const times = lines.map((line) => /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (one|two|three)$/.exec(line)?.[1]);
  assert(times.every((time) => time !== undefined && Math.abs(Date.parse(time) - Date.now()) < 60_000), `${lines}`);
  const [first, second] = times as [string, string];
  assert(first < second, `${lines}`);
  // The time of a line is a time that it was printed since, and one that it was printed until.
  assertEquals((await mini(["logs", "--since", second, "job"])).stdout, "two\nthree");
  assertEquals((await mini(["logs", "--until", first, "job"])).stdout, "one\n");
  assertEquals((await mini(["logs", "--since", "1h", "--until", "30m", "job"])).stdout, "");
  await mini(["rm", "job"]);
  assertRefused(await mini(["logs", "job"]), 1, "No such container: job");
});

logsTest("a log goes on when its container is started again", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "echo again");
  await ended(context, "job");
  ok(await mini(["start", "job"]));
  await ended(context, "job");
  assertEquals(ok(await mini(["logs", "job"])), "again\nagain\n");
  assertEquals((await mini(["start", "-a", "job"])).stdout, "again\n");
  assertEquals(ok(await mini(["logs", "job"])), "again\nagain\nagain\n");
});

logsTest("following shows what comes, and ends with the container", async (context) => {
  const { start } = context;
  await runDetached(context, "job", "echo begin; read x; echo $x; echo end >&2; exit 3", "-i");
  const following = start(["logs", "-f", "job"]);
  await until("the first line", () => following.stdout() === "begin\n");
  await type(context, "job", "typed\n");
  const { status, stdout, stderr } = await following.output;
  assertEquals([status, stdout, stderr], [0, "begin\ntyped\n", "end\n"]);
});

logsTest(
  "following goes on where a container is started again by its policy, and ends when it is removed",
  async (context) => {
    const { mini, start } = context;
    await runDetached(context, "job", "echo life; sleep 0.1", "--restart", "always");
    const following = start(["logs", "-f", "job"]);
    await until("three lives", () => following.stdout().split("\n").length > 3);
    ok(await mini(["rm", "-f", "job"]));
    assertEquals((await following.output).status, 0);
  },
);

logsTest("following until a time ends then, and without a reader at once", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "echo begin; sleep 1000");
  await until("its line", async () => (await mini(["logs", "job"])).stdout === "begin\n");
  assertEquals((await mini(["logs", "-f", "--until", "-0.3s", "job"])).stdout, "begin\n");
  const piped = await startCommand([
    "sh",
    "-c",
    'm=$1; shift; "$m" "$@" | head -n 1',
    "sh",
    MINI,
    "--root",
    context.root,
    "--state",
    context.state,
    "logs",
    "-f",
    "job",
  ]).output;
  assertEquals([piped.stdout, piped.stderr], ["begin\n", ""]);
  ok(await mini(["rm", "-f", "job"]));
});

logsTest("a terminal's output is one stream, as it was written", async (context) => {
  await runDetached(context, "job", "echo out; echo err >&2; printf '\\033[1mbold'", "-t");
  await ended(context, "job");
  assertEquals(ok(await context.mini(["logs", "job"])), "out\r\nerr\r\n\x1b[1mbold");
});

logsTest("logs are rotated, and following gets every line all the same", async (context) => {
  const { mini, start, root } = context;
  await runDetached(
    context,
    "job",
    "echo ready; read x; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done",
    "-i",
    "--log-opt",
    "max-size=5k",
    "--log-opt",
    "max-file=2",
  );
  const id = ok(await mini(["inspect", "-f", "{{.Id}}", "job"])).trim();
  const following = start(["logs", "-f", "job"]);
  await until("it follows", () => following.stdout() === "ready\n");
  await type(context, "job", "go\n");
  const { status, stdout, stderr } = await following.output;
  const all = `ready\n${Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join("")}`;
  // A busy machine may let files go by that nobody has read: that is told, and nothing else is missing.
  if (stderr === "") assert(stdout === all, `${stdout.length} bytes`);
  else assertMatch(stderr, /^(\[mini: files that were rotated away before they were read: \d+\]\n)+$/);
  assertEquals(status, 0);
  await ended(context, "job");
  const sizes = Array.from(Deno.readDirSync(`${root}/containers/${id}/logs`), ({ name }) => name);
  assertEquals(sizes.length, 4);
  const kept = ok(await mini(["logs", "job"]));
  assert(all.endsWith(`\n${kept}`) && kept.length > 3000);
});

logsTest("a container without a log", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "echo secret; sleep 1000", "--log-driver", "none");
  assertRefused(await mini(["logs", "job"]), 1, "container job keeps no log", "--log-driver none", "mini attach job");
  ok(await mini(["rm", "-f", "job"]));
});

logsTest("what was run in the foreground has a log, unless it is removed", async (context) => {
  const { mini, root } = context;
  const output = await mini(["run", "--name", "job", "starter", "sh", "-c", "echo out; echo err >&2"]);
  assertEquals([output.stdout, output.stderr], ["out\n", "err\n"]);
  const again = await mini(["logs", "job"]);
  assertEquals([again.stdout, again.stderr], ["out\n", "err\n"]);
  const big = await mini(["run", "--name", "big", "starter", "sh", "-c", "yes 12345678 | head -n 100000"]);
  assertEquals(ok(await mini(["logs", "big"])), big.stdout);
  ok(await mini(["run", "--name", "quiet", "--log-driver", "none", "starter", "echo", "hi"]));
  const quiet = ok(await mini(["inspect", "-f", "{{.Id}}", "quiet"])).trim();
  assert(!Array.from(Deno.readDirSync(`${root}/containers/${quiet}`), ({ name }) => name).includes("logs"));
});

logsTest("details are the labels and variables that were asked for", async (context) => {
  const { mini } = context;
  await runDetached(
    context,
    "job",
    "echo line",
    "--label",
    "tier=web front",
    "--label",
    "other=1",
    "-e",
    "A=b",
    "--log-driver",
    "json-file",
    "--log-opt",
    "labels=tier,none",
    "--log-opt",
    "env=A",
  );
  await ended(context, "job");
  assertEquals(ok(await mini(["logs", "--details", "job"])), "A=b,tier=web%20front line\n");
});

logsTest("no line is lost or doubled while monitors are killed", async (context) => {
  const { mini, state } = context;
  await runDetached(context, "job", "i=0; while [ $i -lt 60000 ]; do echo line $i; i=$((i+1)); done");
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
        if (words.includes("monitor") && words.includes(state)) Deno.kill(Number(name), "SIGKILL");
      } catch {
        // it ended meanwhile
      }
    }
  }
  await ended(context, "job");
  const text = ok(await mini(["logs", "job"]));
  assert(text === Array.from({ length: 60000 }, (_, i) => `line ${i}\n`).join(""), `${text.length} bytes`);
});

logsTest("wrong flags are refused in one sentence", async ({ mini }) => {
  await mini(["create", "--name", "job", "starter", "true"]);
  assertEquals(ok(await mini(["logs", "-f", "job"])), "");
  assertRefused(await mini(["logs", "-n", "few", "job"]), 1, "--tail is a number of lines, or all, not 'few'");
  assertRefused(await mini(["logs", "--since", "soon", "job"]), 1, "--since", "'soon'");
  assertRefused(await mini(["logs", "--until", "never", "job"]), 1, "--until", "'never'");
  for (const [flag, word] of [["--log-opt=max-size=x", "max-size"], ["--log-driver=syslog", "syslog"]] as const) {
    assertRefused(await mini(["run", "--rm", flag, "starter", "true"]), 125, word);
  }
});
