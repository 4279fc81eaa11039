import { assert, assertEquals } from "@std/assert";
import type { CommandRow, Flag } from "./command.ts";
import { findCommand, names, nounsOf } from "./find.ts";
import { frequent } from "./frequent.ts";
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

Deno.test("a command that is found without the table is the table's", async () => {
  for (const [name, row] of Object.entries(frequent)) {
    for (const words of [[name], [name, "ls"]]) {
      const found = findCommand(words, commands);
      assert(found.type === "command" && found.name === name, name);
      const { load, ...rest } = await row(), { load: loadFound, ...restFound } = found.command;
      assertEquals(rest, restFound);
      assertEquals(await load(), await loadFound());
    }
  }
});

Deno.test("every command can be loaded", async () => {
  for (const { load } of commands) assertEquals(typeof (await load()).default, "function");
});

/** Commands that people type. */
const visible = rows.filter(({ hidden }) => !hidden);

Deno.test("every command has examples, and each of them is a command line that can be read", () => {
  for (const { name, examples = [] } of visible) {
    assert(examples.length > 0, `${name} has no examples`);
    // Some begin with another program, and lead into mini; what follows a pipe is another program again.
    for (const { command } of examples) assert(/(^|[ (])mini /.test(command), `${name}: ${command}`);
  }
});

Deno.test("examples are of their own command, with flags that it has", () => {
  for (const row of visible) {
    const own = (row.examples ?? []).flatMap(({ command }) => {
      return command.split(/[|;()]/).flatMap((part) =>
        /^(?:sudo )?mini (.*)|xargs -r mini (.*)/.exec(part.trim())?.slice(1) ?? []
      )
        .filter((line) => line !== undefined);
    });
    const named = own.filter((line) => names(row).some((name) => line === name || line.startsWith(`${name} `)));
    assert(named.length > 0, `the examples of ${row.name} are of other commands: ${own.join("; ")}`);
    for (const line of own) {
      const command = rows.find((other) => names(other).some((name) => line === name || line.startsWith(`${name} `)));
      assert(command, `${row.name}: ${line}`);
      const words = line.split(" ").slice(0, command.positionals.stopAtFirst ? 3 : undefined);
      for (const [, flag] of words.join(" ").matchAll(/(?<=\s)--([a-z-]+)/g)) {
        assert(withHelp(command.flags).some(({ name }) => name === flag), `${row.name}: --${flag} in ${line}`);
      }
    }
  }
});

Deno.test("--format, --filter, --quiet and --force mean the same everywhere", () => {
  for (const { name, flags } of visible) {
    const flag = (wanted: string) => flags.find((flag) => flag.name === wanted);
    const format = flag("format"), filter = flag("filter");
    if (format && format.kind !== "choice") {
      assert(format.description.startsWith("Print with a Go template"), name);
      assert(format.values?.includes("json"), `${name} --format does not offer json`);
    }
    if (filter) {
      assert(filter.kind === "list" && (filter.keys ?? []).length > 0, `${name} --filter has no keys`);
      assertEquals([...filter.keys!].sort(), filter.keys, `${name} --filter: the keys are not in order`);
    }
    assert(["q", undefined].includes(flag("quiet")?.short), name);
    assert(["f", undefined].includes(flag("force")?.short), name);
  }
});

Deno.test("what is named on a command line can be completed", () => {
  for (const { name, positionals } of visible) {
    const needs = positionals.needs ?? "";
    for (const kind of ["container", "image", "volume", "network"] as const) {
      // A new name is nobody's yet.
      if (!new RegExp(`\\b${kind}\\b`).test(needs)) continue;
      const offered = positionals.complete ?? [];
      assert(
        offered.includes(kind) || offered.includes("thing"),
        `${name} needs ${needs}, and completion offers no ${kind}`,
      );
    }
  }
});
