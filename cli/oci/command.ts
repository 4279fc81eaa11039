/** What a command of the OCI command line is: a row as any other, and an implementation that is given these flags, too. */
import type { CommandRow } from "../command.ts";
import type { FlagValues } from "../flag_values.ts";

/** The flags before the command. */
export interface OciGlobals {
  /** Absolute: the containers' folder. */
  readonly root: string;
  readonly systemdCgroup: boolean;
  readonly debug: boolean;
}

/** A command line that has been understood. */
export interface OciInvocation {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  readonly globals: OciGlobals;
  /** Tells what does not end the command. */
  readonly warn: (sentence: string) => void;
}

export type OciImplementation = (invocation: OciInvocation) => number | Promise<number>;

/** A row, and where its implementation is. */
export interface OciCommand extends CommandRow {
  readonly load: () => Promise<{ default: OciImplementation }>;
}
