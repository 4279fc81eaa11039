/** The texts of `mini --help`, `mini image --help` and `mini run --help`. */

import type { Command, CommandRow, Flag } from "./command.ts";
import { commandsUnder, names, nounsOf } from "./find.ts";
import { globalFlags } from "./globals.ts";
import { withHelp } from "./parse.ts";
import type { Style } from "./terminal.ts";

/** What `mini --help` is about. */
export interface Table {
  readonly groups: readonly string[];
  readonly nouns: Readonly<Record<string, string>>;
  readonly commands: readonly Command[];
}

/** The text of `mini --help`. */
export function overviewHelp({ groups, nouns, commands }: Table, style: Style): string {
  const sections = groups.map((group) => {
    const inGroup = commands.filter((command) => {
      return command.group === group && !command.hidden && !command.name.includes(" ");
    });
    return section(group, inGroup.map((command) => [command.name, command.summary]), style);
  });
  return [
    "Usage:  mini [OPTIONS] COMMAND\n",
    "A container runtime in one file.\n",
    ...sections,
    section("More commands", nounsOf(commands).map((noun) => [noun, nouns[noun] ?? ""]), style),
    section("Options", flagTerms(withHelp(globalFlags)), style),
    section("Examples", [
      ["mini run -it --rm starter sh", "A shell in a new container, gone when it exits"],
      ["mini help run", "Everything about a command"],
    ], style),
  ].filter((text) => text !== "").join("\n");
}

/** The text of `mini image --help`. */
export function nounHelp(noun: string, { nouns, commands }: Table, style: Style): string {
  const lines = commandsUnder(noun, commands).map(({ verb, command }): Line => [verb, command.summary]);
  return [
    `Usage:  mini ${noun} COMMAND\n`,
    `${nouns[noun] ?? ""}\n`,
    section("Commands", lines, style),
    `See 'mini ${noun} COMMAND --help' for more about a command.\n`,
  ].join("\n");
}

/** The text of `mini run --help`; `name` is the name by which the command was called. */
export function commandHelp(command: CommandRow, name: string, style: Style): string {
  const aliases = names(command).length > 1 ? names(command).map((name) => `mini ${name}`).join(", ") : "";
  const flags = withHelp(command.flags);
  const headings = [...new Set(flags.map((flag) => flag.heading ?? "Options"))];
  const sections = headings.map((heading) => {
    return section(heading, flagTerms(flags.filter((flag) => (flag.heading ?? "Options") === heading)), style);
  });
  const examples = (command.examples ?? []).map(({ command, comment }): Line => [command, comment]);
  return [
    `Usage:  mini ${name} ${command.usage}`.trimEnd() + "\n",
    wrap(command.summary, style.width).map((line) => `${line}\n`).join(""),
    aliases && `${heading("Aliases", style)}\n${wrap(aliases, style.width - 2).map((line) => `  ${line}\n`).join("")}`,
    ...sections,
    section("Examples", examples, style),
  ].filter((text) => text !== "").join("\n");
}

/** A term and what it means. */
type Line = readonly [term: string, meaning: string];

function heading(text: string, style: Style): string {
  return style.bold ? `\x1b[1m${text}:\x1b[0m` : `${text}:`;
}

/** The terms in one column, the meanings wrapped in another; a long term has a line of its own. */
function section(title: string, lines: readonly Line[], style: Style): string {
  if (lines.length === 0) return "";
  const widest = Math.floor(style.width / 2) - 4;
  const column = Math.max(0, ...lines.map(([term]) => term.length).filter((length) => length <= widest));
  const indent = " ".repeat(column + 5);
  const text = lines.map(([term, meaning]) => {
    const [first = "", ...more] = wrap(meaning, style.width - indent.length);
    const rest = more.map((line) => `${indent}${line}\n`).join("");
    if (term.length > column) return `  ${term}\n${indent}${first}\n${rest}`;
    return `  ${term.padEnd(column)}   ${first}`.trimEnd() + `\n${rest}`;
  });
  return `${heading(title, style)}\n${text.join("")}`;
}

/** `-e, --env list` and its description, as Docker prints them. */
export function flagTerms(flags: readonly Flag[]): Line[] {
  return flags.map((flag) => {
    const short = flag.short ? `-${flag.short}, ` : "    ";
    const value = flag.placeholder ?? PLACEHOLDER[flag.kind];
    const ending = flag.default !== undefined ? ` (default ${quoted(flag)})` : "";
    const keys = flag.keys ? ` ${flag.keys.join(", ")}` : "";
    return [`${short}--${flag.name}${value && ` ${value}`}`, `${flag.description}${keys}${ending}`];
  });
}

const PLACEHOLDER: Record<Flag["kind"], string> = {
  boolean: "",
  string: "string",
  list: "list",
  choice: "string",
  integer: "int",
  number: "decimal",
  bytes: "bytes",
  duration: "duration",
};

function quoted(flag: Flag): string {
  return flag.kind === "string" || flag.kind === "choice" ? `"${flag.default}"` : `${flag.default}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
