/** The commands of the OCI command line without their implementations: the names and flags are runc's. */
import type { CommandRow, Flag } from "../command.ts";

const GROUP = "OCI";
const bundle: Flag = {
  name: "bundle",
  short: "b",
  kind: "string",
  placeholder: "dir",
  complete: "directory",
  description: "Folder with config.json; the working directory by default",
};
const consoleSocket: Flag = {
  name: "console-socket",
  kind: "string",
  placeholder: "path",
  complete: "file",
  description: "Unix socket that is given the master side of the terminal",
};
const pidfdSocket: Flag = {
  name: "pidfd-socket",
  kind: "string",
  placeholder: "path",
  complete: "file",
  description: "Unix socket that is given a descriptor of the process",
};
const pidFile: Flag = {
  name: "pid-file",
  kind: "string",
  placeholder: "file",
  complete: "file",
  description: "Write the number of the process to a file",
};
const preserveFds: Flag = {
  name: "preserve-fds",
  kind: "integer",
  min: 0,
  max: 1024,
  default: "0",
  description: "Pass on so many descriptors above 2",
};
const noPivot: Flag = {
  name: "no-pivot",
  kind: "boolean",
  description: "Do not use pivot_root(2), which a root on a ramdisk refuses",
};
const noNewKeyring: Flag = {
  name: "no-new-keyring",
  kind: "boolean",
  description: "Keep the caller's session keyring",
};
const detach: Flag = { name: "detach", short: "d", kind: "boolean", description: "Do not wait for its end" };
const tableOrJson = (names: readonly string[] = ["table", "json"]): Flag => ({
  name: "format",
  short: "f",
  kind: "choice",
  values: names,
  default: "table",
  description: "How it is printed",
});
const one = { min: 1, max: 1, needs: "a container id" } as const;
const making = [bundle, consoleSocket, pidfdSocket, pidFile, noPivot, noNewKeyring, preserveFds];

export const create: CommandRow = {
  name: "oci create",
  group: GROUP,
  summary: "Create a container from a bundle; it waits for its start",
  usage: "[OPTIONS] ID",
  flags: making,
  positionals: one,
};

export const run: CommandRow = {
  name: "oci run",
  group: GROUP,
  summary: "Create a container and start it",
  usage: "[OPTIONS] ID",
  flags: [
    ...making,
    detach,
    { name: "keep", kind: "boolean", description: "Do not delete it at its end" },
    { name: "no-subreaper", kind: "boolean", description: "Taken for compatibility: mini is never a subreaper" },
  ],
  positionals: one,
};

export const start: CommandRow = {
  name: "oci start",
  group: GROUP,
  summary: "Start a container that was created",
  usage: "ID",
  flags: [],
  positionals: one,
};

export const state: CommandRow = {
  name: "oci state",
  group: GROUP,
  summary: "Print a container's state as JSON",
  usage: "ID",
  flags: [],
  positionals: one,
};

export const kill: CommandRow = {
  name: "oci kill",
  group: GROUP,
  summary: "Send a signal to a container, SIGTERM by default",
  usage: "[OPTIONS] ID [SIGNAL]",
  flags: [{
    name: "all",
    short: "a",
    kind: "boolean",
    description: "To all of its processes, even if the first has ended",
  }],
  positionals: { min: 1, max: 2, needs: "a container id" },
};

export const remove: CommandRow = {
  name: "oci delete",
  group: GROUP,
  summary: "Delete a container that has stopped",
  usage: "[OPTIONS] ID",
  flags: [{
    name: "force",
    short: "f",
    kind: "boolean",
    description: "Kill it if it runs, and pass over one that is not there",
  }],
  positionals: one,
};

export const exec: CommandRow = {
  name: "oci exec",
  group: GROUP,
  summary: "Run a further process in a container",
  usage: "[OPTIONS] ID [COMMAND [ARG...]]",
  flags: [
    {
      name: "process",
      short: "p",
      kind: "string",
      placeholder: "file",
      complete: "file",
      description: "Process as JSON",
    },
    { name: "tty", short: "t", kind: "boolean", description: "Give it a terminal" },
    { name: "user", short: "u", kind: "string", placeholder: "uid[:gid]", description: "User and group, by number" },
    { name: "additional-gids", short: "g", kind: "list", description: "Further groups, by number" },
    { name: "cwd", kind: "string", placeholder: "dir", description: "Working directory in the container" },
    { name: "env", short: "e", kind: "list", description: "Set an environment variable, NAME=value" },
    { name: "cap", short: "c", kind: "list", description: "Add a capability" },
    { name: "no-new-privs", kind: "boolean", description: "No program may gain privileges" },
    { name: "process-label", kind: "string", description: "SELinux label" },
    { name: "apparmor", kind: "string", description: "AppArmor profile" },
    { name: "cgroup", kind: "string", description: "Cgroup below the container's own, which must be there" },
    { name: "ignore-paused", kind: "boolean", description: "Also in a paused container" },
    detach,
    consoleSocket,
    pidfdSocket,
    pidFile,
    preserveFds,
  ],
  positionals: { min: 1, needs: "a container id", stopAtFirst: true },
  failureStatus: 255,
};

export const ps: CommandRow = {
  name: "oci ps",
  group: GROUP,
  summary: "List the processes in a container",
  usage: "[OPTIONS] ID [PS OPTIONS]",
  flags: [tableOrJson()],
  positionals: { min: 1, needs: "a container id", stopAtFirst: true },
};

export const list: CommandRow = {
  name: "oci list",
  group: GROUP,
  summary: "List containers",
  usage: "[OPTIONS]",
  flags: [tableOrJson(), { name: "quiet", short: "q", kind: "boolean", description: "Print only ids" }],
  positionals: { min: 0, max: 0 },
};

export const pause: CommandRow = {
  name: "oci pause",
  group: GROUP,
  summary: "Stop all processes of a container for a while",
  usage: "ID",
  flags: [],
  positionals: one,
};

export const resume: CommandRow = {
  name: "oci resume",
  group: GROUP,
  summary: "Let the processes of a paused container go on",
  usage: "ID",
  flags: [],
  positionals: one,
};

export const spec: CommandRow = {
  name: "oci spec",
  group: GROUP,
  summary: "Write a config.json to begin with",
  usage: "[OPTIONS]",
  flags: [
    { ...bundle, description: "Folder to write it to; the working directory by default" },
    { name: "rootless", kind: "boolean", description: "For a container without root, in a user namespace" },
  ],
  positionals: { min: 0, max: 0 },
};

export const features: CommandRow = {
  name: "oci features",
  group: GROUP,
  summary: "Print what this runtime can do, as JSON",
  usage: "",
  flags: [],
  positionals: { min: 0, max: 0 },
};

const limit = (name: string, description: string): Flag => ({ name, kind: "string", description });

export const update: CommandRow = {
  name: "oci update",
  group: GROUP,
  summary: "Change the limits of a container",
  usage: "[OPTIONS] ID",
  flags: [
    {
      name: "resources",
      short: "r",
      kind: "string",
      placeholder: "file",
      complete: "file",
      description: "Limits as JSON, '-' for standard input; all other flags are passed over then",
    },
    limit("blkio-weight", "Share of the disks, 10 to 1000"),
    limit("cpu-period", "Length of a period in microseconds"),
    limit("cpu-quota", "Processor time in a period in microseconds"),
    limit("cpu-burst", "Processor time that may be saved up, in microseconds"),
    limit("cpu-share", "Share of the processors, 2 to 262144"),
    limit("cpu-rt-period", "Of cgroup version 1, which mini does not use"),
    limit("cpu-rt-runtime", "Of cgroup version 1, which mini does not use"),
    limit("cpu-idle", "1: runs only when nothing else wants to"),
    limit("cpuset-cpus", "Processors, such as 0-3,7"),
    limit("cpuset-mems", "Memory nodes, such as 0"),
    limit("memory", "Memory in bytes, -1 for no limit"),
    limit("memory-reservation", "Memory that it keeps when there is little"),
    limit("memory-swap", "Memory and swap together in bytes, -1 for no limit"),
    limit("pids-limit", "How many processes, -1 for no limit"),
    limit("l3-cache-schema", "Of Intel's resource director, which mini does not use"),
    limit("mem-bw-schema", "Of Intel's resource director, which mini does not use"),
  ],
  positionals: one,
};

export const events: CommandRow = {
  name: "oci events",
  group: GROUP,
  summary: "Print what a container uses, again and again, and when memory was short",
  usage: "[OPTIONS] ID",
  flags: [
    { name: "interval", kind: "duration", min: 1, default: "5s", description: "Time between two lines" },
    { name: "stats", kind: "boolean", description: "Print one line and end" },
  ],
  positionals: one,
};

const place = (name: string, description: string): Flag => ({
  name,
  kind: "string",
  placeholder: "dir",
  complete: "directory",
  description,
});
/** Flags of CRIU's own that are passed on as they are. */
const criuFlags: readonly Flag[] = [
  { name: "tcp-established", kind: "boolean", description: "Allow open TCP connections" },
  { name: "ext-unix-sk", kind: "boolean", description: "Allow Unix sockets that lead outside" },
  { name: "shell-job", kind: "boolean", description: "Allow a session that was begun outside" },
  { name: "file-locks", kind: "boolean", description: "Allow locks on files" },
];
const checkpointPlaces = [
  place("image-path", "Folder of the checkpoint; checkpoint in the working directory by default"),
  place("work-path", "Folder of CRIU's log; that of the checkpoint by default"),
];

export const checkpoint: CommandRow = {
  name: "oci checkpoint",
  group: GROUP,
  summary: "Write a running container down and end it (needs CRIU)",
  usage: "[OPTIONS] ID",
  flags: [
    ...checkpointPlaces,
    { name: "leave-running", kind: "boolean", description: "Let it go on afterwards" },
    { name: "tcp-skip-in-flight", kind: "boolean", description: "Pass over TCP connections that are being made" },
    { name: "link-remap", kind: "boolean", description: "Allow files that were removed and are open still" },
    ...criuFlags,
  ],
  positionals: one,
};

export const restore: CommandRow = {
  name: "oci restore",
  group: GROUP,
  summary: "Restore a container from a checkpoint (needs CRIU)",
  usage: "[OPTIONS] ID",
  flags: [
    bundle,
    ...checkpointPlaces,
    detach,
    pidFile,
    { name: "no-subreaper", kind: "boolean", description: "Taken for compatibility: mini is never a subreaper" },
    ...criuFlags,
  ],
  positionals: one,
};
