/** Signals by name and number, signal(7); the same on x86-64 and aarch64. */
import { MiniError } from "../ffi/errors.ts";

const NAMES =
  ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG " +
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS").split(" ");
const OTHER_NAMES: Record<string, number> = { IOT: 6, CLD: 17, POLL: 29, UNUSED: 31, RTMIN: 34, RTMAX: 64 };

/**
 * The number of a signal as people write it: `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`.
 *
 * @throws {MiniError} for anything else.
 */
export function signalNumber(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  if (/^[0-9]{1,2}$/.test(name) && Number(name) >= 1 && Number(name) <= 64) return Number(name);
  const realtime = name.match(/^RT(MIN\+|MAX-)([0-9]{1,2})$/);
  if (realtime) {
    const number = realtime[1] === "MIN+" ? 34 + Number(realtime[2]) : 64 - Number(realtime[2]);
    if (number >= 34 && number <= 64) return number;
  }
  const index = NAMES.indexOf(name);
  const number = index >= 0 ? index + 1 : OTHER_NAMES[name];
  if (number === undefined) {
    throw new MiniError(`there is no signal ${JSON.stringify(text)}; use a name like SIGTERM or a number`);
  }
  return number;
}

/** The name of a signal: 15 → `SIGTERM`; `SIGRTMIN+3` for a real-time one. */
export function signalName(number: number): string {
  const name = NAMES[number - 1];
  if (name) return `SIG${name}`;
  return number >= 34 && number <= 64 ? `SIGRTMIN+${number - 34}` : `signal ${number}`;
}
