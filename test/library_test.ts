/** mod.ts: the examples as a reader runs them, and what a program can rely on. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { resolve } from "@std/path";
import { Mini, MiniError } from "../mod.ts";
import { type Context, miniTest, runCommand, startCommand, until } from "./harness.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const deno = (example: string, ...args: string[]) => [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  "--quiet",
  `${ROOT}/docs/examples/${example}`,
  ...args,
];
const env = ({ root, state }: Context) => ({ MINI_ROOT: root, MINI_STATE: state, NO_COLOR: "1" });
const library = ({ root, state }: Context) => new Mini({ root, state });
const QUIET = { network: "none" } as const;

const EXAMPLES: Record<string, RegExp> = {
  "hello.ts": /^hello from a container\n$/,
  "streams.ts": /^apple\nfig\npear\n\{ success: true, code: 0 \}\n$/,
  "exec.ts": /^workshop\n\d+ processes: \d+\n$/,
  "limits.ts": /^65534 137 SIGKILL\n$/,
};

for (const [example, expected] of Object.entries(EXAMPLES)) {
  miniTest(`docs/examples/${example} does what it says`, async (context) => {
    const { status, stdout, stderr } = await runCommand(deno(example), { env: env(context) });
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, expected);
  });
}

miniTest("docs/examples/server.ts answers each request from a container of its own", async (context) => {
  const server = startCommand(deno("server.ts", "0"), { env: env(context) });
  try {
    const [, port] = await until("its address", () => server.stdout().match(/:(\d+)\//) ?? undefined);
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: `${path}?\n` });
      return { id: response.headers.get("x-container"), text: await response.text() };
    };
    const answers = await Promise.all(["/one", "/two", "/three"].map(ask));
    assertEquals(new Set(answers.map(({ id }) => id)).size, 3);
    for (const [i, { id, text }] of answers.entries()) {
      const path = ["/one", "/two", "/three"][i];
      assertEquals(text, `process 1 on ${id} was asked for ${path}: ${path}?\n`);
    }
    await until("nothing left", () => [...Deno.readDirSync(`${context.root}/containers`)].length === 0);
  } finally {
    server.kill("SIGTERM");
    await server.output;
  }
});

miniTest("a library's container tells its streams, status and signals", async (context) => {
  const mini = library(context);
  await using both = await mini.run("starter", ["sh", "-c", "echo out; echo bad >&2; exit 7"], QUIET);
  const { stdout, stderr, ...status } = await both.output();
  const text = (bytes: Uint8Array<ArrayBuffer>) => new TextDecoder().decode(bytes);
  assertEquals([text(stdout), text(stderr), status], ["out\n", "bad\n", { success: false, code: 7 }]);
  await using sleeper = await mini.run("starter", ["sleep", "1000"], QUIET);
  assert(Deno.readTextFileSync(`/proc/${sleeper.pid}/comm`).length > 0);
  assertMatch((await context.mini(["ps", "--format", "{{.Names}}"])).stdout, new RegExp(`^${sleeper.name}$`, "m"));
  assertThrows(() => sleeper.kill("SIGNONE"), MiniError);
  sleeper.kill("SIGKILL");
  assertEquals(await sleeper.status, { success: false, code: 137, signal: "SIGKILL" });
  sleeper.kill();
  await using quiet = await mini.run("starter", ["sh", "-c", "yes | head -c 300000"], { ...QUIET, stdout: "null" });
  assertEquals((await quiet.status).success, true);
  assertThrows(() => quiet.stdout, TypeError);
  assertThrows(() => quiet.stdin, TypeError);
  await using failing = await mini.run("starter", ["sh", "-c", "echo why >&2; false"], QUIET);
  await assertRejects(() => failing.text(), MiniError, "status 1: why");
});

miniTest("leaving the block ends a container and leaves nothing, whatever it did", async (context) => {
  const mini = library(context);
  let pid: number;
  {
    await using container = await mini.run("starter", ["sh", "-c", "yes"], { ...QUIET, volumes: ["/anonymous"] });
    pid = container.pid;
  }
  assertThrows(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
  {
    await using made = await mini.create("starter", ["true"], QUIET);
    assertMatch((await context.mini(["ps", "-aq"])).stdout, new RegExp(`^${made.id.slice(0, 12)}$`, "m"));
  }
  assertEquals((await context.mini(["ps", "-aq"])).stdout, "");
  const kept = await mini.run("starter", ["false"], { ...QUIET, keep: true, name: "kept" });
  assertEquals((await kept.status).code, 1);
  await kept[Symbol.asyncDispose]();
  assertStringIncludes((await context.mini(["ps", "-a"])).stdout, "Exited (1)");
  assertEquals((await context.mini(["rm", "kept"])).status, 0);
});

miniTest("what cannot be is one sentence, and leaves nothing", async (context) => {
  const mini = library(context);
  const refused = async (words: string, exitStatus: number | undefined, run: () => Promise<unknown>) => {
    const error = await assertRejects(run, MiniError, words);
    assertEquals(error.exitStatus, exitStatus);
  };
  await refused("there is no such program", 127, () => mini.run("starter", ["nothing-here"], QUIET));
  await refused("--pull never", undefined, () => mini.run("nowhere", [], { pull: "never" }));
  await refused("not a name", undefined, () => mini.run("starter", [], { name: "-" }));
  await assertRejects(() => mini.exec("nobody", ["true"]), MiniError, "nobody");
  assertThrows(() => new Mini({ root: "here" }), MiniError, "absolute path");
  const gone = AbortSignal.abort(new Error("not wanted"));
  await assertRejects(() => mini.run("starter", ["true"], { ...QUIET, signal: gone }), Error, "not wanted");
  await using container = await mini.run("starter", ["sleep", "1000"], QUIET);
  await refused("there is no such program", 127, () => container.exec(["nothing-here"]));
  await using process = await container.exec(["sleep", "1000"], { signal: AbortSignal.timeout(100) });
  assertEquals((await process.status).signal, "SIGKILL");
  assertEquals((await context.mini(["ps", "-q"])).stdout.trim().split("\n").length, 1);
});

miniTest("a hundred containers from one program", async (context) => {
  const mini = library(context);
  const texts = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    await using container = await mini.run("starter", ["echo", `${i}`], { ...QUIET, stderr: "null" });
    return Number(await container.text());
  }));
  assertEquals(texts, Array.from({ length: 100 }, (_, i) => i));
});
