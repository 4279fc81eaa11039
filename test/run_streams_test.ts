/** The standard streams of `mini run` without a terminal: whole, apart, and ended as in any pipeline. */
import { assert, assertEquals } from "@std/assert";
import { type Context, miniTest, needsProgram, type Output, runCommand } from "./harness.ts";

const MEGABYTES = 100 << 20;

/** Runs a line of bash in which `mini` is the command under test, as `run --rm` with what follows. */
function bash({ command, folder }: Context, line: string): Promise<Output> {
  const words = command.map((word) => `'${word}'`).join(" ");
  return runCommand(["bash", "-c", `mini() { ${words} "$@"; }; run() { mini run --rm "$@"; }; ${line}`], {
    cwd: folder,
  });
}

const ok = (stdout: string): Output => ({ status: 0, stdout, stderr: "" });

miniTest("input reaches the container with -i, ends there as here, and is nothing without -i", async (context) => {
  const { mini } = context;
  assertEquals(await mini(["run", "--rm", "-i", "starter", "cat"], { stdin: "one\ntwo" }), ok("one\ntwo"));
  assertEquals(await mini(["run", "--rm", "-i", "starter", "cat"], { stdin: "" }), ok(""));
  assertEquals(await mini(["run", "--rm", "starter", "cat"], { stdin: "not for it" }), ok(""));
  assertEquals(await bash(context, "run starter readlink /proc/self/fd/0 </dev/zero"), ok("/dev/null\n"));
  // A reader that goes on after the end of its input.
  const script = "cat; echo after; exit 3";
  assertEquals(await mini(["run", "--rm", "-i", "starter", "sh", "-c", script], { stdin: "x\n" }), {
    status: 3,
    stdout: "x\nafter\n",
    stderr: "",
  });
});

miniTest("100 MB pass through a container unchanged, from a file and from a pipe", async (context) => {
  const { folder } = context;
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  using file = Deno.openSync(`${folder}/input`, { write: true, create: true });
  for (let i = 0; i < MEGABYTES / block.length; i++) {
    new DataView(block.buffer).setUint32(0, i);
    file.writeSync(block);
  }
  const expected = await bash(context, "md5sum <input");
  assertEquals(await bash(context, "run -i starter cat <input | md5sum"), expected);
  assertEquals(await bash(context, "cat input | run -i starter md5sum"), expected);
});

miniTest("output and errors stay apart and come whole, 100 MB each", async (context) => {
  const script = `head -c ${MEGABYTES} /dev/zero & head -c ${MEGABYTES} /dev/zero | tr "\\\\0" e >&2; wait`;
  const line = `run starter sh -c '${script}' 2> >(md5sum >errors) | md5sum; echo "\${PIPESTATUS[0]}"`;
  const { stdout } = await bash(context, `${line}; until [ -s errors ]; do sleep 0.05; done; cat errors`);
  const expected = await bash(
    context,
    `head -c ${MEGABYTES} /dev/zero | md5sum; echo 0; head -c ${MEGABYTES} /dev/zero | tr "\\\\0" e | md5sum`,
  );
  assertEquals(stdout, expected.stdout);
});

miniTest("a container that reads its input partly or not at all ends as it likes", async (context) => {
  const status = 'echo "${PIPESTATUS[1]}"';
  assertEquals(
    await bash(context, `head -c ${MEGABYTES} /dev/zero | run -i starter head -c 3 | od -An -c; ${status}`),
    {
      ...ok("  \\0  \\0  \\0\n0\n"),
    },
  );
  assertEquals(await bash(context, `yes | run -i starter true; ${status}`), ok("0\n"));
  assertEquals(await bash(context, `sleep 3 | run -i starter true; ${status}`), ok("0\n"));
  assertEquals(await bash(context, `run -i starter sh -c 'exec <&-; sleep 0.2; echo x' </dev/zero`), ok("x\n"));
});

miniTest("a pipeline ends when its reader has read enough", async (context) => {
  const head = (program: string) =>
    bash(context, `run ${program} 2>errors | head -n 1; echo "\${PIPESTATUS[0]}"; cat errors >&2`);
  const { status, stdout, stderr } = await head("starter yes");
  // A PID 1 gets EPIPE and no SIGPIPE, so it says something; and nobody else does.
  assertEquals([status, stdout], [0, "y\n1\n"]);
  assert(/^yes: [^\n]*Broken pipe\n$/.test(stderr), stderr);
  assertEquals(await head("--init starter yes"), ok("y\n141\n"));
  assertEquals(await head("starter sh -c 'while :; do echo y; done 2>/dev/null'"), ok("y\n141\n"));
  // One that handles it goes on.
  assertEquals(
    await head(`starter sh -c 'trap : PIPE; echo a; sleep 0.1; echo b; sleep 1.5; exit 6' 2>&1`),
    ok("a\n6\n"),
  );
});

miniTest("closed streams do not disturb a container", async (context) => {
  const script = "cat; echo out; echo err >&2";
  assertEquals(await bash(context, `run -i starter sh -c '${script}' <&-`), {
    status: 0,
    stdout: "out\n",
    stderr: "err\n",
  });
  assertEquals(await bash(context, `run -i starter sh -c '${script}' </dev/null >&-`), { ...ok(""), stderr: "err\n" });
  assertEquals(await bash(context, `run -i starter sh -c '${script}' </dev/null 2>&-`), ok("out\n"));
  assertEquals(await bash(context, `run -i starter sh -c '${script}; exit 4' <&- >&- 2>&-`), { ...ok(""), status: 4 });
});

miniTest(
  "output that cannot be written is told in one sentence, and the container's end is on record",
  async (context) => {
    const message = "mini: the container's output cannot be written: no space left on device\n";
    const full = await bash(context, "mini run --name kept starter echo lost >/dev/full");
    assertEquals(full, { status: 125, stdout: "", stderr: message });
    const { stdout } = await context.mini(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]);
    assert(stdout.startsWith("kept Exited (0)"), stdout);
    assertEquals((await context.mini(["rm", "kept"])).status, 0);
  },
);

miniTest("streams that fail instead of waiting are waited for", async (context) => {
  // Whoever shares a pipe may have set O_NONBLOCK on it.
  const perl = `perl -e 'use Fcntl; fcntl($_, F_SETFL, O_NONBLOCK) or die for *STDIN, *STDOUT; exec @ARGV' --`;
  const mini = context.command.map((word) => `'${word}'`).join(" ");
  const line = `(sleep 0.3; head -c 5000000 /dev/zero) | ${perl} ${mini} run --rm -i starter cat | (sleep 0.6; wc -c)`;
  assertEquals(await bash(context, line), ok("5000000\n"));
}, [needsProgram("perl")]);

miniTest("what is written last is not lost", async (context) => {
  const line =
    `for i in $(seq 40); do run starter sh -c "echo out $i; echo err $i >&2"; done 2>&1 | sort | uniq -c | wc -l`;
  assertEquals(await bash(context, line), ok("80\n"));
});

miniTest("a process that outlives the program and holds its output open does not hold mini", async (context) => {
  assertEquals(await bash(context, `run starter sh -c 'sleep 1000 & echo started'`), ok("started\n"));
  assertEquals(await bash(context, `run --init starter sh -c 'setsid sleep 1000 & echo started'`), ok("started\n"));
});

miniTest("a container runs in the background of a shell", async (context) => {
  assertEquals(
    await bash(context, `run starter sh -c 'sleep 0.2; echo out; exit 8' & wait $!; echo $?`),
    ok("out\n8\n"),
  );
});

miniTest("inside, output is no terminal, and any user may open it anew", async ({ inside }) => {
  const script = "for fd in 0 1 2; do test -t $fd; echo $?; done; echo one > /dev/stdout; echo two > /proc/self/fd/1";
  for (const user of ["0", "1000"]) assertEquals(await inside(script, "-u", user), "1\n1\n1\none\ntwo\n");
});
