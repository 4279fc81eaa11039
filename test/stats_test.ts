/** `mini stats`: what containers use. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, miniTest, needsProgram, startCommand, until } from "./harness.ts";

const LINE = /^[0-9a-f]{12} +(\w+) +([\d.]+)% +[\d.]+\w+ \/ [\d.]+GiB +[\d.]+% +0B \/ 0B +\S+ \/ \S+ +(\d+)$/;

miniTest("stats prints what containers use, once or again and again", async ({ mini, start }) => {
  await mini(["run", "-d", "--name", "busy", "starter", "sh", "-c", "sleep 1000 & while :; do :; done"]);
  await mini(["run", "-d", "--name", "idle", "starter", "sleep", "1000"]);
  await mini(["run", "--name", "ended", "starter", "true"]);
  const once = async (...args: string[]) =>
    (await mini(["stats", "--no-stream", ...args])).stdout.trimEnd().split("\n");
  const [heading, idle, busy, ...more] = await once();
  assertMatch(heading!, /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/);
  assertEquals(more, []);
  const numbers = (line: string | undefined) => LINE.exec(line ?? "")?.slice(1) ?? [line];
  assertEquals([numbers(idle)[0], numbers(idle)[2]], ["idle", "1"]);
  assertEquals([numbers(busy)[0], numbers(busy)[2]], ["busy", "2"]);
  // However busy the machine is, it gets more than one that sleeps.
  assert(Number(numbers(busy)[1]) > Number(numbers(idle)[1]), `${idle}\n${busy}`);
  assertStringIncludes((await once("-a"))[1]!, "--");
  assertEquals(await once("idle", "--format", "{{.Name}} {{.PIDs}}"), ["idle 1"]);
  assertEquals(await once("idle", "--format", "{{.Container}}"), ["idle"]);
  assertMatch((await once("--format", "{{.Container}} {{.ID}}"))[0]!, /^([0-9a-f]{12}) \1$/);
  assertEquals(JSON.parse((await once("idle", "--format", "json"))[0]!).Name, "idle");
  assertRefused(await mini(["stats", "--no-stream", "nothing"]), 1, "No such container: nothing");

  const running = start(["stats", "--format", "{{.Name}}"]);
  await until("two rounds", () => running.stdout().startsWith("idle\nbusy\nidle\nbusy\n"));
  await mini(["rm", "-f", "busy"]);
  await until("a round without it", () => running.stdout().endsWith("idle\nidle\n"));
  running.kill("SIGINT");
  await running.output;
  await mini(["rm", "-f", "idle", "ended"]);
});

miniTest("stats draws on a terminal over what it has drawn", async ({ mini, command }) => {
  await mini(["run", "-d", "--name", "idle", "starter", "sleep", "1000"]);
  const line = [...command, "stats"].map((word) => `'${word}'`).join(" ");
  const drawing = startCommand(["script", "-qefc", line, "/dev/null"]);
  await until("a second table", () => drawing.stdout().split("\x1b[H").length > 2);
  // Its terminal goes with it.
  drawing.kill("SIGTERM");
  const { stdout } = await drawing.output;
  assert(stdout.startsWith("\x1b[2J\x1b[HCONTAINER ID"), stdout);
  await mini(["rm", "-f", "idle"]);
}, [needsProgram("script")]);
