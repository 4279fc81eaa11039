/** `mini exec`, and what help and completion say about it. */

import type { CommandRow } from "../command.ts";

/** `mini exec`. */
export const exec: CommandRow = {
  name: "exec",
  signals: "forwarded",
  aliases: ["container exec"],
  group: "Run containers",
  summary: "Run a program in a running container",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  flags: [
    { name: "detach", short: "d", kind: "boolean", description: "Start it and do not wait for its end" },
    { name: "env", short: "e", kind: "list", description: "Set an environment variable, NAME=value" },
    {
      name: "env-file",
      kind: "list",
      complete: "file",
      description: "Read environment variables from a file",
    },
    { name: "interactive", short: "i", kind: "boolean", description: "Keep standard input open" },
    { name: "privileged", kind: "boolean", description: "Give it every capability" },
    { name: "tty", short: "t", kind: "boolean", description: "Give it a terminal" },
    { name: "user", short: "u", kind: "string", description: "User and group, name|uid[:group|gid]" },
    { name: "workdir", short: "w", kind: "string", description: "Working directory in the container" },
  ],
  positionals: { min: 2, needs: "a container and a command", stopAtFirst: true, complete: ["container"] },
  failureStatus: 1,
  examples: [
    { command: "mini exec -it web sh", comment: "A shell in a container that runs" },
    { command: "mini exec -u 1000 web id", comment: "One program, as another user" },
  ],
};
