/** The flags before the command, and the environment variables that stand in for them. */

import { MiniError } from "../ffi/errors.ts";
import type { CommandRow, Flag, Globals } from "./command.ts";
import { parse } from "./parse.ts";

/** The flags before the command. */
export const globalFlags: readonly Flag[] = [
  {
    name: "root",
    kind: "string",
    placeholder: "dir",
    complete: "directory",
    default: "/var/lib/mini",
    description: "Where images, volumes and containers are kept [MINI_ROOT]",
  },
  {
    name: "state",
    kind: "string",
    placeholder: "dir",
    complete: "directory",
    default: "/run/mini",
    description: "Where the state of what runs is kept [MINI_STATE]",
  },
  { name: "debug", short: "D", kind: "boolean", description: "Tell failures with a stack trace" },
  { name: "version", short: "v", kind: "boolean", description: "Print the version" },
];

/** The command line before the command, as if it were a command whose arguments are the rest. */
const frame: Pick<CommandRow, "flags" | "positionals" | "usage"> = {
  flags: globalFlags,
  positionals: { min: 0, stopAtFirst: true },
  usage: "[OPTIONS] COMMAND",
};

/** The command line split at the command. */
export interface Split {
  readonly help: boolean;
  readonly version: boolean;
  readonly globals: Globals;
  /** The command and everything after it; empty when there is none. */
  readonly words: readonly string[];
}

/**
 * Reads the flags before the command; where one is missing its environment variable, then the default.
 *
 * @param userFolders where an ordinary user's folders are. @throws {MiniError} on an unknown flag or an empty folder
 */
export function splitGlobals(
  args: readonly string[],
  environment: (name: string) => string | undefined,
  userFolders?: (environment: (name: string) => string | undefined) => { root: string; state: string },
): Split {
  const { help, flags, args: words } = parse(frame, args, "mini");
  const folder = (flag: "root" | "state", variable: string): string => {
    const fromEnvironment = flags.given(flag) ? undefined : environment(variable) || undefined;
    const byDefault = () => userFolders && !flags.given(flag) && !help ? userFolders(environment)[flag] : undefined;
    const path = fromEnvironment ?? byDefault() ?? flags.string(flag);
    if (!path && !help) throw new MiniError(`--${flag} needs a folder, not an empty value. See 'mini --help'`);
    return path && !path.startsWith("/") ? `${Deno.cwd()}/${path}` : path ?? "";
  };
  return {
    help,
    version: flags.boolean("version"),
    globals: {
      root: folder("root", "MINI_ROOT"),
      state: folder("state", "MINI_STATE"),
      debug: flags.boolean("debug"),
    },
    words,
  };
}
