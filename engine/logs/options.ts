/** `--log-driver` and `--log-opt`: Docker's names, and what they mean here. */
import { MiniError } from "../../ffi/errors.ts";

/** How much of a container's output is kept. */
export interface LogLimits {
  /** Bytes of one file with its index; Infinity: it is never rotated. */
  readonly maxBytes: number;
  /** The number of files, with the one that is written; at least 1. */
  readonly maxFiles: number;
}

/** 10 MB × 3. */
export const DEFAULT_LIMITS: LogLimits = { maxBytes: 10_000_000, maxFiles: 3 };

/** What a container without a log keeps for those that attach. */
export const SPOOL_LIMITS: LogLimits = { maxBytes: 256 * 1024, maxFiles: 2 };

/** The smallest file that rotation makes sense with. */
const LEAST_BYTES = 1000;

/** What a container's record says about its log. */
export interface LogConfig {
  /** As it was given: `json-file` is another name for `local`. */
  readonly driver: "local" | "json-file" | "none";
  /** As they were given. */
  readonly options: Readonly<Record<string, string>>;
}

const DRIVERS = ["local", "json-file", "none"];
const OTHER_DRIVERS = [
  "awslogs",
  "etwlogs",
  "fluentd",
  "gcplogs",
  "gelf",
  "journald",
  "k8s-file",
  "logentries",
  "passthrough",
  "splunk",
  "syslog",
];

/**
 * Reads a driver's name and the `NAME=value` of `--log-opt`.
 *
 * @throws {MiniError} for a driver or an option that there is none of, or that has no such value.
 */
export function parseLogConfig(driver: string | undefined, options: readonly string[]): LogConfig {
  const name = driver || "local";
  if (!DRIVERS.includes(name)) {
    throw new MiniError(
      OTHER_DRIVERS.includes(name)
        ? `--log-driver ${name} is not supported: mini keeps logs itself (local), or none at all (none)`
        : `there is no log driver '${name}': give local or none`,
    );
  }
  const given: Record<string, string> = {};
  for (const text of options) {
    const at = text.indexOf("=");
    if (at <= 0) throw new MiniError(`--log-opt ${text} is not of the form NAME=value, such as max-size=10m`);
    given[text.slice(0, at)] = text.slice(at + 1);
  }
  const config: LogConfig = { driver: name as LogConfig["driver"], options: given };
  if (name === "none" && options.length > 0) {
    throw new MiniError(`--log-opt ${options[0]} is about a log, and --log-driver none keeps none: leave one out`);
  }
  logLimits(config);
  return config;
}

/** What of a container's log is kept. @throws {MiniError} for an option that there is none of, or that has no such value. */
export function logLimits({ driver, options }: LogConfig): LogLimits {
  if (driver === "none") return SPOOL_LIMITS;
  let { maxBytes, maxFiles } = DEFAULT_LIMITS;
  for (const [name, value] of Object.entries(options)) {
    switch (name) {
      case "max-size":
        maxBytes = size(value);
        break;
      case "max-file":
        if (!/^[1-9]\d{0,5}$/.test(value)) {
          throw new MiniError(`--log-opt max-file=${value} is not a number of files from 1 to 999999`);
        }
        maxFiles = Number(value);
        break;
      case "compress":
        if (value !== "false") throw new MiniError("--log-opt compress is not supported: logs are kept as they are");
        break;
      case "mode":
        if (value !== "blocking") {
          throw new MiniError(`--log-opt mode=${value} is not supported: nothing that is printed is thrown away`);
        }
        break;
      case "labels":
      case "env":
        break; // told by `mini logs --details`
      default:
        throw new MiniError(
          `there is no --log-opt ${name} for --log-driver ${driver}: it knows max-size, max-file, labels and env`,
        );
    }
  }
  return { maxBytes, maxFiles };
}

const UNITS: Record<string, number> = { "": 1, k: 1000, m: 1000 ** 2, g: 1000 ** 3 };

/** Docker reads this one size in powers of 1000 (go-units, FromHumanSize), and -1 as no limit. */
function size(text: string): number {
  if (text === "-1") return Infinity;
  const match = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(text);
  const bytes = match ? Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!) : NaN;
  if (!Number.isSafeInteger(bytes)) throw new MiniError(`--log-opt max-size=${text} is not a size such as 10m, or -1`);
  if (bytes < LEAST_BYTES) throw new MiniError(`--log-opt max-size=${text} is too small: give at least 1k`);
  return bytes;
}
