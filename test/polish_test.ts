/** What is alike in all commands, tried on each that the table has. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Command } from "../cli/command.ts";
import { commands } from "../cli/table.ts";
import { assertRefused, miniTest, needsProgram, runCommand } from "./harness.ts";

const visible = commands.filter(({ hidden }) => !hidden);
const flag = ({ flags }: Command, wanted: string) => flags.find(({ name }) => name === wanted);
const words = ({ name }: Command) => name.split(" ");
/** Lists that need no name and come to an end, with the flags for that. */
const lists = visible.filter((command) =>
  flag(command, "format")?.values?.includes("table") && command.positionals.min === 0
)
  .map((command) => ({
    command,
    line: [
      ...words(command),
      ...flag(command, "no-stream") ? ["--no-stream"] : [],
      ...flag(command, "all") ? ["--all"] : [],
    ],
  }));

miniTest("every filter refuses a key that it does not know, and says which it knows", async ({ mini }) => {
  const filtering = visible.filter((command) => flag(command, "filter"));
  assert(filtering.length > 4);
  await Promise.all(filtering.map(async (command) => {
    const { keys = [] } = flag(command, "filter")!;
    const refused = await mini([...words(command), "--filter", "nonsense=1"]);
    assertRefused(refused, 1, "there is no filter 'nonsense'", ...keys);
    const known = /only (.*)\n$/.exec(refused.stderr)![1]!.split(", ").filter((key) => !key.endsWith("!"));
    assertEquals(known, keys, command.name);
    assertRefused(await mini([...words(command), "--filter", "label"]), 1, "is not of the form key=value");
  }));
});

miniTest("every list prints the same things as a table, as JSON, and through a template", async ({ mini }) => {
  assert(lists.length > 3);
  await mini(["run", "--name", "ended", "starter", "true"]);
  for (const { command, line } of lists) {
    const out = async (...more: string[]) => {
      const { status, stdout, stderr } = await mini([...line, ...more]);
      assertEquals([status, stderr], [0, ""], [...line, ...more].join(" "));
      return stdout;
    };
    const json = (await out("--format", "json")).split("\n").filter(Boolean);
    const things = json.map((text) => JSON.parse(text) as Record<string, unknown>);
    assertEquals((await out("--format", "{{json .}}")).split("\n").filter(Boolean).length, json.length, command.name);
    const table = (await out()).trimEnd().split("\n");
    // What is to be mended, and how, stands below the doctor's table.
    const rows = command.name === "system check" ? table.findIndex((line) => line === "") : table.length;
    assertEquals(rows < 0 ? table.length : rows, json.length + 1, command.name);
    assertMatch(table[0]!, /^[A-Z][A-Z %/]+$/);
    // A column is as wide as what is in it, and what is in it may be a time that goes by.
    const heading = (line = "") => line.replace(/ {2,}/g, "  ");
    assertEquals(heading((await out("--format", "table")).split("\n")[0]), heading(table[0]), command.name);
    for (const [name, value] of Object.entries(things[0] ?? {})) {
      assertMatch(name, /^[A-Z][A-Za-z0-9]+$/, command.name);
      assertEquals(typeof value, "string", `${command.name} .${name}: as in Docker, all that is listed is text`);
    }
    if (things.length > 0) {
      const wrong = await mini([...line, "--format", "{{.Nonsense}}"]);
      assertRefused(wrong, 1, "the template asks for .Nonsense, which does not exist");
    }
    if (flag(command, "quiet")) {
      for (const id of (await out("--quiet")).split("\n").filter(Boolean)) assertMatch(id, /^[\w.:-]+$/, command.name);
    }
  }
  await mini(["rm", "ended"]);
});

miniTest("colours are for terminals, and not where NO_COLOR is set", async ({ mini, command }) => {
  for (const args of [["--help"], ["run", "--help"], ["images"], ["ps", "-a"], ["info"]]) {
    const { stdout, stderr } = await mini(args);
    assert(!(stdout + stderr).includes("\x1b"), args.join(" "));
  }
  const line = [...command, "run", "--help"].map((word) => `'${word}'`).join(" ");
  const onTerminal = async (env: Record<string, string>) =>
    (await runCommand(["script", "-qec", line, "/dev/null"], {
      onlyEnv: { PATH: Deno.env.get("PATH")!, TERM: "xterm", ...env },
    })).stdout;
  assertStringIncludes(await onTerminal({}), "\x1b[1mExamples:");
  assert(!(await onTerminal({ NO_COLOR: "1" })).includes("\x1b"));
  assert(!(await onTerminal({ TERM: "dumb" })).includes("\x1b"));
}, [needsProgram("script")]);

miniTest("names of containers, images and both are completed", async ({ mini }) => {
  await mini(["create", "--name", "web", "starter", "true"]);
  const offered = async (...line: string[]) =>
    (await mini(["__complete", "--", ...line])).stdout.split("\n").flatMap((line) => line.split("\t")[0] || []);
  // The folders stand in the line that is completed.
  const at = async (root: string, ...line: string[]) => await offered("--root", root, ...line);
  const root = (await mini(["info", "-f", "{{.DockerRootDir}}"])).stdout.trim();
  assertEquals(await at(root, "rm", ""), ["web", ":none"]);
  assertEquals(await at(root, "rmi", ""), ["localhost/starter:latest", ":none"]);
  assertEquals(await at(root, "inspect", "w"), ["web", ":none"]);
  assertEquals(await at(root, "inspect", "l"), ["localhost/starter:latest", ":none"]);
  await mini(["rm", "web"]);
});

miniTest("what the host forbids is told with what can be done about it", async ({ mini, root, folder }) => {
  await mini(["run", "--rm", "starter", "true"]);
  Deno.writeTextFileSync(`${folder}/file`, "");
  assertRefused(await mini(["--root", `${folder}/file`, "ps"]), 1, `${folder}/file`, "--root and --state");
  assert(root.startsWith(folder));
});
