/** The commands that look at containers and at what happens, without their implementations. */

import type { CommandRow } from "../command.ts";
import { filterBy, listFormat, noTrunc, oneFormat, oneFormatLong } from "../common_flags.ts";

const group = "Look";

/** `mini inspect`. */
export const inspect: CommandRow = {
  name: "inspect",
  aliases: ["container inspect"],
  group,
  summary: "Show everything about containers, images, volumes and networks",
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  flags: [
    oneFormat,
    { name: "size", short: "s", kind: "boolean", description: "Say also how large containers are" },
    {
      name: "type",
      kind: "choice",
      values: ["container", "image", "volume", "network"],
      description: "Look only for this kind",
    },
  ],
  positionals: { min: 1, needs: "a container, an image, a volume or a network", complete: ["thing"], repeat: true },
  examples: [
    { command: "mini inspect -f '{{.State.Pid}}' web", comment: "One fact" },
    { command: "mini inspect -f '{{json .Mounts}}' web", comment: "A part of it, as JSON" },
  ],
};

/** `mini events`. */
export const events: CommandRow = {
  name: "events",
  aliases: ["system events"],
  group,
  summary: "Tell what happens to containers, images and the rest, as it happens",
  usage: "[OPTIONS]",
  flags: [
    { ...filterBy("container", "event", "image", "label", "network", "scope", "type", "volume"), short: "f" },
    oneFormatLong,
    { name: "since", kind: "string", description: "Tell also what has happened since a time, or so long ago" },
    { name: "until", kind: "string", description: "Tell what happens until a time, and end then" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini events --since 10m -f type=container -f event=die", comment: "Which containers ended" },
    {
      command: 'mini events --format json | while read -r event; do notify "$event"; done',
      comment: "Do something about each event",
    },
  ],
};

/** `mini top`. */
export const top: CommandRow = {
  name: "top",
  aliases: ["container top"],
  group,
  summary: "Show the processes of a container",
  usage: "CONTAINER [PS OPTIONS]",
  flags: [],
  positionals: { min: 1, needs: "a container", stopAtFirst: true, complete: ["container"] },
  examples: [
    { command: "mini top web", comment: "As ps -ef shows them" },
    { command: "mini top web -o pid,rss,args", comment: "With columns of your choice" },
  ],
};

/** `mini stats`. */
export const stats: CommandRow = {
  name: "stats",
  aliases: ["container stats"],
  group,
  summary: "Show what containers use of the processors, the memory, the network and the disks",
  usage: "[OPTIONS] [CONTAINER...]",
  flags: [
    { name: "all", short: "a", kind: "boolean", description: "Show also containers that do not run" },
    listFormat,
    { name: "no-stream", kind: "boolean", description: "Print it once, and end" },
    noTrunc,
  ],
  positionals: { min: 0, complete: ["container"], repeat: true },
  examples: [
    { command: "mini stats", comment: "All that run, until Ctrl-C" },
    { command: "mini stats --no-stream --format '{{.Name}} {{.MemUsage}}'", comment: "The memory of each, once" },
  ],
};

/** `mini info`. */
export const info: CommandRow = {
  name: "info",
  aliases: ["system info"],
  group: "About mini",
  summary: "Show what there is on this machine, and what it can do for containers",
  usage: "[OPTIONS]",
  flags: [oneFormat],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini info", comment: "All of it, with warnings" },
    { command: "mini info -f '{{.CgroupVersion}}'", comment: "One fact" },
  ],
};

/** `mini anatomy`. */
export const anatomy: CommandRow = {
  name: "anatomy",
  group,
  summary: "Take a running container apart, into what the kernel knows of it",
  usage: "[OPTIONS] CONTAINER",
  flags: [
    {
      name: "format",
      kind: "choice",
      placeholder: "string",
      values: ["text", "json"],
      default: "text",
      description: 'How it is printed ("text", "json")',
    },
  ],
  positionals: { min: 1, max: 1, needs: "a container", complete: ["container"] },
  examples: [
    { command: "mini anatomy web", comment: "What the kernel says of a container, section by section" },
    { command: "mini anatomy --format json web | jq .rights.capabilities", comment: "One part of it" },
  ],
};
