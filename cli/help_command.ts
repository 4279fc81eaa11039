/** `mini help [COMMAND]`. */

import type { Invocation } from "./command.ts";
import { findCommand } from "./find.ts";
import { commandHelp, nounHelp, overviewHelp } from "./help.ts";
import { write } from "./output.ts";
import { commands, groups, nouns } from "./table.ts";
import { outputStyle } from "./terminal.ts";

/** Prints the help of the command that the arguments name, without arguments that of `mini`. */
export default function help({ args }: Pick<Invocation, "args">): number {
  const table = { commands, groups, nouns };
  const style = outputStyle();
  if (args.length === 0) write(overviewHelp(table, style));
  else {
    const found = findCommand(args, commands);
    if (found.type === "noun") write(nounHelp(found.noun, table, style));
    else write(commandHelp(found.command, found.name, style));
  }
  return 0;
}
