/** Runs the programs of ffi_program_cases.ts: on this machine, and as 64-bit Arm under user-mode qemu. */
import { assert, assertEquals } from "@std/assert";
import { aarch64 } from "../ffi/aarch64.ts";
import { elf } from "../ffi/elf.ts";
import { close, machine, syscall } from "../ffi/kernel.ts";
import { op, type Program } from "../ffi/program.ts";
import { Results, sharedProgram, spawn, type Spawned, waitForExit } from "../ffi/spawn.ts";
import { CASES } from "./ffi_program_cases.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";

/** Starts qemu on the ELF file of a program, with results of the test's own making. */
function underQemu(program: Program, folder: string, timed: boolean): Spawned {
  const { fd: resultsFd, program: whole } = sharedProgram(program, timed);
  syscall("fcntl", resultsFd, 2, 0); // qemu is an execve further away
  const file = `${folder}/.program`;
  Deno.writeFileSync(file, elf(whole, aarch64, timed), { mode: 0o700 });
  const { pid, pidfd, results } = spawn([
    op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "let signals in"),
    op("execve", [QEMU, ["qemu", file], []], "start qemu"),
  ], { pass: [resultsFd] });
  results.close();
  return { pid, pidfd, results: new Results(resultsFd, whole) };
}

const present = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

const natively = (program: Program, _: string, timed: boolean) => spawn(program, { timed });
const machines = [
  { title: machine.name, ignore: false, start: natively },
  ...machine === aarch64 ? [] : [{
    title: present(QEMU) ? "aarch64 under qemu" : `aarch64 (needs ${QEMU})`,
    ignore: !present(QEMU),
    start: underQemu,
  }],
];
const lanes = machines.flatMap((
  one,
) => [{ ...one, timed: false }, { ...one, title: `${one.title}, timed`, timed: true }]);

/** Each operation that has returned has taken some time, and none began before the one that it was reached from. */
function checkTimes(results: Results): void {
  const times = results.program.map((_, i) => results.times(i));
  assert(times.some(({ began, ended }) => began !== undefined && ended !== undefined));
  results.program.forEach(({ call }, i) => {
    const { began, ended } = times[i]!;
    if (i > 0 && ended !== undefined) assert(began! <= ended, `operation ${i}, ${call}: ${began} to ${ended}`);
    if (i > 0) assertEquals(began === undefined && results.reached(i), false, `operation ${i}, ${call}`);
  });
}

for (const { title, ignore, start, timed } of lanes) {
  for (const { name, program, status = 0, check } of CASES) {
    Deno.test({
      name: `${title}: ${name}`,
      ignore,
      fn() {
        const folder = Deno.makeTempDirSync();
        try {
          const { pidfd, results } = start(program(folder), folder, timed);
          try {
            const end = waitForExit(pidfd);
            // What went wrong says more than the exit status; but some programs are to fail.
            if (end.code !== status) assertEquals(results.failure(), undefined);
            assertEquals(end, { code: status, signaled: false, coreDumped: false });
            check(results, folder);
            if (timed) checkTimes(results);
          } finally {
            close(pidfd);
            results.close();
          }
        } finally {
          Deno.removeSync(folder, { recursive: true });
        }
      },
    });
  }
}
