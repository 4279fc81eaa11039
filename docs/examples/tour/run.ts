// What every step of the tour does with its list of system calls: start it as a process, and wait for its end.
import { close } from "../../../ffi/kernel.ts";
import type { Program } from "../../../ffi/program.ts";
import { type Results, shellStatus, spawn, type SpawnOptions, waitForExit } from "../../../ffi/spawn.ts";

/** Runs a program in a new process; `look` is given what each operation returned. @returns its exit status. */
export function run(program: Program, options: SpawnOptions = {}, look: (results: Results) => void = () => {}): number {
  const { pidfd, results } = spawn(program, options);
  const status = shellStatus(waitForExit(pidfd));
  const failure = results.failure();
  if (failure) console.log(`${failure.operation.call} failed with errno ${failure.errno}: ${failure.operation.why}`);
  look(results);
  results.close();
  close(pidfd);
  return status;
}
