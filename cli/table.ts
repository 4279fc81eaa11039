/**
 * All commands. A row is one line here: what help, parsing and completion know of it stands in rows/, and the module
 * that does the work is imported when the command is run.
 */

import type { Command } from "./command.ts";
import { login, logout, pull, push } from "./rows/images_remote.ts";
import { complete, completion, help, version } from "./rows/meta.ts";

/** The headings of `mini --help`, in this order. */
export const groups: readonly string[] = [
  "Run containers",
  "Look",
  "Images",
  "About mini",
];

/** The first words of two-word commands, such as `image` of `image inspect`. */
export const nouns: Readonly<Record<string, string>> = {
  image: "Manage images",
};

/** Every command, in the order of help. */
export const commands: readonly Command[] = [
  { ...pull, load: () => import("./pull.ts") },
  { ...push, load: () => import("./push.ts") },
  { ...login, load: () => import("./login.ts") },
  { ...logout, load: () => import("./logout.ts") },
  { ...version, load: () => import("./version_command.ts") },
  { ...help, load: () => import("./help_command.ts") },
  { ...completion, load: () => import("./completion.ts") },
  { ...complete, load: () => import("./complete_command.ts") },
];
