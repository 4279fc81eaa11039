/**
 * `deno task docs`: writes docs/commands.md, the reference of all commands, out of the table that the command line itself reads.
 * A test fails where it is not what this would write.
 */
import { resolve } from "@std/path";
import type { Command, Flag } from "../cli/command.ts";
import { names } from "../cli/find.ts";
import { globalFlags } from "../cli/globals.ts";
import { flagTerms } from "../cli/help.ts";
import { commands, groups } from "../cli/table.ts";

/** What is written. */
export const REFERENCE = resolve(import.meta.dirname!, "../docs/commands.md");

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
const flagTable = (flags: readonly Flag[]) =>
  flags.length === 0
    ? ""
    : `| flag | meaning |\n| --- | --- |\n${
      flagTerms(flags).map(([term, meaning]) => `| \`${cell(term.trim())}\` | ${cell(meaning)} |\n`).join("")
    }\n`;

function section(command: Command): string {
  const { name, usage, summary, flags, examples = [] } = command;
  const aliases = names(command).slice(1).map((alias) => `\`mini ${alias}\``);
  const headings = [...new Set(flags.map(({ heading }) => heading))];
  return [
    `### mini ${name}\n`,
    `${summary}.\n`,
    `\`\`\`text\nmini ${name} ${usage}\n\`\`\`\n`,
    ...aliases.length > 0 ? [`Also ${aliases.join(", ")}.\n`] : [],
    ...headings.map((heading) =>
      (heading ? `${heading}:\n\n` : "") + flagTable(flags.filter((flag) => flag.heading === heading))
    ),
    ...examples.length > 0
      ? [`\`\`\`sh\n${examples.map(({ command, comment }) => `# ${comment}\n${command}\n`).join("")}\`\`\`\n`]
      : [],
  ].join("\n").replace(/\n{3,}/g, "\n\n");
}

/** The text of the reference. */
export function reference(): string {
  const shown = commands.filter(({ hidden }) => !hidden);
  const anchor = (name: string) => `#mini-${name.replaceAll(" ", "-")}`;
  return [
    "# Commands\n",
    "Written by `deno task docs` out of the table of commands; do not edit. `mini COMMAND --help` says the same, and\n" +
    "`sudo mini man /usr/local/share/man/man1` installs it as manual pages.\n",
    "Before the command:\n",
    flagTable(globalFlags),
    ...groups.flatMap((group) => {
      const inGroup = shown.filter((command) => command.group === group);
      const links = inGroup.map(({ name }) => `[${name}](${anchor(name)})`).join(" · ");
      return [`## ${group}\n`, `${links}\n`, ...inGroup.map(section)];
    }),
  ].join("\n").replace(/\n{3,}/g, "\n\n").trimEnd() + "\n";
}

if (import.meta.main) Deno.writeTextFileSync(REFERENCE, reference());
