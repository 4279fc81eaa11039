/** `mini run`: the command line becomes what the engine is asked for. */
import { MiniError } from "../ffi/errors.ts";
import { Containers } from "../engine/containers.ts";
import { explainHost } from "../engine/host_error.ts";
import { run } from "../engine/run.ts";
import type { Invocation } from "./command.ts";
import type { ExplainFormat } from "./explain_output.ts";
import type { FlagValues } from "./flag_values.ts";
import { findSource, readOptions } from "./container_options.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  // Before anything else, which would fail in less clear ways.
  // Everything that can be wrong in the words themselves is said before anything is fetched or made.
  const options = await readOptions(flags, flags.string("rootfs") === undefined ? args.slice(1) : args);
  const background = flags.boolean("detach");
  if (flags.boolean("step")) checkStep(flags);
  const attached = attachedStreams(flags);
  const source = await findSource(flags, args, globals).catch((error) => {
    throw explainHost(error, globals);
  });
  const containers = new Containers(globals.root, globals.state);
  const explain = await explainFlags(flags);
  if (!background) {
    return await run(containers, source, options, tell, {
      explain,
      step: await stepFlag(flags),
      ...attached,
      ...options.tty && options.interactive ? { detachKeys: await detachKeys(flags) } : {},
    });
  }
  const { runInBackground } = await import("../engine/background.ts");
  write(`${await runInBackground(containers, source, options, tell, explain)}\n`);
  return 0;
}

/** `--attach`: which of our streams are the container's; without it all. @throws {MiniError} */
function attachedStreams(flags: FlagValues): { hidden?: (1 | 2)[]; withoutInput?: boolean } {
  const names = flags.list("attach").map((name) => name.toLowerCase());
  if (names.length === 0) return {};
  const wrong = names.find((name) => !["stdin", "stdout", "stderr"].includes(name));
  if (wrong !== undefined) throw new MiniError(`--attach takes stdin, stdout or stderr, not '${wrong}'`);
  if (flags.boolean("detach")) {
    throw new MiniError("Conflicting options: -a and -d: in the background no stream is connected");
  }
  if (flags.boolean("tty") && !names.includes("stdout")) {
    throw new MiniError("a terminal shows all that is printed as one stream: add --attach stdout, or leave out -t");
  }
  return {
    hidden: ([1, 2] as const).filter((fd) => !names.includes(fd === 1 ? "stdout" : "stderr")),
    withoutInput: !names.includes("stdin"),
  };
}

/** Nothing of it is loaded without --explain. What is told goes to standard error: standard output is the container's. */
async function explainFlags(flags: FlagValues) {
  if (!flags.boolean("explain")) {
    if (flags.given("explain-format")) {
      throw new MiniError("--explain-format says how --explain is printed: add --explain");
    }
    return undefined;
  }
  const [{ explaining }, { showSteps }, { terminalLook }] = await Promise.all([
    import("../engine/explain_run.ts"),
    import("./explain_output.ts"),
    import("./terminal.ts"),
  ]);
  const format = (flags.string("explain-format") ?? "table") as ExplainFormat;
  return explaining((steps) => {
    write(showSteps(steps, { format, fold: Deno.stderr.isTerminal(), ...terminalLook(Deno.stderr) }), Deno.stderr);
  }).explain;
}

/** @throws {MiniError} for flags that want the same standard streams, or close what is talked through. */
function checkStep(flags: FlagValues): void {
  const sayWhy: Record<string, string> = {
    detach: "--step waits for Enter, and in the background nobody presses it: leave out -d",
    interactive: "--step reads Enter from the standard input that -i gives to the container: leave one of them out",
    explain: "--step shows each call and its result already: leave out --explain",
    init: "--step talks to the container's program, and --init closes what they talk through: leave one of them out",
  };
  for (const [flag, why] of Object.entries(sayWhy)) if (flags.boolean(flag)) throw new MiniError(why);
}

/** Nothing of it is loaded without a terminal. */
async function detachKeys(flags: FlagValues): Promise<readonly number[]> {
  return (await import("../engine/detach_keys.ts")).parseDetachKeys(flags.string("detach-keys") ?? "");
}

/** Nothing of it is loaded without --step. */
async function stepFlag(flags: FlagValues) {
  if (!flags.boolean("step")) return undefined;
  const [{ stepping }, { stepView }] = await Promise.all([import("../engine/step.ts"), import("./step_output.ts")]);
  return stepping(stepView(), tell);
}
