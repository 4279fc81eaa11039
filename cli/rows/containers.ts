/** The commands about containers that exist, without their implementations. */

import type { CommandRow, Flag } from "../command.ts";
import { detachKeys } from "../common_flags.ts";
import { containerFlags } from "./container_flags.ts";

/** How a container is asked to end. */
const STOPPING: readonly Flag[] = [
  { name: "signal", short: "s", kind: "string", description: "Signal to send instead of the container's own" },
  {
    name: "time",
    aliases: ["timeout"],
    short: "t",
    kind: "integer",
    min: -1,
    description: "Seconds until it is killed, its own or 10; -1: as long as it takes",
  },
];

/** `mini create`. */
export const create: CommandRow = {
  name: "create",
  aliases: ["container create"],
  group: "Run containers",
  summary: "Create a container without starting it, and print its ID",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: containerFlags,
  positionals: { min: 1, needs: "an image", replacedBy: "rootfs", stopAtFirst: true, complete: ["image"] },
  examples: [{ command: "mini create --name web nginx", comment: "Made now, started by 'mini start web'" }],
};

/** `mini start`. */
export const start: CommandRow = {
  name: "start",
  signals: "forwarded",
  aliases: ["container start"],
  group: "Run containers",
  summary: "Start containers that do not run",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [
    {
      name: "attach",
      short: "a",
      kind: "boolean",
      description: "Stay in the foreground: show its output, hand on signals",
    },
    detachKeys,
    { name: "interactive", short: "i", kind: "boolean", description: "The same, with standard input" },
  ],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini start -ai shell", comment: "Back into a shell that has ended" }],
};

/** `mini restart`. */
export const restart: CommandRow = {
  name: "restart",
  aliases: ["container restart"],
  group: "Run containers",
  summary: "Stop containers and start them again",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOPPING,
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini restart -t 30 db", comment: "With half a minute to end by itself" }],
};

/** `mini pause`. */
export const pause: CommandRow = {
  name: "pause",
  aliases: ["container pause"],
  group: "Run containers",
  summary: "Stop all processes of containers where they are",
  usage: "CONTAINER [CONTAINER...]",
  flags: [],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini pause db", comment: "Nothing in it runs until 'mini unpause db'" }],
};

/** `mini unpause`. */
export const unpause: CommandRow = {
  name: "unpause",
  aliases: ["container unpause"],
  group: "Run containers",
  summary: "Let paused containers go on",
  usage: "CONTAINER [CONTAINER...]",
  flags: [],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini unpause db", comment: "It goes on where it was" }],
};

/** `mini rm`. */
export const rm: CommandRow = {
  name: "rm",
  aliases: ["container rm", "container remove"],
  group: "Run containers",
  summary: "Remove containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [
    { name: "force", short: "f", kind: "boolean", description: "Kill what runs, and pass over what does not exist" },
    {
      name: "volumes",
      short: "v",
      kind: "boolean",
      description: "Remove also the volumes without a name that were made for it",
    },
  ],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini rm web", comment: "One that does not run" }, {
    command: "mini ps -aq | xargs -r mini rm -f",
    comment: "Every container, whatever it does",
  }],
};

/** `mini stop`. */
export const stop: CommandRow = {
  name: "stop",
  aliases: ["container stop"],
  group: "Run containers",
  summary: "Stop running containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOPPING,
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini stop web", comment: "Ask it to end, and end it after ten seconds" }, {
    command: "mini ps -q | xargs -r mini stop -t 0",
    comment: "End all that run, at once",
  }],
};

/** `mini export`. */
export const exportRow: CommandRow = {
  name: "export",
  aliases: ["container export"],
  group: "Run containers",
  summary: "Write a container's files as a tar archive",
  usage: "[OPTIONS] CONTAINER",
  flags: [{ name: "output", short: "o", kind: "string", complete: "file", description: "Write to a file" }],
  positionals: { min: 1, max: 1, needs: "a container", complete: ["container"] },
  examples: [{ command: "mini export web | mini import - web:saved", comment: "An image of what it has become" }],
};

/** `mini kill`. */
export const kill: CommandRow = {
  name: "kill",
  aliases: ["container kill"],
  group: "Run containers",
  summary: "Send a signal to running containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: [{ name: "signal", short: "s", kind: "string", default: "KILL", description: "Signal to send" }],
  positionals: { min: 1, needs: "a container", complete: ["container"], repeat: true },
  examples: [{ command: "mini kill -s HUP web", comment: "Have a program read its settings again" }, {
    command: "mini kill web",
    comment: "End it without asking",
  }],
};
