/** Manual pages out of the table of commands: man(7). */
import type { Command, CommandRow, Flag } from "./command.ts";
import { names } from "./find.ts";
import { globalFlags } from "./globals.ts";
import { flagTerms, type Table } from "./help.ts";
import { withHelp } from "./parse.ts";

/** A page: the name of its file, and what is in it. */
export interface ManPage {
  readonly file: string;
  readonly text: string;
}

/** The page of `mini image ls` is mini-image-ls(1). */
export const pageName = (command: string) => `mini-${command.replaceAll(" ", "-")}`;

/**
 * Text as roff: a backslash, a dash, and a dot or quote at the beginning of a line mean something else there, and what is not
 * ASCII is written as a number.
 */
export function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&")
    .replace(
      /[^\n -~]/gu,
      (character) => `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}

const bold = (text: string) => `\\fB${roff(text)}\\fR`;

function flagSection(title: string, flags: readonly Flag[]): string {
  if (flags.length === 0) return "";
  const lines = flagTerms(flags).map(([term, meaning]) => `.TP\n${bold(term.trim())}\n${roff(meaning)}.\n`);
  return `.SH ${title.toUpperCase()}\n${lines.join("")}`;
}

const head = (name: string, version: string) => `.TH ${roff(name).toUpperCase()} 1 "" "mini ${version}" "mini"\n`;

function commandPage(command: CommandRow, version: string): ManPage {
  const name = pageName(command.name), flags = withHelp(command.flags);
  const headings = [...new Set(flags.map((flag) => flag.heading ?? "Options"))];
  const aliases = names(command).slice(1).map((alias) => `mini ${alias}`);
  const examples = (command.examples ?? []).map(({ command, comment }) =>
    `.PP\n${roff(comment)}:\n.PP\n.nf\n.RS 4\n${roff(command)}\n.RE\n.fi\n`
  );
  return {
    file: `${name}.1`,
    text: [
      head(name, version),
      `.SH NAME\n${roff(name)} \\- ${roff(command.summary)}\n`,
      `.SH SYNOPSIS\n${bold(`mini ${command.name}`)} ${roff(command.usage)}\n`,
      aliases.length > 0 ? `.SH ALIASES\n${roff(aliases.join(", "))}\n` : "",
      ...headings.map((title) => flagSection(title, flags.filter((flag) => (flag.heading ?? "Options") === title))),
      examples.length > 0 ? `.SH EXAMPLES\n${examples.join("")}` : "",
      `.SH EXIT STATUS\n${
        command.failureStatus === undefined
          ? "0, or 1 when it fails."
          : `${command.failureStatus} when it fails itself; otherwise that of the program that it runs.`
      }\n`,
      `.SH SEE ALSO\n.BR mini (1)\n`,
    ].join(""),
  };
}

/** All pages: mini(1), and one for each command. */
export function manPages({ groups, commands }: Table, version: string): ManPage[] {
  const shown = commands.filter((command) => !command.hidden);
  const list = (group: string) =>
    shown.filter((command) => command.group === group).map((command: Command) =>
      `.TP\n.BR ${roff(pageName(command.name))} (1)\n${roff(command.summary)}.\n`
    ).join("");
  const overview = [
    head("mini", version),
    ".SH NAME\nmini \\- a container runtime in one file\n",
    ".SH SYNOPSIS\n.B mini\n[OPTIONS] COMMAND\n",
    ...groups.map((group) => `.SH ${roff(group).toUpperCase()}\n${list(group)}`),
    flagSection("Options", withHelp(globalFlags)),
    ".SH FILES\n.TP\n.I /var/lib/mini\nImages, volumes and containers.\n.TP\n.I /run/mini\nThe state of what runs.\n" +
    ".TP\n.I /etc/mini/config.json\nRegistries and networks.\n",
  ].join("");
  return [{ file: "mini.1", text: overview }, ...shown.map((command) => commandPage(command, version))];
}
