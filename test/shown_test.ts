/** Containers in the foreground: attached to from elsewhere, detached from, restarted, and left by a command that is killed. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertRefused, type Context, runCommand, startCommand, until } from "./harness.ts";
import { ended, logsTest, ok } from "./logs_harness.ts";
import { Terminal } from "./pty.ts";

const isRunning = async ({ mini }: Context, name: string) =>
  ok(await mini(["inspect", "-f", "{{.State.Running}}", name])) === "true\n";

const isGone = ({ mini }: Context, name: string) =>
  until(`${name} is gone`, async () => (await mini(["inspect", name])).status === 1);

/** A command whose standard input stays open and says nothing. */
const quietly = ({ command, folder }: Context, ...args: string[]) =>
  startCommand(["sh", "-c", 'test -p "$0" || mkfifo "$0"; exec "$@" <>"$0"', `${folder}/quiet`, ...command, ...args]);

logsTest("attach shows what a container in the foreground prints from now on, and feeds it", async (context) => {
  const { mini } = context;
  for (const flags of [["--rm"], ["--log-driver=local"], ["--log-driver=none"]]) {
    const script = "echo before; read x; echo got $x; echo bad >&2; read y; echo end $y; exit 7";
    const front = quietly(context, "run", "-i", "--name", "front", ...flags, "starter", "sh", "-c", script);
    await until("it runs", () => front.stdout() === "before\n");
    const attached = await mini(["attach", "front"], { stdin: "one\ntwo\n" }), output = await front.output;
    assertEquals([attached.status, attached.stdout, attached.stderr], [7, "got one\nend two\n", "bad\n"]);
    assertEquals([output.status, output.stdout, output.stderr], [7, "before\ngot one\nend two\n", "bad\n"]);
    if (flags[0] !== "--rm") ok(await mini(["rm", "front"]));
  }
});

logsTest("an input that has come to its end stays at its end", async (context) => {
  const { mini, start } = context;
  const script = "cat; echo ready; sleep 1; echo end; exit 3";
  const front = start(["run", "-i", "--rm", "--name", "front", "starter", "sh", "-c", script], { stdin: "x\n" });
  await until("it has read all", () => front.stdout() === "x\nready\n");
  assertRefused(await mini(["logs", "front"]), 1, "container front runs in the foreground", "mini attach front");
  const { status, stdout } = await mini(["attach", "front"], { stdin: "late\n" });
  assertEquals([status, stdout], [3, "end\n"]);
  assertEquals((await front.output).stdout, "x\nready\nend\n");
});

logsTest("the detach keys leave a container running that was started in the foreground", async (context) => {
  const { mini, command } = context;
  await using terminal = new Terminal(31, 97);
  const before = terminal.settings();
  let session = terminal.start([...command, "run", "-it", "--rm", "--name", "shell", "starter", "sh"]);
  await terminal.ask("echo $((6*7))\r", /\r\n42\r\n/);
  await terminal.ask("stty size\r", /\r\n31 97\r\n/);
  await using other = new Terminal();
  const looking = other.start([...command, "attach", "--no-stdin", "shell"]);
  await until("both see it", async () => {
    await terminal.type("echo seen\r");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return other.text().includes("seen");
  });
  await terminal.type("\x10\x11");
  assertEquals(await session.status, 0);
  await terminal.shows(/detached from shell, which goes on/);
  assertEquals(terminal.settings(), before);
  assertEquals(await isRunning(context, "shell"), true);
  session = terminal.start([...command, "attach", "shell"]);
  await until("the monitor has it", async () => {
    await terminal.type("echo $((70+7))\r");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return terminal.text().includes("\n77\r\n");
  });
  assertStringIncludes(ok(await mini(["logs", "shell"])), "42\r\n"); // from before, too
  await terminal.type("exit 9\r");
  assertEquals([await session.status, await looking.status], [9, 9]);
  await isGone(context, "shell");
});

logsTest("start -ai, with other keys", async (context) => {
  const { mini, command } = context;
  ok(await mini(["create", "-it", "--name", "shell", "starter", "sh"]));
  await using terminal = new Terminal();
  let session = terminal.start([...command, "start", "-ai", "--detach-keys", "ctrl-x,y", "shell"]);
  await terminal.ask("echo $((6*7))\r", /\r\n42\r\n/);
  await terminal.type("\x18y");
  assertEquals([await session.status, await isRunning(context, "shell")], [0, true]);
  ok(await mini(["stop", "-t", "0", "shell"]));
  session = terminal.start([...command, "start", "-ai", "shell"]);
  await terminal.ask("echo $((60+6))\r", /\r\n66\r\n/);
  await terminal.type("exit 5\r");
  assertEquals(await session.status, 5);
  assertEquals(ok(await mini(["inspect", "-f", "{{.State.ExitCode}}", "shell"])), "5\n");
  assertRefused(await mini(["run", "-it", "--detach-keys=alt-x", "starter", "sh"]), 125, "'alt-x' in --detach-keys");
});

logsTest(
  "--restart in the foreground: the command ends as the container does, which is started again",
  async (context) => {
    const { mini } = context;
    const script = "cat; echo bad >&2; exit 3";
    const run = ["run", "-i", "--restart", "on-failure:2", "--name", "job", "starter", "sh", "-c", script];
    const first = await mini(run, { stdin: "some words\n" });
    assertEquals([first.status, first.stdout, first.stderr], [3, "some words\n", "bad\n"]);
    // Each of the others waits for input that nobody will type, as it does in the background.
    await until("it runs again", () => isRunning(context, "job"));
    ok(await mini(["rm", "-f", "job"]));
    const second = await mini([
      "run",
      "--restart",
      "on-failure:2",
      "--name",
      "job",
      "starter",
      "sh",
      "-c",
      "echo x; exit 4",
    ]);
    assertEquals([second.status, second.stdout], [4, "x\n"]);
    await until("it has been tried twice more", async () => ok(await mini(["logs", "job"])) === "x\nx\nx\n");
    await ended(context, "job");
    assertEquals(ok(await mini(["inspect", "-f", "{{.RestartCount}} {{.State.ExitCode}}", "job"])), "2 4\n");
  },
);

logsTest("nobody reads its output any more: a container with a restart policy goes on", async (context) => {
  const { command } = context;
  const script = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done";
  const line = '"$@" | head -n 1; echo "${PIPESTATUS[0]}"';
  const run = ["run", "--restart=always", "--name", "job", "starter", "sh", "-c", script];
  const { stdout } = await runCommand(["bash", "-c", line, "bash", ...command, ...run]);
  assertEquals(stdout, "line 1\n141\n");
  const lines = async () => ok(await context.mini(["logs", "job"])).trim().split("\n");
  const before = (await lines()).length;
  await until("it prints more", async () => (await lines()).length > before + 10);
  const all = await lines();
  assertEquals(all, all.map((_, i) => `line ${i + 1}`));
});

logsTest("a container with a terminal outlives the command that shows it", async (context) => {
  const { mini, command } = context;
  await using terminal = new Terminal();
  const script = "echo ready; i=0; while read x; do echo got $x; done";
  const session = terminal.start([...command, "run", "-it", "--name", "shell", "starter", "sh", "-c", script]);
  await terminal.shows(/ready/);
  session.kill("SIGKILL");
  assertEquals(await session.status, 137);
  await using other = new Terminal();
  const again = other.start([...command, "attach", "shell"]);
  await until("it answers", async () => {
    await other.type("a\r");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return other.text().includes("got a");
  });
  ok(await mini(["kill", "shell"]));
  assertEquals(await again.status, 137);
});

logsTest("what a container in the foreground prints comes whole, however much it is", async ({ mini, command }) => {
  const { status, stdout } = await runCommand([
    ...["bash", "-c", '"$@" | md5sum', "bash", ...command],
    ...["run", "--restart=on-failure", "--name", "much", "starter", "seq", "1", "3000000"],
  ], { timeout: 60_000 });
  const expected = await runCommand(["sh", "-c", "seq 1 3000000 | md5sum"]);
  assertEquals([status, stdout], [0, expected.stdout]);
  ok(await mini(["rm", "much"]));
});
