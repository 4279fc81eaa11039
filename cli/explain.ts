/** `mini explain run …`: what would be done, without doing it. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { planOf } from "../engine/explain_run.ts";
import { explainHost } from "../engine/host_error.ts";
import type { Invocation } from "./command.ts";
import { findSource, readOptions } from "./container_options.ts";
import { type ExplainFormat, showSteps } from "./explain_output.ts";
import { write } from "./output.ts";
import { parse } from "./parse.ts";
import { run as runRow } from "./rows/run.ts";
import { terminalLook } from "./terminal.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const [verb, ...words] = args;
  if (verb !== "run") {
    throw new MiniError(`mini explain ${verb}: only 'run' is explained, as in 'mini explain run starter sh'`);
  }
  const command = parse(runRow, words, "mini explain run");
  if (command.help) throw new MiniError("see 'mini run --help' for what 'mini explain run' takes");
  const rest = command.flags.string("rootfs") === undefined ? command.args.slice(1) : command.args;
  const options = await readOptions(command.flags, rest);
  try {
    const source = await findSource(command.flags, command.args, globals);
    const steps = await planOf(new Containers(globals.root, globals.state), source, options);
    const { width, colours } = terminalLook(Deno.stdout);
    const format = (flags.string("format") ?? "table") as ExplainFormat;
    write(showSteps(steps, { format, fold: !flags.boolean("all"), width, colours }));
    return 0;
  } catch (error) {
    throw explainHost(error, globals);
  }
}
