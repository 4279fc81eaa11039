/** How processes end: wait(2). */
import { P_PIDFD, WEXITED } from "./constants.ts";
import { syscall } from "./kernel.ts";

/** How a process ended. */
export interface ExitStatus {
  /** Its exit status, or the number of the signal that killed it. */
  readonly code: number;
  readonly signaled: boolean;
  readonly coreDumped: boolean;
}

/** The exit status as a shell counts it: 128 + n for a process killed by signal n. */
export const shellStatus = (status: ExitStatus) => status.signaled ? 128 + status.code : status.code;

/** Reaps the child behind a pidfd; waits if it still runs. @throws {SyscallError} ECHILD if it is not ours. */
export function waitForExit(pidfd: number): ExitStatus {
  const info = new Int32Array(32);
  syscall("waitid", P_PIDFD, pidfd, info, WEXITED, 0);
  return exitStatus(info[2]!, info[6]!);
}

/** si_code and si_status of a SIGCHLD siginfo, sigaction(2). */
export function exitStatus(code: number, status: number): ExitStatus {
  return { code: status, signaled: code !== 1, coreDumped: code === 3 };
}
