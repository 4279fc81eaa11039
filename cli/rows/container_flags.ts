/** The flags of a new container, which `mini run` and `mini create` share. */

import type { Flag } from "../command.ts";
import { healthFlags } from "./health.ts";
import { limitFlags } from "./limits.ts";
import { networkFlags } from "./network_flags.ts";
import { rightsFlags } from "./rights.ts";

const PROCESS = "Program";
const FILES = "Files";

/** The flags of a new container. */
export const containerFlags: readonly Flag[] = [
  { name: "interactive", short: "i", kind: "boolean", description: "Keep standard input open" },
  { name: "tty", short: "t", kind: "boolean", description: "Give the container a terminal" },
  { name: "rm", kind: "boolean", description: "Remove the container when it exits" },
  { name: "name", kind: "string", description: "Name of the container" },
  {
    name: "cidfile",
    kind: "string",
    complete: "file",
    description: "Write the container's ID to this file, which must not exist",
  },
  { name: "label", short: "l", kind: "list", description: "Set a label, key=value" },
  { name: "label-file", kind: "list", complete: "file", description: "Read labels from a file" },
  {
    name: "pull",
    kind: "choice",
    placeholder: "string",
    values: ["always", "missing", "never"],
    default: "missing",
    description: 'Pull the image before running ("always", "missing", "never")',
  },
  { name: "platform", kind: "string", description: "Choose the image for os/arch[/variant], as linux/arm64" },
  { name: "quiet", short: "q", kind: "boolean", description: "Print no progress of a pull" },

  { name: "env", short: "e", kind: "list", heading: PROCESS, description: "Set an environment variable, NAME=value" },
  {
    name: "env-file",
    kind: "list",
    heading: PROCESS,
    complete: "file",
    description: "Read environment variables from a file",
  },
  { name: "workdir", short: "w", kind: "string", heading: PROCESS, description: "Working directory in the container" },
  { name: "user", short: "u", kind: "string", heading: PROCESS, description: "User and group, name|uid[:group|gid]" },
  { name: "group-add", kind: "list", heading: PROCESS, description: "Join a further group" },
  { name: "entrypoint", kind: "string", heading: PROCESS, description: "Replace the image's entrypoint" },
  {
    name: "init",
    kind: "boolean",
    heading: PROCESS,
    description: "Run an init as PID 1 that forwards signals and reaps processes",
  },
  { name: "stop-signal", kind: "string", heading: PROCESS, description: "Signal that stops the container" },
  {
    name: "stop-timeout",
    kind: "integer",
    min: -1,
    heading: PROCESS,
    description: "Seconds that it has to stop before it is killed, 10; -1: as long as it takes",
  },
  {
    name: "restart",
    kind: "string",
    heading: PROCESS,
    default: "no",
    values: ["no", "on-failure", "on-failure:", "always", "unless-stopped"],
    description: "What to do when it ends by itself: no, on-failure[:n], always, unless-stopped",
  },
  {
    name: "log-driver",
    kind: "string",
    heading: PROCESS,
    values: ["local", "none"],
    default: "local",
    description: "What becomes of its output: local, none",
  },
  {
    name: "log-opt",
    kind: "list",
    heading: PROCESS,
    description: "Of the log: max-size=10m, max-file=3, labels=…, env=…",
  },
  { name: "ulimit", kind: "list", heading: PROCESS, placeholder: "ulimit", description: "Limit, name=soft[:hard]" },

  {
    name: "volume",
    short: "v",
    kind: "list",
    heading: FILES,
    complete: "volume",
    description: "Mount a volume or a folder of the host, name:path[:ro] or /host:path[:ro]",
  },
  {
    name: "mount",
    kind: "list",
    heading: FILES,
    placeholder: "mount",
    values: ["type=bind,", "type=volume,", "type=tmpfs,"],
    description: "Mount with all options: type=bind, volume or tmpfs, source=, target=",
  },
  {
    name: "volumes-from",
    kind: "list",
    heading: FILES,
    complete: "container",
    description: "Mount what another container has mounted, container[:ro]",
  },
  { name: "tmpfs", kind: "list", heading: FILES, description: "Mount a tmpfs, path[:options]" },
  { name: "read-only", kind: "boolean", heading: FILES, description: "Mount the root filesystem read-only" },
  { name: "shm-size", kind: "bytes", min: 1, heading: FILES, description: "Size of /dev/shm" },
  {
    name: "rootfs",
    kind: "string",
    placeholder: "dir",
    heading: FILES,
    complete: "directory",
    description: "Run in this folder instead of an image; the arguments are the command",
  },

  ...rightsFlags,

  ...networkFlags,
  ...healthFlags,
  ...limitFlags,
];
