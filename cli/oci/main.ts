/**
 * The command line of an OCI runtime, as runc has it: `mini oci …`, or the program called by the name `mini-runc`. Its
 * commands have runc's meaning and not Docker's, and keep containers of their own.
 */
import { MiniError, SyscallError } from "../../ffi/errors.ts";
import { findCommand } from "../find.ts";
import { printable, write } from "../output.ts";
import { parse } from "../parse.ts";
import { oci } from "../rows/oci.ts";
import { buildCommit, VERSION } from "../version.ts";
import { type Level, type LogFormat, logLine, writeLog } from "./log.ts";
import { ociCommands } from "./table.ts";

/** Tells a failure on standard error, and returns the exit status. */
type Report = (error: unknown, status: number, debug: boolean) => number;

/**
 * Carries out a command line.
 *
 * @param args what follows `mini oci`, or `mini-runc`
 * @returns the exit status
 */
export async function ociMain(args: readonly string[], report: Report): Promise<number> {
  let status = 1, debug = false, log: string | undefined, format: LogFormat = "text";
  const tell = (level: Level, message: string) => {
    const line = () => logLine(format, level, message, new Date());
    if (log) writeLog(log, line());
    else if (level === "debug") write(line(), Deno.stderr);
  };
  const warn = (sentence: string) => {
    write(`mini: warning: ${printable(sentence)}\n`, Deno.stderr);
    tell("warning", sentence);
  };
  try {
    const { help, flags, args: words } = parse(oci, args, "mini oci");
    debug = flags.boolean("debug");
    log = flags.string("log");
    format = flags.string("log-format") as LogFormat;
    if (flags.boolean("version")) return version();
    const printHelp = async (name?: string) => (await import("./help.ts")).printHelp(name);
    if (help || words.length === 0) return await printHelp();
    const found = findCommand(["oci", ...words], ociCommands.map((command) => ({ ...command, load: unused })));
    if (found.type === "noun") return await printHelp();
    const command = ociCommands.find(({ name }) => name === found.name)!;
    status = command.failureStatus ?? 1;
    const parsed = parse(command, found.rest, `mini ${found.name}`);
    if (parsed.help) return await printHelp(command.name);
    const { default: run } = await command.load();
    const root = flags.string("root") || "/run/mini-runc";
    if (flags.string("rootless") === "true") throw new MiniError("--rootless: this command line needs root");
    if (debug) tell("debug", `${command.name.replace("oci ", "mini-runc ")} ${found.rest.join(" ")}`);
    else if (log) writeLog(log, ""); // a log that cannot be written is told before anything is done
    const ended = await run({
      flags: parsed.flags,
      args: parsed.args,
      warn,
      globals: {
        root: root.startsWith("/") ? root : `${Deno.cwd()}/${root}`,
        systemdCgroup: flags.boolean("systemd-cgroup"),
        debug,
      },
    });
    if (debug) tell("debug", `${command.name.replace("oci ", "mini-runc ")} ends with status ${ended}`);
    return ended;
  } catch (thrown) {
    const error = (await import("../../engine/oci/exec_error.ts")).withEngineWords(thrown);
    const expected = error instanceof MiniError || error instanceof SyscallError;
    if (!(error instanceof Deno.errors.BrokenPipe)) {
      tellQuietly(() => tell("error", error instanceof Error ? error.message : `${error}`));
    }
    // An engine reads the message; a status of its own is what the program in the container would have had.
    return report(expected ? new MiniError(error.message, status, { cause: error.cause }) : error, status, debug);
  }
}

/** The failure itself matters more than that it cannot be logged. */
function tellQuietly(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
  }
}

const unused = () => Promise.reject(new Error("the OCI command line has implementations of its own"));

/** The further lines are how engines see that this is an OCI runtime, and of which version. */
async function version(): Promise<number> {
  const { OCI_VERSION } = await import("../../runtime/spec.ts");
  const commit = buildCommit();
  write(`mini-runc version ${VERSION}\n${commit ? `commit: ${commit}\n` : ""}spec: ${OCI_VERSION}\n`);
  return 0;
}
