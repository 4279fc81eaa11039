/** Small commands about containers that exist, without their implementations. */

import type { CommandRow } from "../command.ts";
import { doNotAsk, filterBy } from "../common_flags.ts";

/** `mini rename`. */
export const rename: CommandRow = {
  name: "rename",
  aliases: ["container rename"],
  group: "Run containers",
  summary: "Give a container another name",
  usage: "CONTAINER NAME",
  flags: [],
  positionals: { min: 2, max: 2, needs: "a container and a name", complete: ["container"] },
  examples: [{ command: "mini rename web web-old", comment: "Also while it runs" }],
};

/** `mini wait`. */
export const wait: CommandRow = {
  name: "wait",
  aliases: ["container wait"],
  group: "Run containers",
  summary: "Wait until containers end, and print their exit statuses",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [{
    name: "condition",
    kind: "choice",
    values: ["not-running", "next-exit", "removed"],
    default: "not-running",
    description: "What to wait for",
  }],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [
    { command: "mini wait job", comment: "Until it does not run; at once if it does not" },
    { command: "mini wait --condition removed job", comment: "Until there is nothing left of it" },
  ],
};

/** `mini container prune`. */
export const containerPrune: CommandRow = {
  name: "container prune",
  group: "Run containers",
  summary: "Remove containers that do not run",
  usage: "[OPTIONS]",
  flags: [filterBy("label", "until"), doNotAsk],
  positionals: { min: 0, max: 0 },
  examples: [
    { command: "mini container prune -f --filter until=24h", comment: "Those that were made more than a day ago" },
    { command: "mini container prune --filter label!=keep", comment: "Those without a label" },
  ],
};
