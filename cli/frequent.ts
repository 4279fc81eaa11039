/** The commands that scripts call in loops, found without the table of all, which takes longer to read than they take. */

import type { Command } from "./command.ts";

/** By the name that is typed; each is the row of the table (a test compares them). */
export const frequent: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => ({ ...(await import("./rows/run.ts")).run, load: () => import("./run.ts") }),
  exec: async () => ({ ...(await import("./rows/exec.ts")).exec, load: () => import("./exec.ts") }),
  ps: async () => ({ ...(await import("./rows/ps.ts")).ps, load: () => import("./ps.ts") }),
};
