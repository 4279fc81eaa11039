/** The commands about what `mini` keeps on this machine, without their implementations. */

import type { CommandRow, Flag } from "../command.ts";
import { doNotAsk, filterBy, listFormat } from "../common_flags.ts";

/** `mini system check`. */
export const systemCheck: CommandRow = {
  name: "system check",
  group: "About mini",
  summary: "Tell what works on this host, and clear what was left behind",
  usage: "[OPTIONS]",
  flags: [
    listFormat,
  ],
  positionals: { min: 0, max: 0 },
  // Where an ordinary user can run nothing, this is what says why.
  anywhere: true,
  examples: [
    { command: "mini system check", comment: "As root, or as the user who is to run containers" },
    {
      command: "mini system check --format '{{if .Mend}}{{.Name}}: {{.Mend}}{{end}}'",
      comment: "The commands that mend what does not work",
    },
  ],
};

/** `mini system df`. */
export const systemDf: CommandRow = {
  name: "system df",
  group: "About mini",
  summary: "Show how much of the disk is used",
  usage: "[OPTIONS]",
  flags: [
    listFormat,
    { name: "verbose", short: "v", kind: "boolean", description: "Show each image, container and volume" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini system df", comment: "What could be given back, too" }, {
    command: "mini system df --format '{{.Type}}: {{.Size}}'",
    comment: "What you want to know of each",
  }],
};

/** `mini system prune`. */
export const systemPrune: CommandRow = {
  name: "system prune",
  group: "About mini",
  summary: "Remove what nothing uses",
  usage: "[OPTIONS]",
  flags: [
    {
      name: "all",
      short: "a",
      kind: "boolean",
      description: "Every image that no container uses",
    },
    filterBy("label", "until"),
    doNotAsk,
    { name: "volumes", kind: "boolean", description: "Also volumes without a name that no container uses" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini system prune", comment: "What does not run and images without a name, after a question" },
    { command: "mini system prune -af", comment: "All that nothing uses, without one" },
  ],
};

const SERVICE_FLAGS: readonly Flag[] = [
  { name: "init", kind: "choice", values: ["systemd", "openrc"], description: "Who starts services; found by itself" },
  { name: "destdir", kind: "string", complete: "directory", description: "Write below this folder, for packages" },
];

/** `mini system install`. */
export const systemInstall: CommandRow = {
  name: "system install",
  group: "About mini",
  summary: "Have containers come back with the machine, by systemd or OpenRC",
  usage: "[OPTIONS]",
  flags: SERVICE_FLAGS,
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini system install", comment: "From now on --restart always outlives a reboot" }],
};

/** `mini system uninstall`. */
export const systemUninstall: CommandRow = {
  name: "system uninstall",
  group: "About mini",
  summary: "Take away what 'system install' has written",
  usage: "[OPTIONS]",
  flags: SERVICE_FLAGS,
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini system uninstall", comment: "Containers stay, and are not started with the machine" }],
};

/** `mini system start`. */
export const systemStart: CommandRow = {
  name: "system start",
  group: "About mini",
  summary: "Start containers whose restart policy wants them back",
  usage: "",
  flags: [],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini system start", comment: "What the installed service runs" }],
};

/** `mini system stop`. */
export const systemStop: CommandRow = {
  name: "system stop",
  group: "About mini",
  summary: "Stop all containers, as the machine's end does",
  usage: "[OPTIONS]",
  flags: [
    {
      name: "time",
      short: "t",
      kind: "integer",
      min: 0,
      default: "10",
      description: "Seconds to wait before killing them",
    },
  ],
  positionals: { min: 0, max: 0 },
  examples: [{ command: "mini system stop", comment: "What the installed service runs when the machine ends" }],
};
