/** The flags that limit what a container may use, and those that give it devices: for `run`, `create` and `update`. */
import type { CommandRow, Flag } from "../command.ts";

const LIMITS = "Limits";
const DEVICES = "Devices";
const limit = (flag: Omit<Flag, "heading">): Flag => ({ ...flag, heading: LIMITS });
const rate = (name: string, description: string): Flag =>
  limit({ name, kind: "list", placeholder: "disk:rate", description });

/** Those that can be changed while a container runs. */
export const changeableLimitFlags: readonly Flag[] = [
  limit({ name: "memory", short: "m", kind: "bytes", description: "Most memory that it may use" }),
  limit({ name: "memory-reservation", kind: "bytes", description: "Memory that it keeps when the host's is short" }),
  limit({
    name: "memory-swap",
    kind: "string",
    placeholder: "bytes",
    description: "Memory and swap together; -1 for any swap, twice the memory by default",
  }),
  limit({ name: "cpus", kind: "number", min: 0, placeholder: "decimal", description: "Number of processors, 1.5" }),
  limit({ name: "cpu-shares", short: "c", kind: "integer", description: "Share of the processors, 1024 by default" }),
  limit({ name: "cpu-period", kind: "integer", description: "Period of the quota in microseconds" }),
  limit({ name: "cpu-quota", kind: "integer", description: "Processor time in each period, in microseconds" }),
  limit({ name: "cpuset-cpus", kind: "string", description: "Processors that it may run on, 0-3 or 0,2" }),
  limit({ name: "cpuset-mems", kind: "string", description: "Memory nodes that it may use, 0-3 or 0,2" }),
  limit({ name: "pids-limit", kind: "integer", description: "Most processes, -1 for any number; 2048 by default" }),
  limit({ name: "blkio-weight", kind: "integer", description: "Share of the disks, 10 to 1000" }),
  limit({ name: "kernel-memory", kind: "bytes", description: "Refused: of cgroup version 1" }),
];

/** All of a new container. */
export const limitFlags: readonly Flag[] = [
  ...changeableLimitFlags,
  limit({
    name: "blkio-weight-device",
    kind: "list",
    placeholder: "disk:weight",
    description: "Share of one disk, 10 to 1000",
  }),
  rate("device-read-bps", "Most bytes a second to read from a disk, /dev/sda:1mb"),
  rate("device-write-bps", "Most bytes a second to write to a disk, /dev/sda:1mb"),
  rate("device-read-iops", "Most operations a second to read from a disk, /dev/sda:100"),
  rate("device-write-iops", "Most operations a second to write to a disk, /dev/sda:100"),
  limit({
    name: "oom-score-adj",
    kind: "integer",
    min: -1000,
    max: 1000,
    description: "How soon to be killed when memory is short, -1000 to 1000",
  }),
  limit({ name: "memory-swappiness", kind: "integer", min: -1, max: 100, description: "Refused: of cgroup version 1" }),
  limit({ name: "oom-kill-disable", kind: "boolean", description: "Refused: of cgroup version 1" }),
  limit({ name: "cgroup-parent", kind: "string", placeholder: "path", description: "Cgroup to make its cgroup in" }),
  limit({
    name: "cgroupns",
    kind: "choice",
    placeholder: "string",
    values: ["private", "host"],
    default: "private",
    description: 'Which cgroups it sees ("private", "host")',
  }),
  {
    name: "device",
    kind: "list",
    placeholder: "path",
    heading: DEVICES,
    complete: "file",
    description: "Give it a device of the host, host[:container[:rwm]]",
  },
  {
    name: "device-cgroup-rule",
    kind: "list",
    placeholder: "rule",
    heading: DEVICES,
    description: "Let it use devices by their numbers, 'c 10:200 rwm'",
  },
];

/** `mini update`. */
export const update: CommandRow = {
  name: "update",
  aliases: ["container update"],
  group: "Run containers",
  summary: "Change the limits of containers, also while they run",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [
    ...changeableLimitFlags,
    {
      name: "restart",
      kind: "string",
      values: ["no", "on-failure", "on-failure:", "always", "unless-stopped"],
      description: "What to do when it ends by itself: no, on-failure[:n], always, unless-stopped",
    },
  ],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [
    { command: "mini update --memory 512m --cpus 1.5 web", comment: "Other limits, at once" },
    { command: "mini update --memory 0 web", comment: "No limit on memory any more" },
  ],
};
