/** The log file of the OCI command line, which engines read: --log and --log-format, as runc writes it. */
import { MiniError } from "../../ffi/errors.ts";

/** What a line is about. */
export type Level = "debug" | "error" | "warning";

/** How a line is written. */
export type LogFormat = "json" | "text";

/** One line of the log. */
export function logLine(format: LogFormat, level: Level, message: string, time: Date): string {
  const at = time.toISOString().replace(/\.\d+Z$/, "Z");
  return format === "json"
    ? `${JSON.stringify({ level, msg: message, time: at })}\n`
    : `time="${at}" level=${level} msg=${JSON.stringify(message)}\n`;
}

/** Adds a line to the log. @throws {MiniError} when it cannot be written. */
export function writeLog(path: string, line: string): void {
  try {
    Deno.writeTextFileSync(path, line, { append: true, mode: 0o644 });
  } catch (error) {
    throw new MiniError(`cannot write the log ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}
