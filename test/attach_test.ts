/** `mini attach`. */
import { assert, assertEquals } from "@std/assert";
import { assertRefused, type Context, until } from "./harness.ts";
import { logsTest, ok, runDetached } from "./logs_harness.ts";
import { Terminal } from "./pty.ts";

/** Waits until a command is attached to a container: it tells so as soon as nothing can escape it. */
const attached = ({ mini }: Context, name: string) =>
  until(`somebody is attached to ${name}`, async () => {
    const flags = ["--since", "1h", "--until", "0s", "-f", `container=${name}`, "-f", "event=attach"];
    return ok(await mini(["events", ...flags])) !== "";
  });

logsTest("what is written to us is the container's input, and we end as it does", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "echo before; read x; echo got $x; echo bad >&2; exit 7", "-i");
  await until("its first line", async () => (await mini(["logs", "job"])).stdout === "before\n");
  const output = await mini(["attach", "job"], { stdin: "some words\n" });
  assertEquals([output.status, output.stdout, output.stderr], [7, "got some words\n", "bad\n"]);
});

logsTest("the end of our input is not the end of the container's", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "read x; read y; echo $x $y", "-i");
  const first = context.start(["attach", "job"], { stdin: "a\n" });
  const second = await mini(["attach", "job"], { stdin: "b\n" });
  const output = await first.output;
  for (const { status, stdout } of [output, second]) {
    assertEquals(status, 0);
    assert(/^(a b|b a)\n$/.test(stdout), stdout);
  }
});

logsTest("without -i, and with --no-stdin, nothing is read", async (context) => {
  const { mini } = context;
  await runDetached(context, "plain", "until [ -e /go ]; do sleep 0.05; done; cat; echo end");
  await runDetached(context, "fed", "read x; echo $x", "-i");
  const plain = context.start(["attach", "plain"], { stdin: "nothing of this\n" });
  await attached(context, "plain");
  ok(await mini(["exec", "plain", "touch", "/go"]));
  assertEquals((await plain.output).stdout, "end\n");
  const looking = context.start(["attach", "--no-stdin", "fed"], { stdin: "not this\n" });
  await attached(context, "fed");
  assertEquals((await mini(["attach", "fed"], { stdin: "but this\n" })).stdout, "but this\n");
  assertEquals((await looking.output).stdout, "but this\n");
});

logsTest("a container that removes itself leaves its exit status, one without a log its output", async (context) => {
  const { mini } = context;
  await runDetached(context, "job", "read x; echo $x; exit 6", "-i", "--rm", "--log-driver", "none");
  const output = await mini(["attach", "job"], { stdin: "last words\n" });
  assertEquals([output.status, output.stdout, output.stderr], [6, "last words\n", ""]);
  assertEquals(ok(await mini(["ps", "-aq"])), "");
});

logsTest("signals to us are the container's, unless they are not to be", async (context) => {
  const { start } = context;
  const script = "trap 'echo got it' TERM; while :; do echo tick; sleep 0.05; done";
  await runDetached(context, "job", script);
  const proxy = start(["attach", "job"]), own = start(["attach", "--sig-proxy=false", "job"]);
  const both = (text: string) => [proxy, own].every((one) => one.stdout().includes(text));
  await until("both are attached", () => both("tick\n"));
  proxy.kill("SIGTERM");
  await until("an answer", () => both("got it\n"));
  own.kill("SIGTERM");
  assertEquals((await own.output).status, 143);
  await context.mini(["kill", "job"]);
  assertEquals((await proxy.output).status, 137);
});

logsTest("a terminal: keys, sizes, an end of its own, and the keys that detach", async (context) => {
  const { mini, command } = context;
  ok(await mini(["run", "-dit", "--name", "shell", "starter", "sh"]));
  await using terminal = new Terminal(31, 97);
  const before = terminal.settings();
  let session = terminal.start([...command, "attach", "shell"]);
  // Its prompt was printed before; it is there again.
  await terminal.ask("echo $((6*7))\r", /\r\n42\r\n/);
  await terminal.ask("stty size\r", /\r\n31 97\r\n/);
  terminal.resize(20, 60);
  await until("the new size", async () => {
    await terminal.ask("stty size\r", /\d+ \d+\r\n/);
    return terminal.text().includes("20 60\r\n");
  });
  await terminal.type("echo half");
  await terminal.type("\x10");
  await terminal.type("\x11");
  assertEquals(await session.status, 0);
  await terminal.shows(/detached from shell, which goes on/);
  assertEquals(terminal.settings(), before);
  // Others look at the same time, and one of them types.
  await using other = new Terminal();
  session = terminal.start([...command, "attach", "--detach-keys=ctrl-x,y", "shell"]);
  const looking = other.start([...command, "attach", "--no-stdin", "shell"]);
  await until("both see it", async () => {
    await terminal.type(" again\r");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return other.text().includes("again");
  });
  await terminal.shows(/half again\r\n/);
  await terminal.type("\x18y");
  assertEquals(await session.status, 0);
  session = terminal.start([...command, "attach", "shell"]);
  await terminal.type("\rexit 9\r");
  assertEquals([await session.status, await looking.status], [9, 9]);
  assertEquals(terminal.settings(), before);
});

logsTest(
  "whoever has no terminal may look at one, and a terminal that is hung up leaves the container",
  async (context) => {
    const { mini, command } = context;
    ok(await mini(["run", "-dit", "--name", "shell", "starter", "sh"]));
    assertRefused(await mini(["attach", "shell"], { stdin: "x" }), 1, "not a terminal", "--no-stdin");
    const terminal = new Terminal();
    const session = terminal.start([...command, "attach", "shell"]);
    await terminal.ask("echo $((6*7))\r", /\r\n42\r\n/);
    await terminal.hangUp();
    assertEquals(await session.status, 129);
    assertEquals(ok(await mini(["inspect", "-f", "{{.State.Running}}", "shell"])), "true\n");
  },
);

logsTest("what cannot be attached to says why", async (context) => {
  const { mini } = context;
  assertRefused(await mini(["attach", "nobody"]), 1, "No such container: nobody");
  ok(await mini(["create", "--name", "new", "starter", "true"]));
  assertRefused(await mini(["attach", "new"]), 1, "container new is not running", "mini start");
  await runDetached(context, "job", "sleep 1000");
  ok(await mini(["pause", "job"]));
  assertRefused(await mini(["attach", "job"]), 1, "container job is paused", "mini unpause job");
  assertRefused(await mini(["attach", "--detach-keys=alt-x", "job"]), 1, "'alt-x' in --detach-keys is no key");
});
