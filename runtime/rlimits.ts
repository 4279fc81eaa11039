/** Resource limits by name and number, getrlimit(2), include/uapi/asm-generic/resource.h. */
import { MiniError } from "../ffi/errors.ts";

const NAMES = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
  .split(" ");

/** The kernel's number of `RLIMIT_NOFILE` and the like. @throws {MiniError} for a name there is not. */
export function rlimitNumber(type: string): number {
  const number = NAMES.indexOf(type.replace(/^RLIMIT_/, ""));
  if (number < 0 || !type.startsWith("RLIMIT_")) {
    throw new MiniError(`there is no resource limit ${JSON.stringify(type)}; see getrlimit(2) for their names`);
  }
  return number;
}
