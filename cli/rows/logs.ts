/** The commands about what containers print, without their implementations. */

import type { CommandRow } from "../command.ts";
import { detachKeys } from "../common_flags.ts";

/** `mini logs`. */
export const logs: CommandRow = {
  name: "logs",
  aliases: ["container logs"],
  group: "Look",
  summary: "Show what a container has printed",
  usage: "[OPTIONS] CONTAINER",
  flags: [
    { name: "details", kind: "boolean", description: "Show also the labels and variables that --log-opt names" },
    { name: "follow", short: "f", kind: "boolean", description: "Show also what it prints from now on, until it ends" },
    { name: "since", kind: "string", description: "Show only what was printed since a time, or so long ago" },
    {
      name: "tail",
      short: "n",
      kind: "string",
      values: ["all"],
      placeholder: "string",
      default: "all",
      description: "Show only so many lines of the end",
    },
    { name: "timestamps", short: "t", kind: "boolean", description: "Show when each line was printed" },
    { name: "until", kind: "string", description: "Show only what was printed before a time, or so long ago" },
  ],
  positionals: { min: 1, max: 1, needs: "a container", complete: ["container"] },
  examples: [
    { command: "mini logs -f --tail 20 web", comment: "The last lines, and those that come" },
    { command: "mini logs --since 10m web 2>/dev/null", comment: "Of the last ten minutes, standard output only" },
  ],
};

/** `mini attach`. */
export const attach: CommandRow = {
  name: "attach",
  signals: "forwarded",
  aliases: ["container attach"],
  group: "Run containers",
  summary: "Connect this terminal, or standard streams, to a container that runs",
  usage: "[OPTIONS] CONTAINER",
  flags: [
    detachKeys,
    { name: "no-stdin", kind: "boolean", description: "Only show what it prints" },
    { name: "sig-proxy", kind: "boolean", default: "true", description: "Send it the signals that are sent to us" },
  ],
  positionals: { min: 1, max: 1, needs: "a container", complete: ["container"] },
  examples: [
    {
      command: "mini attach work",
      comment: "After 'mini run -dit --name work alpine sh'; ctrl-p ctrl-q leaves it running",
    },
  ],
};
