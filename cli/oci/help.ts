/** `mini oci --help` and `mini oci create --help`. */
import { commandHelp, nounHelp } from "../help.ts";
import { write } from "../output.ts";
import { oci } from "../rows/oci.ts";
import { outputStyle } from "../terminal.ts";
import { ociCommands } from "./table.ts";

const unused = () => Promise.reject(new Error("this is about help alone"));

/** @param name `oci create`; without it all commands. */
export function printHelp(name?: string): number {
  const style = outputStyle(), command = ociCommands.find((command) => command.name === name);
  if (command) write(commandHelp(command, command.name, style));
  else {
    const commands = ociCommands.map((command) => ({ ...command, load: unused }));
    write(`${commandHelp(oci, "oci", style)}\n${nounHelp("oci", { groups: [], nouns: {}, commands }, style)}`);
  }
  return 0;
}
