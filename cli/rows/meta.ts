/** The commands about `mini` itself. */

import type { CommandRow } from "../command.ts";
import { oneFormat } from "../common_flags.ts";

/** `mini version` without its implementation. */
export const version: CommandRow = {
  name: "version",
  anywhere: true,
  signals: "brief",
  group: "About mini",
  summary: "Show the versions of mini, Deno and the kernel",
  usage: "[OPTIONS]",
  flags: [oneFormat],
  positionals: { min: 0, max: 0 },
  examples: [{
    command: "mini version -f '{{.Client.Version}}'",
    comment: "One fact, where scripts for Docker look for it",
  }],
};

/** `mini help` without its implementation. */
export const help: CommandRow = {
  name: "help",
  anywhere: true,
  signals: "brief",
  group: "About mini",
  summary: "Show help for a command",
  usage: "[COMMAND]",
  flags: [],
  positionals: { min: 0, max: 2, complete: ["command"], repeat: true },
  examples: [{ command: "mini help run", comment: "The same as mini run --help" }],
};

/** `mini completion` without its implementation. */
export const completion: CommandRow = {
  name: "completion",
  anywhere: true,
  signals: "brief",
  group: "About mini",
  summary: "Print the completion script of a shell",
  usage: "bash|zsh|fish",
  flags: [],
  positionals: { min: 1, max: 1, needs: "a shell", values: ["bash", "zsh", "fish"] },
  examples: [
    { command: "source <(mini completion bash)", comment: "For this shell; the same with zsh" },
    {
      command: "mini completion bash > /etc/bash_completion.d/mini",
      comment: "For every bash with bash-completion",
    },
    {
      command: "mini completion fish > ~/.config/fish/completions/mini.fish",
      comment: "For every fish",
    },
  ],
};

/** What the completion scripts call. */
export const complete: CommandRow = {
  name: "__complete",
  anywhere: true,
  signals: "brief",
  group: "About mini",
  summary: "List what may stand at the end of a command line",
  usage: "-- [WORD...]",
  flags: [],
  positionals: { min: 0, stopAtFirst: true },
  hidden: true,
};

/** `mini monitor`, which commands start by themselves. */
export const monitor: CommandRow = {
  name: "monitor",
  group: "About mini",
  summary: "Watch containers in the background until there is none",
  usage: "",
  flags: [],
  positionals: { min: 0, max: 0 },
  hidden: true,
};

/** `mini man`. */
export const man: CommandRow = {
  name: "man",
  group: "About mini",
  summary: "Write the manual pages of all commands into a directory",
  usage: "DIRECTORY",
  flags: [],
  positionals: { min: 1, max: 1, needs: "a directory", complete: ["directory"] },
  signals: "brief",
  anywhere: true,
  examples: [
    { command: "sudo mini man /usr/local/share/man/man1", comment: "Install them, for man mini-run" },
  ],
};
