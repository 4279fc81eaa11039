/** `mini ps`, and what help and completion say about it. */

import type { CommandRow } from "../command.ts";
import { filterBy, listFormat, noTrunc, onlyIds } from "../common_flags.ts";

const psKeys = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

/** `mini ps`. */
export const ps: CommandRow = {
  name: "ps",
  aliases: ["container ls", "container list", "container ps"],
  group: "Look",
  summary: "List containers",
  usage: "[OPTIONS]",
  flags: [
    { name: "all", short: "a", kind: "boolean", description: "Show also containers that do not run" },
    {
      ...filterBy(...psKeys),
      short: "f",
    },
    listFormat,
    { name: "last", short: "n", kind: "integer", min: -1, default: "-1", description: "Show only the so many newest" },
    { name: "latest", short: "l", kind: "boolean", description: "Show only the newest" },
    noTrunc,
    onlyIds,
    { name: "size", short: "s", kind: "boolean", description: "Show also how large they are" },
  ],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini ps -a", comment: "Every container" },
    { command: "mini ps -f status=exited -f label=tier=web", comment: "Those that have ended and have that label" },
    { command: "mini ps --format '{{.Names}}: {{.Status}}'", comment: "What you want to know of each" },
    { command: "mini ps -aq | xargs -r mini rm -f", comment: "Remove every container" },
  ],
};
