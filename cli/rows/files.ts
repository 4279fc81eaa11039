/** The commands about containers' files, without their implementations. */

import type { CommandRow } from "../command.ts";

/** `mini cp`. */
export const cp: CommandRow = {
  name: "cp",
  aliases: ["container cp"],
  group: "Run containers",
  summary: "Copy files between a container and the host",
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
  flags: [
    {
      name: "archive",
      short: "a",
      kind: "boolean",
      description: "Keep owners, setuid and setgid bits, file capabilities, and devices",
    },
    {
      name: "follow-link",
      short: "L",
      kind: "boolean",
      description: "Copy what SRC_PATH points to, if it is a symbolic link",
    },
    { name: "quiet", short: "q", kind: "boolean", description: "Say nothing of what is done" },
  ],
  positionals: { min: 2, max: 2, needs: "a source and a destination", complete: ["file", "file"] },
  examples: [
    { command: "mini cp web:/etc/nginx .", comment: "A folder out of a container" },
    { command: "mini cp site/. web:/srv", comment: "What a folder holds into a container" },
    { command: "mini cp web:/var/log - | tar -t", comment: "As an archive" },
  ],
};
