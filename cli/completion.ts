/**
 * `mini completion SHELL`: the scripts that make a shell ask `mini __complete` at each press of the tab key. They hold
 * no list of commands, so they stay right when `mini` is replaced by a newer one.
 */

import bash from "./completion/mini.bash" with { type: "text" };
import fish from "./completion/mini.fish" with { type: "text" };
import zsh from "./completion/mini.zsh" with { type: "text" };
import { MiniError } from "../ffi/errors.ts";
import type { Invocation } from "./command.ts";
import { write } from "./output.ts";
import { nearest } from "./suggest.ts";

const SCRIPTS: Record<string, string> = { bash, zsh, fish };

/** Prints the script of the shell that the argument names. */
export default function completion({ args }: Pick<Invocation, "args">): number {
  const [shell = ""] = args;
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) {
    const near = nearest(shell, Object.keys(SCRIPTS));
    throw new MiniError(
      `there is completion for bash, zsh and fish, not for '${shell}'${near ? `, did you mean ${near}?` : ""}`,
    );
  }
  write(script);
  return 0;
}
