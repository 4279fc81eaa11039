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

/** `mini diff`. */
export const diff: CommandRow = {
  name: "diff",
  aliases: ["container diff"],
  group: "Look",
  summary: "Show what a container has changed of its image's files",
  usage: "CONTAINER",
  flags: [],
  positionals: { min: 1, max: 1, needs: "a container", complete: ["container"] },
  examples: [{ command: "mini diff web", comment: "A line for each path: A added, C changed, D deleted" }],
};

/** `mini commit`. */
export const commit: CommandRow = {
  name: "commit",
  aliases: ["container commit"],
  group: "Images",
  summary: "Make an image of what a container has become",
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  flags: [
    { name: "author", short: "a", kind: "string", description: 'Who has made it, "Ada <ada@example.org>"' },
    { name: "change", short: "c", kind: "list", description: "Apply a line of a Dockerfile to its settings" },
    { name: "message", short: "m", kind: "string", description: "What its history says" },
    {
      name: "pause",
      short: "p",
      kind: "boolean",
      default: "true",
      description: "Stop the container's processes while its files are read",
    },
  ],
  positionals: { min: 1, max: 2, needs: "a container", complete: ["container", "image"] },
  examples: [
    { command: "mini commit -m 'with vim' web web:vim", comment: "Its files and its settings" },
    { command: `mini commit -c 'CMD ["nginx"]' -c 'EXPOSE 80' web`, comment: "With other settings" },
  ],
};
