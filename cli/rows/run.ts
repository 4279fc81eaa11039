/** `mini run` and its relatives, and what help and completion say about them. */

import type { CommandRow } from "../command.ts";
import { containerFlags } from "./container_flags.ts";

/** `mini run` without its implementation. */
export const run: CommandRow = {
  name: "run",
  signals: "forwarded",
  group: "Run containers",
  summary: "Create and run a new container from an image",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: [
    { name: "detach", short: "d", kind: "boolean", description: "Run it in the background and print its ID" },
    ...containerFlags,
  ],
  positionals: { min: 1, needs: "an image", replacedBy: "rootfs", stopAtFirst: true, complete: ["image"] },
  failureStatus: 125,
  examples: [
    { command: "mini run -it --rm starter sh", comment: "A shell in a new container, gone when it exits" },
    { command: "mini run --rm -v $PWD:/src -w /src alpine ls", comment: "A program in a folder of the host" },
  ],
};
