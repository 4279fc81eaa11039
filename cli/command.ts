/**
 * What a command is. One table of these values (table.ts) feeds parsing, help and completion, so none of the three can
 * say something that the others do not know.
 */

import type { FlagValues } from "./flag_values.ts";

/**
 * How the value of a flag is read:
 * - `boolean`: given or not, `--rm`, also `--rm=false`;
 * - `string`: any text, the last one given counts;
 * - `list`: any text, may be given many times;
 * - `choice`: one of the flag's `values`;
 * - `integer`, `number`: decimal, between the flag's `min` and `max`;
 * - `bytes`: a size such as `64m`, see engine/units.ts;
 * - `duration`: a time such as `1m30s`, see engine/units.ts.
 */
export type FlagKind = "boolean" | "string" | "list" | "choice" | "integer" | "number" | "bytes" | "duration";

/** What a shell can offer at a place of the command line; a `thing` is a container, an image, a volume or a network. */
export type Completion = "command" | "container" | "image" | "volume" | "network" | "thing" | "file" | "directory";

/** A flag of a command. */
export interface Flag {
  /** The long name without dashes, `entrypoint`. */
  readonly name: string;
  /** Other names, `net` for `network`: understood, and not shown. */
  readonly aliases?: readonly string[];
  /** The letter, `e` for `-e`. */
  readonly short?: string;
  readonly kind: FlagKind;
  /** The word that stands for the value in help, where Docker prints another than the kind's own. */
  readonly placeholder?: string;
  /** One line, without a final stop. */
  readonly description: string;
  /** The value when none is given, as a person would type it; help shows it. */
  readonly default?: string;
  /** The only values of a `choice`; for other kinds those that completion offers. */
  readonly values?: readonly string[];
  /** Of a filter: the keys of `key=value`, which help lists and completion offers. */
  readonly keys?: readonly string[];
  /** What completion offers as the value. */
  readonly complete?: Completion;
  /** The smallest and largest value of an `integer`, `number`, `bytes` or `duration`. */
  readonly min?: number;
  readonly max?: number;
  /** The heading that the flag stands under in help; without one it is `Options`. */
  readonly heading?: string;
}

/** The arguments of a command that are not flags. */
export interface Positionals {
  readonly min: number;
  /** Without it there may be any number. */
  readonly max?: number;
  /** What is missing when there are too few: `an image` as in "mini run needs an image". */
  readonly needs?: string;
  /** A flag that takes the place of the first argument: with it `min` is one less. */
  readonly replacedBy?: string;
  /** Everything after the first argument is an argument, dashes or not: the flags after an image are the container's. */
  readonly stopAtFirst?: true;
  /** What completion offers, by position. */
  readonly complete?: readonly Completion[];
  /** For every further argument completion offers the last of `complete` again. */
  readonly repeat?: true;
  /** The words that completion offers as the first argument. */
  readonly values?: readonly string[];
}

/** An example in a command's help. */
export interface Example {
  readonly command: string;
  /** What it does, one line, without a final stop. */
  readonly comment: string;
}

/** Everything about a command but its implementation. */
export interface CommandRow {
  /** What people type after `mini`, `run` or `image inspect`. */
  readonly name: string;
  /** Other names of the same command, `image ls` for `images`. */
  readonly aliases?: readonly string[];
  /** The heading that it stands under in `mini --help`. */
  readonly group: string;
  /** One line, without a final stop. */
  readonly summary: string;
  /** What follows the name in the usage line, `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly positionals: Positionals;
  readonly examples?: readonly Example[];
  /** The exit status of the command's own failures; without it 1. */
  readonly failureStatus?: number;
  /** Left out of help and completion. */
  readonly hidden?: true;
  /**
   * What the command does about SIGUSR1, through which Deno would open its inspector to every user of the host: it hands
   * signals on to a container, or it has ended long before Deno listens. Without it the signal ends the command.
   */
  readonly signals?: "forwarded" | "brief";
  /** It touches no container and no image: an ordinary user needs no user namespace for it. */
  readonly anywhere?: true;
}

/** The implementation of a command: returns the exit status. */
export type Implementation = (invocation: Invocation) => number | Promise<number>;

/** A command: a row, and where its implementation is. */
export interface Command extends CommandRow {
  /** Imports the implementation, so that a command initialises nothing that it does not need. */
  readonly load: () => Promise<{ default: Implementation }>;
}

/** The flags before the command, and the environment variables that stand in for them. */
export interface Globals {
  /** An absolute path: images, volumes, containers' layers. */
  readonly root: string;
  /** An absolute path: the state of what runs. */
  readonly state: string;
  /** Failures are told with a stack trace. */
  readonly debug: boolean;
}

/** A command line that has been understood. */
export interface Invocation {
  readonly command: CommandRow;
  readonly flags: FlagValues;
  /** The arguments that are not flags, as many as the command's `positionals` allow. */
  readonly args: readonly string[];
  readonly globals: Globals;
  /** Everything after the command's name, as typed. */
  readonly raw: readonly string[];
}
