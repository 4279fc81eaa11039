/** Runs the programs of ffi_program_cases.ts: on this machine, and as 64-bit Arm under user-mode qemu. */
import { assertEquals } from "@std/assert";
import { aarch64 } from "../ffi/aarch64.ts";
import { elf, mapResults, NOT_RUN, RESULTS_HEADER, resultsBytes } from "../ffi/elf.ts";
import { close, machine, syscall } from "../ffi/kernel.ts";
import { op, type Program } from "../ffi/program.ts";
import { Results, spawn, type Spawned, waitForExit, writeAll } from "../ffi/spawn.ts";
import { CASES } from "./ffi_program_cases.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";

/** Starts qemu on the ELF file of a program, with results of the test's own making. */
function underQemu(program: Program, folder: string): Spawned {
  const resultsFd = syscall("memfd_create", "results", 1);
  const words = new BigInt64Array(resultsBytes(program.length + 1) / 8).fill(NOT_RUN, RESULTS_HEADER / 8);
  writeAll(resultsFd, new Uint8Array(words.buffer));
  const whole = [mapResults(resultsFd, program.length + 1), ...program];
  const file = `${folder}/.program`;
  Deno.writeFileSync(file, elf(whole, aarch64), { mode: 0o700 });
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

const natively = (program: Program) => spawn(program);
const lanes = [
  { title: machine.name, ignore: false, start: natively },
  ...machine === aarch64 ? [] : [{
    title: present(QEMU) ? "aarch64 under qemu" : `aarch64 (needs ${QEMU})`,
    ignore: !present(QEMU),
    start: underQemu,
  }],
];

for (const { title, ignore, start } of lanes) {
  for (const { name, program, status = 0, check } of CASES) {
    Deno.test({
      name: `${title}: ${name}`,
      ignore,
      fn() {
        const folder = Deno.makeTempDirSync();
        try {
          const { pidfd, results } = start(program(folder), folder);
          try {
            const end = waitForExit(pidfd);
            // What went wrong says more than the exit status; but some programs are to fail.
            if (end.code !== status) assertEquals(results.failure(), undefined);
            assertEquals(end, { code: status, signaled: false, coreDumped: false });
            check(results, folder);
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
