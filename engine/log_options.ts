/** `--log-driver` and `--log-opt`. */
import { MiniError } from "../ffi/errors.ts";
import { parseBytes } from "./units.ts";
import { DEFAULT_LOG, type LogOptions } from "./record.ts";

const SMALLEST_BYTES = 4096;

/**
 * @param driver `local` where it is undefined. @param options `name=value` each.
 * @throws {MiniError} for a driver that there is not, and for options that it does not have.
 */
export function readLogOptions(driver = "local", options: readonly string[] = []): LogOptions {
  if (driver !== "local" && driver !== "none") {
    throw new MiniError(`--log-driver ${driver}: there is local (rotated files that 'mini logs' reads) and none`);
  }
  let { maxSize, maxFile } = DEFAULT_LOG;
  for (const option of options) {
    const [, name = "", value = ""] = option.match(/^([^=]*)=(.*)$/) ?? [];
    if (driver === "none") throw new MiniError(`--log-opt ${option}: the log driver none has no options`);
    if (name === "max-size") maxSize = readSize(option, value);
    else if (name === "max-file") maxFile = readCount(option, value);
    else throw new MiniError(`--log-opt ${JSON.stringify(option)} is not there; max-size=10m and max-file=3 are`);
  }
  return { driver, maxSize, maxFile };
}

function readSize(option: string, value: string): number {
  let size: number;
  try {
    size = parseBytes(value);
  } catch {
    size = 0;
  }
  if (size < SMALLEST_BYTES) throw new MiniError(`--log-opt ${option}: it is a size such as 10m, of 4k at least`);
  return size;
}

function readCount(option: string, value: string): number {
  const count = /^\d{1,6}$/.test(value) ? Number(value) : 0;
  if (count < 1) throw new MiniError(`--log-opt ${option}: it is a number of files, 1 at least`);
  return count;
}
