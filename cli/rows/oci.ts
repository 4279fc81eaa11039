/** `mini oci`, for the main table: its commands have a table of their own (cli/oci/table.ts). */
import type { CommandRow, Flag } from "../command.ts";

/** The flags before the command: runc(8). */
export const ociFlags: readonly Flag[] = [
  {
    name: "root",
    kind: "string",
    placeholder: "dir",
    complete: "directory",
    default: "/run/mini-runc",
    description: "Where the state of containers is kept",
  },
  { name: "log", kind: "string", placeholder: "file", complete: "file", description: "Write failures to a file, too" },
  {
    name: "log-format",
    kind: "choice",
    values: ["text", "json"],
    default: "text",
    description: "How they are written",
  },
  {
    name: "systemd-cgroup",
    kind: "boolean",
    description: "Read linux.cgroupsPath as SLICE:PREFIX:NAME, as systemd has it",
  },
  {
    name: "rootless",
    kind: "choice",
    values: ["auto", "true", "false"],
    default: "auto",
    description: "Whether to run without root; true is refused",
  },
  { name: "criu", kind: "string", description: "Taken and not used, as by runc: CRIU is found in PATH" },
  {
    name: "debug",
    kind: "boolean",
    description: "Tell each command and its end, and failures with a stack trace",
  },
  { name: "version", short: "v", kind: "boolean", description: "Print the version" },
];

/** `mini oci`. */
export const oci: CommandRow = {
  name: "oci",
  group: "About mini",
  summary: "Run containers for another engine: the command line of an OCI runtime",
  usage: "[OPTIONS] COMMAND",
  flags: ociFlags,
  positionals: { min: 0, stopAtFirst: true },
  signals: "brief",
  examples: [
    { command: "mini oci run -b bundle web", comment: "Run a bundle" },
    {
      command: "ln -s mini mini-runc; podman --runtime $PWD/mini-runc run alpine",
      comment: "As the runtime of Podman",
    },
  ],
};
