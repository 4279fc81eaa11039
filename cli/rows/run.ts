/** `mini run` and its relatives, and what help and completion say about them. */

import type { CommandRow } from "../command.ts";
import { detachKeys } from "../common_flags.ts";
import { containerFlags } from "./container_flags.ts";

/** `mini run` without its implementation. */
export const run: CommandRow = {
  name: "run",
  aliases: ["container run"],
  signals: "forwarded",
  group: "Run containers",
  summary: "Create and run a new container from an image",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: [
    {
      name: "explain",
      kind: "boolean",
      description: "Print every system call that makes the container, on standard error",
    },
    {
      name: "explain-format",
      kind: "choice",
      placeholder: "string",
      values: ["table", "json", "markdown"],
      default: "table",
      description: 'How --explain is printed ("table", "json", "markdown")',
    },
    {
      name: "step",
      kind: "boolean",
      description: "Wait for Enter before each system call that makes the container",
    },
    { name: "detach", short: "d", kind: "boolean", description: "Run it in the background and print its ID" },
    {
      name: "attach",
      short: "a",
      kind: "list",
      values: ["stdin", "stdout", "stderr"],
      description: "Connect only this stream of ours: stdin, stdout, stderr",
    },
    detachKeys,
    ...containerFlags,
  ],
  positionals: { min: 1, needs: "an image", replacedBy: "rootfs", stopAtFirst: true, complete: ["image"] },
  failureStatus: 125,
  examples: [
    { command: "mini run -it --rm starter sh", comment: "A shell in a new container, gone when it exits" },
    { command: "mini run --rm -v $PWD:/src -w /src alpine ls", comment: "A program in a folder of the host" },
  ],
};

/** `mini explain`. */
export const explain: CommandRow = {
  name: "explain",
  group: "Look",
  summary: "Show the system calls that would make a container, without making it",
  usage: "[OPTIONS] run [RUN-OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: [
    { name: "all", short: "a", kind: "boolean", description: "One line for each call, also where many do the same" },
    {
      name: "format",
      kind: "choice",
      placeholder: "string",
      values: ["table", "json", "markdown"],
      default: "table",
      description: 'How it is printed ("table", "json", "markdown")',
    },
  ],
  positionals: {
    min: 2,
    needs: "'run' and an image",
    stopAtFirst: true,
    values: ["run"],
    complete: ["command", "image"],
  },
  examples: [
    { command: "mini explain run starter sh", comment: "The list of system calls that a container is" },
    { command: "mini run --rm --explain starter true", comment: "What was done, in order, with results and times" },
  ],
};
