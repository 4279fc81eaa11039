import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, miniTest, needsIdmaps, until } from "./harness.ts";
import { Terminal } from "./pty.ts";

const CALL = /^(\d+)\/(\d+) {2}(\S+) {2}([a-z0-9_]+)\(/gm;
const RUN = ["run", "--network", "none", "--step"];

/** In a user namespace, where mounts can have its ids. */
const USER = needsIdmaps() === undefined ? ["--userns", "auto"] : [];

miniTest("--step shows the calls that --explain tells, each before it is made, and its result", async ({ mini }) => {
  const command = ["starter", "sh", "-c", "echo done; exit 3"];
  const { status, stdout, stderr } = await mini([...RUN, "--rm", ...command], { stdin: "\n".repeat(2000) });
  assertEquals([status, stdout], [3, "done\n"]);
  const shown = [...stderr.matchAll(CALL)].map(([, , , phase, call]) => `${phase} ${call}`);
  const format = ["--explain", "--explain-format", "json"];
  const explained = await mini(["run", "--network", "none", "--rm", ...format, ...command]);
  const done = explained.stderr.trim().split("\n").map((line) => JSON.parse(line)).flatMap(({ phase, call }) => {
    const name = call.match(/^([a-z0-9_]+)\(/)?.[1];
    return phase === "mini" || phase === "start" || name === undefined ? [] : [`${phase} ${name}`];
  });
  assert(done.length > 100);
  assertEquals(shown, done);
  const plan = await mini(["explain", "--format", "json", "run", "--network", "none", "--rm", ...command]);
  assertEquals(stderr.match(/^1\/(\d+) /m)?.[1], `${plan.stdout.trim().split("\n").length}`, "as many as are planned");
  assertMatch(stderr, /pivot_root\("\.", "\."\)\n.*pivot_root\(2\)\n {4}= 0\n/);
});

miniTest("a pause lets others look: the container is as far as it was shown to be", async ({ command, state }) => {
  const [program, ...args] = [...command, ...RUN, "--rm", "starter", "true"];
  const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "null", stderr: "piped" }).spawn();
  let said = "";
  const reading = (async () => {
    for await (const chunk of child.stderr) said += new TextDecoder().decode(chunk);
  })();
  const input = child.stdin.getWriter();
  const type = (text: string) => input.write(new TextEncoder().encode(text));
  const last = () => [...said.matchAll(CALL)].at(-1);
  await until("the first pause", last);
  const pid = Number(said.match(/process (\d+) waits/)![1]);
  const root = () => Deno.readLinkSync(`/proc/${pid}/root`);
  const mounts = () => Deno.readTextFileSync(`/proc/${pid}/mountinfo`);
  assertEquals(last()![1], "1");
  assert(!mounts().includes(state.replace("/state", "/root/containers")), "its root is not mounted");
  for (let i = 0; last()![3] !== "mounts"; i++) {
    const phase = last()![3];
    await type("n\n");
    await until("the next phase", () => last()![3] !== phase);
    assert(i < 5);
  }
  assert(mounts().includes(" - overlay "), "its root is mounted");
  assert(root().startsWith("/"));
  await type("c\n");
  assertEquals((await child.status).code, 0);
  await input.close().catch(() => {});
  await reading;
});

miniTest("q, Ctrl-C and the end of the input end it, and leave nothing", async ({ mini, start, command, root }) => {
  const nothing = () => assertEquals([...Deno.readDirSync(`${root}/containers`)], []);
  for (const flags of [[], USER, ["-t"]]) {
    const { status, stdout, stderr } = await mini([...RUN, ...flags, "starter", "true"], { stdin: "\n\n\nq\n" });
    assertEquals([status, stdout], [130, ""], stderr);
    assertEquals([...stderr.matchAll(CALL)].length, 4);
    nothing();
  }
  const ended = await mini([...RUN, "starter", "true"]);
  assertEquals(ended.status, 130);
  assertStringIncludes(ended.stderr, "standard input has ended");
  nothing();
  await using terminal = new Terminal();
  const session = terminal.start([...command, ...RUN, "starter", "true"]);
  await terminal.shows(/1\/\d+/);
  await terminal.type("\x03");
  assertEquals(await session.status, 130);
  nothing();
  const killed = start([...RUN, "--rm", "starter", "true"], { stdin: "\n".repeat(20) });
  await until("a pause", () => killed.stderr().includes("/"));
  killed.kill("SIGKILL");
  await killed.output;
  assertEquals((await mini(["system", "check"])).status, 0);
  nothing();
});

miniTest("--step steps through containers of every kind to their end", async ({ mini }) => {
  for (
    const flags of [USER, ["-t"], ["-u", "1000", "--read-only"], [
      "--security-opt",
      "no-new-privileges=false",
    ]]
  ) {
    const { status, stdout, stderr } = await mini([...RUN, "--rm", ...flags, "starter", "echo", "x"], { stdin: "c\n" });
    assertEquals([status, stdout.trim()], [0, "x"], stderr);
  }
  const wrong = await mini([...RUN, "--rm", "starter", "nothing-like-this"], { stdin: "c\n" });
  assertEquals(wrong.status, 127);
  assertMatch(wrong.stderr, /mini: .*nothing-like-this/);
});

miniTest("--step is refused where nobody could press Enter", async ({ mini }) => {
  const refused = async (words: string, ...flags: string[]) =>
    assertRefused(await mini([...RUN, ...flags, "starter", "true"]), 125, words);
  await refused("leave out -d", "-d");
  await refused("that -i gives to the container", "-i");
  await refused("leave out --explain", "--explain");
  await refused("--init closes", "--init");
});
