/** The commands about what `mini` keeps on this machine, without their implementations. */

import type { CommandRow } from "../command.ts";
import { doNotAsk, filterBy, listFormat } from "../common_flags.ts";

/** `mini system check`. */
export const systemCheck: CommandRow = {
  name: "system check",
  group: "About mini",
  summary: "Find and clear what interrupted commands left behind",
  usage: "",
  flags: [],
  positionals: { min: 0, max: 0 },
};

/** `mini system df`. */
export const systemDf: CommandRow = {
  name: "system df",
  group: "About mini",
  summary: "Show how much of the disk is used",
  usage: "[OPTIONS]",
  flags: [
    listFormat,
  ],
  positionals: { min: 0, max: 0 },
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
  ],
  positionals: { min: 0, max: 0 },
};
