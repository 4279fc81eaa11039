/** The command line: finds the command, runs it, and tells its failures. */

import { MiniError, SyscallError } from "../ffi/errors.ts";
import { calledAs } from "../ffi/self.ts";
import type { Found } from "./find.ts";
import { frequent } from "./frequent.ts";
import { BROKEN_PIPE, printable, write } from "./output.ts";
import { versionLine } from "./version.ts";

/** The same as in engine/rootless/enter.ts, which nobody loads who is root. */
const ROOTLESS = "_MINI_ROOTLESS";

/**
 * Carries out a command line.
 *
 * @param args everything after the program's name
 * @returns the exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  // Both are known once the command line has been read.
  const failure = { status: 1, debug: false };
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(report(event.reason, failure.status, failure.debug));
  });
  try {
    const oci = args[0] === "oci" ? args.slice(1) : calledAs() === "mini-runc" ? args : undefined;
    if (oci) return await (await import("./oci/main.ts")).ociMain(oci, report);
    if (args[0] === "--version" || args[0] === "-v") {
      write(versionLine());
      return 0;
    }
    return await dispatch(args, failure);
  } catch (error) {
    return report(error, failure.status, failure.debug);
  }
}

async function dispatch(args: readonly string[], failure: { status: number; debug: boolean }): Promise<number> {
  const [{ splitGlobals }, { parse }] = await Promise.all([import("./globals.ts"), import("./parse.ts")]);
  const isRoot = Deno.uid() === 0 && Deno.env.get(ROOTLESS) === undefined;
  const { globals, help, version, words } = splitGlobals(
    args,
    (name) => Deno.env.get(name),
    isRoot ? undefined : (await import("../engine/rootless/enter.ts")).userFolders,
  );
  failure.debug = globals.debug;
  if (version) {
    write(versionLine());
    return 0;
  }
  const printHelp = async (args: readonly string[]) => (await import("./help_command.ts")).default({ args });
  if (help || words.length === 0) return printHelp([]);
  const found = await find(words);
  if (found.type === "noun") {
    parse({ flags: [], positionals: { min: 0 }, usage: "COMMAND" }, found.rest, `mini ${found.noun}`);
    return printHelp([found.noun]);
  }
  const { command, name, rest } = found;
  failure.status = command.failureStatus ?? 1;
  const parsed = parse(command, rest, `mini ${name}`);
  if (parsed.help) return printHelp(name.split(" "));
  if (!isRoot && !command.anywhere && Deno.env.get(ROOTLESS) === undefined) {
    const [{ enter }, { members }, { claimState }] = await Promise.all([
      import("../engine/rootless/enter.ts"),
      import("../engine/rootless/members.ts"),
      import("../engine/rootless/state_folder.ts"),
    ]);
    try {
      claimState(globals.state, Deno.uid()!);
      enter(args, members(globals, words));
    } catch (error) {
      throw (await import("../engine/host_error.ts")).explainHost(error, globals, failure.status);
    }
  }
  const { default: run } = await command.load();
  if (command.signals === undefined) (await import("../ffi/redirect_signal.ts")).endOnSigusr1();
  try {
    return await run({ command, flags: parsed.flags, args: parsed.args, globals, raw: rest });
  } catch (error) {
    throw (await import("../engine/host_error.ts")).explainHost(error, globals, failure.status);
  }
}

/** What the words name; most of what is typed needs only its own row. */
async function find(words: readonly string[]): Promise<Found> {
  const [name = "", ...rest] = words;
  if (Object.hasOwn(frequent, name)) return { type: "command", command: await frequent[name]!(), name, rest };
  const [{ commands }, { findCommand }] = await Promise.all([import("./table.ts"), import("./find.ts")]);
  return findCommand(words, commands);
}

/**
 * Tells a failure on standard error.
 *
 * @param status the exit status for a failure that has none of its own
 * @returns the exit status
 */
export function report(error: unknown, status: number, debug: boolean): number {
  if (error instanceof Deno.errors.BrokenPipe) return BROKEN_PIPE;
  const expected = error instanceof MiniError || error instanceof SyscallError;
  const message = printable(error instanceof Error ? error.message : String(error));
  const stack = debug || !expected ? stackOf(error) : "";
  const text = expected
    ? `mini: ${message}\n${stack}`
    : `mini: internal error: ${message}\n${stack}This is a defect of ${versionLine().trim()}: please report it.\n`;
  try {
    write(text, Deno.stderr);
  } catch {
    // Standard error is closed or full: there is nobody left to tell, and the exit status still does.
  }
  return error instanceof MiniError ? error.exitStatus ?? status : status;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  // The first line repeats the message.
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const cause = error.cause instanceof Error
    ? `  caused by: ${printable(error.cause.message)}\n${stackOf(error.cause)}`
    : "";
  return frames.map((line) => `${line}\n`).join("") + cause;
}
