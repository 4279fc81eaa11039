/** `mini run -it` in a real terminal: what a person at a shell sees, and that the terminal is as before afterwards. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Context, miniTest, until } from "./harness.ts";
import { inTerminal, type Session, Terminal } from "./pty.ts";

const RUN = ["run", "-it", "--rm"];
const shell = ({ command }: Context, ...flags: string[]) => [...command, ...RUN, ...flags, "starter", "sh"];
const sh = (
  { command }: Context,
  script: string,
  ...flags: string[]
) => [...command, ...RUN, ...flags, "starter", "sh", "-c", script];

/** Sends a signal three times, and more often if need be: what comes at once counts as one. */
async function insist({ kill, status }: Session, signal: Deno.Signal): Promise<void> {
  let ended = false;
  status.finally(() => ended = true);
  while (!ended) {
    kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs a command in a terminal, and makes sure that the terminal is as before when it has ended. */
async function session(
  command: readonly string[],
  status: number,
  body: (terminal: Terminal, session: Session) => Promise<void>,
): Promise<void> {
  await using terminal = new Terminal(30, 100);
  const before = terminal.settings();
  const session = terminal.start(command);
  await body(terminal, session);
  assertEquals(await session.status, status, terminal.text());
  assertEquals(terminal.settings(), before, "the terminal is as it was before");
}

miniTest("a shell shows a prompt, knows its terminal, and ends with Ctrl-D", async (context) => {
  await session(shell(context, "--hostname", "box"), 3, async (terminal) => {
    const before = terminal.settings();
    await terminal.shows(/\/ # /);
    assert(terminal.settings() !== before, "every key goes to the container");
    await terminal.ask("tty\r", /\n\/dev\/pts\/0\r\n/);
    await terminal.ask("ps -o pid,args | head -n 2\r", /\n\s+1 sh\r\n/);
    await terminal.ask("stty size\r", /\n30 100\r\n/);
    await terminal.ask("echo through > /dev/console\r", /\nthrough\r\n/);
    await terminal.ask("test -t 0 && test -t 1 && test -t 2 && echo all three\r", /\nall three\r\n/);
    await terminal.ask("echo $TERM\r", /\nxterm\r\n/);
    await terminal.ask("sh -c 'exit 3'\r", /# $/);
    await terminal.type("\x04");
  });
});

miniTest("jobs are stopped, continued and interrupted by keys", async (context) => {
  await session(shell(context), 130, async (terminal) => {
    await terminal.shows(/# /);
    await terminal.type("sleep 1000\r");
    // The shell hands the terminal over when the job begins.
    const stopped = async () => {
      await terminal.type("\x1a");
      return /Stopped/.test(terminal.text());
    };
    await until("the job is stopped", stopped);
    await terminal.ask("jobs\r", /Stopped.*sleep 1000/);
    await terminal.ask("fg\r", /\nsleep 1000/);
    const interrupted = async () => {
      await terminal.type("\x03");
      return /\n\/ # $/.test(terminal.text());
    };
    await until("the job is interrupted", interrupted);
    await terminal.ask("echo $?\r", /\n130\r\n/);
    await terminal.type("exit 130\r");
  });
});

miniTest("the container's terminal has the size of ours, at first and after every change", async (context) => {
  const script = 'trap "stty size" WINCH; stty size; while :; do sleep 0.05; done';
  await session(sh(context, script), 137, async (terminal, session) => {
    await terminal.shows(/^30 100\r\n/);
    terminal.resize(41, 133);
    await terminal.shows(/\n41 133\r\n/);
    terminal.resize(10, 20);
    await terminal.shows(/\n10 20\r\n/);
    await insist(session, "SIGTERM");
  });
});

miniTest("the terminal is restored however the container ends", async (context) => {
  const ready = (terminal: Terminal) => terminal.shows(/ready/);
  await session(sh(context, "exit 7"), 7, async () => {});
  await session([...context.command, ...RUN, "starter", "no-such-program"], 127, async (terminal) => {
    await terminal.shows(/mini: cannot run no-such-program: [^\r]*\r\n/);
  });
  await session(sh(context, 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'), 9, async (t, { kill }) => {
    await ready(t);
    kill("SIGTERM");
  });
  await session(sh(context, "trap '' INT TERM HUP; echo ready; sleep 1000"), 137, async (terminal, session) => {
    await ready(terminal);
    await insist(session, "SIGINT");
  });
  await session(sh(context, "echo ready; exec sleep 1000", "--init"), 130, async (terminal) => {
    await ready(terminal);
    await terminal.type("\x03");
  });
  await session(sh(context, "echo ready; exec sleep 1000", "--init"), 131, async (terminal) => {
    await ready(terminal);
    await terminal.type("\x1c");
  });
  await session(sh(context, "echo ready; sleep 1000", "--name", "outside"), 137, async (terminal) => {
    await ready(terminal);
    assertEquals((await context.mini(["kill", "outside"])).status, 0);
  });
  await session(sh(context, "echo ready; sleep 1000", "--name", "outside"), 137, async (terminal) => {
    await ready(terminal);
    assertEquals((await context.mini(["rm", "-f", "outside"])).status, 0);
  });
});

miniTest("a stopped mini takes its terminal back when it is continued", async (context) => {
  await session(shell(context), 0, async (terminal, { kill }) => {
    await terminal.shows(/# /);
    const raw = terminal.settings();
    kill("SIGSTOP");
    // What a shell does that has its terminal back.
    const { success } = await new Deno.Command("stty", { args: ["-F", terminal.path, "sane"] }).output();
    assert(success);
    kill("SIGCONT");
    await until("raw mode", () => terminal.settings() === raw);
    await terminal.ask("echo $((6 * 7))\r", /\n42\r\n/);
    await terminal.type("exit\r");
    // "sane" is not what the terminal had at first, so what it had at first is what it gets.
  });
});

miniTest("a container ends with its terminal, even one that ignores that", async (context) => {
  await using first = new Terminal();
  await using second = new Terminal();
  await using third = new Terminal();
  const shellSession = first.start(shell(context));
  const stubborn = second.start(sh(context, "trap '' HUP; echo ready; while :; do sleep 0.1; done"));
  const plain = third.start([...context.command, "run", "--rm", "starter", "sh", "-c", "echo ready; sleep 1000"]);
  await first.shows(/# /);
  await second.shows(/ready/);
  await third.shows(/ready/);
  await Promise.all([first.hangUp(), second.hangUp(), third.hangUp()]);
  await until("the shell's end", () => shellSession.status.then(() => true));
  assertEquals(await stubborn.status, 137);
  assertEquals(await plain.status, 137);
});

/** What is in a file; nothing if it is not there yet. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

miniTest("under nohup a container outlives its terminal", async (context) => {
  await using terminal = new Terminal();
  const file = `${context.folder}/out`;
  const script = "echo ready; sleep 0.5; echo done; exit 5";
  const { status } = terminal.start(
    ["nohup", ...context.command, "run", "--rm", "starter", "sh", "-c", script],
    `</dev/null >${file} 2>&1`,
  );
  await until("it runs", () => textOf(file).includes("ready"));
  await terminal.hangUp();
  assertEquals(await status, 5);
  assertMatch(Deno.readTextFileSync(file), /ready\ndone\n/);
});

miniTest("every byte passes through a terminal in raw mode, both ways", async (context) => {
  const script = "stty raw -echo; echo ready; dd bs=1 count=1024 2>/dev/null | tee /dev/stderr | md5sum >&2";
  const noKeysDetach = "--detach-keys=";
  await session(sh(context, `${script}; stty sane; echo; echo end`, noKeysDetach), 0, async (terminal) => {
    await terminal.shows(/ready\n/);
    const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
    await terminal.type(bytes);
    await terminal.shows(/end\r\n$/);
    const shown = terminal.bytes(), at = terminal.text().indexOf("ready\n") + "ready\n".length;
    // Written to the terminal as they came, one after the other.
    assertEquals(shown.subarray(at, at + 1024), bytes);
  });
});

miniTest("a program that reads nothing does not keep keys from coming through later", async (context) => {
  const script = "stty raw -echo; echo ready; sleep 0.5; head -c 100000 | md5sum; stty sane";
  await session(sh(context, script), 0, async (terminal) => {
    await terminal.shows(/ready\n/);
    await terminal.type("x".repeat(100_000));
    await terminal.shows(/[0-9a-f]{32} +-/);
    const digest = new Deno.Command("sh", { args: ["-c", "head -c 100000 /dev/zero | tr '\\0' x | md5sum"] })
      .outputSync();
    assert(terminal.text().includes(new TextDecoder().decode(digest.stdout).slice(0, 32)), terminal.text());
  });
});

miniTest("a lot of output comes through a terminal whole", async (context) => {
  const { status, stdout } = await inTerminal(sh(context, "seq 1 200000"));
  assertEquals(status, 0);
  const lines = stdout.split("\r\n");
  assertEquals([lines.length, lines[0], lines[199_999]], [200_001, "1", "200000"]);
  assert(lines.slice(0, 200_000).every((line, i) => line === `${i + 1}`));
});

miniTest("-t alone gives a terminal without input, and -it wants one", async ({ mini, command }) => {
  const alone = await mini(["run", "--rm", "-t", "starter", "sh", "-c", "tty; test -t 1 && echo terminal"]);
  assertEquals(alone, { status: 0, stdout: "/dev/pts/0\r\nterminal\r\n", stderr: "" });
  const refused = await mini(["run", "--rm", "-it", "starter", "sh"], { stdin: "exit\n" });
  assertEquals([refused.status, refused.stdout], [1, ""]);
  assertEquals(
    refused.stderr,
    "mini: standard input is not a terminal: leave out -t to pipe something into the container\n",
  );
  const piped = [...command, "run", "--rm", "-it", "starter", "sh", "-c", "echo out"];
  const { status, stdout } = await inTerminal(["sh", "-c", '"$@" | tr a-z A-Z', "sh", ...piped]);
  assertEquals([status, stdout], [0, "OUT\r\n"]);
});

miniTest(
  "a container with a terminal ends when nobody reads its output, or it cannot be written",
  async ({ command }) => {
    const run = (program: string, to: string) =>
      new Deno.Command("bash", {
        args: ["-c", `"$@" run --rm -t starter ${program} ${to}`, "bash", ...command],
      }).output();
    const { code, stdout } = await run("yes", '| head -n 1; exit "${PIPESTATUS[0]}"');
    assertEquals(new TextDecoder().decode(stdout), "y\r\n");
    assert(code !== 0 && code < 143, `${code}`);
    const full = await run("sh -c 'echo one; sleep 0.1; echo two'", ">/dev/full");
    assertEquals(full.code, 125);
    assertEquals(
      new TextDecoder().decode(full.stderr),
      "mini: the container's output cannot be written: no space left on device\n",
    );
  },
);

miniTest("a user other than root has its terminal", async ({ command }) => {
  const script = "echo to the terminal > /dev/tty; echo to output > /dev/stdout; id -u";
  const { status, stdout } = await inTerminal([...command, ...RUN, "-u", "1000", "starter", "sh", "-c", script]);
  assertEquals([status, stdout], [0, "to the terminal\r\nto output\r\n1000\r\n"]);
});
