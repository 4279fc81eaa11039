import { assert, assertEquals } from "@std/assert";
import type { CommandRow, Flag } from "./command.ts";
import { names, nounsOf } from "./find.ts";
import { globalFlags } from "./globals.ts";
import { parse, withHelp } from "./parse.ts";
import { commands, groups, nouns } from "./table.ts";

/** The rows of all files in rows/, so that one is sound before its implementation stands in the table. */
const rows: CommandRow[] = [];
for (const { name } of Deno.readDirSync(new URL("rows", import.meta.url))) {
  const module: Record<string, unknown> = await import(`./rows/${name}`);
  rows.push(...Object.values(module).filter((value) => !Array.isArray(value)) as CommandRow[]);
}

const flagsByCommand: [string, readonly Flag[]][] = [
  ["mini", withHelp(globalFlags)],
  ...rows.map(({ name, flags }): [string, readonly Flag[]] => [name, withHelp(flags)]),
];

function assertUnique(words: readonly string[]): void {
  assertEquals([...new Set(words)], words);
}

Deno.test("every name is one command's", () => {
  assertUnique(rows.flatMap(names));
  assertUnique(commands.flatMap(names));
});

Deno.test("every command stands under a heading and every first word has a summary", () => {
  for (const { name, group } of rows) assert(groups.includes(group), name);
  assertEquals(Object.keys(nouns).sort(), [...nounsOf(commands)].sort());
});

Deno.test("summaries and descriptions are short lines without a final stop", () => {
  const lines = [
    ...rows.map(({ summary }) => summary),
    ...flagsByCommand.flatMap(([, flags]) => flags.map(({ description }) => description)),
  ];
  for (const line of lines) assert(/^[A-Z][^\n]{2,79}[^.]$/.test(line), line);
  // What an example does may be the name of a thing, in lower case.
  const comments = rows.flatMap(({ examples = [] }) => examples.map(({ comment }) => comment));
  for (const comment of comments) assert(/^[^\n]{3,79}[^.]$/.test(comment), comment);
});

Deno.test("no command has two flags of one name or letter, and every value can be read", () => {
  for (const [command, flags] of flagsByCommand) {
    assertUnique(flags.map(({ name }) => name));
    assertUnique(flags.flatMap(({ short }) => short ? [short] : []));
    for (const { name, kind, values } of flags) {
      assert(/^[a-z][a-z0-9-]+$/.test(name), `${command} --${name}`);
      assert(kind !== "choice" || (values && values.length > 0), `${command} --${name} has no choices`);
    }
  }
});

Deno.test("every default is a value that the flag takes", () => {
  for (const row of rows) parse({ ...row, positionals: { min: 0 } }, [], "mini");
});

Deno.test("every command can be loaded", async () => {
  for (const { load } of commands) assertEquals(typeof (await load()).default, "function");
});
