/** The commands about what `mini` keeps on this machine, without their implementations. */

import type { CommandRow } from "../command.ts";

/** `mini system check`. */
export const systemCheck: CommandRow = {
  name: "system check",
  group: "About mini",
  summary: "Find and clear what interrupted commands left behind",
  usage: "",
  flags: [],
  positionals: { min: 0, max: 0 },
};
