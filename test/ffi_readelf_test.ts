/** What ffi/elf.ts writes, as binutils' readelf reads it. */
import { assert, assertEquals } from "@std/assert";
import { aarch64 } from "../ffi/aarch64.ts";
import { elf } from "../ffi/elf.ts";
import { op } from "../ffi/program.ts";
import { x86_64 } from "../ffi/x86_64.ts";

function readelf(...args: string[]): string | undefined {
  try {
    const { success, stdout, stderr } = new Deno.Command("readelf", { args, env: { LC_ALL: "C" } }).outputSync();
    assert(success);
    assertEquals(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
const ignore = readelf("--version") === undefined;

for (const machine of [x86_64, aarch64]) {
  for (const cells of [0, 70_000]) {
    Deno.test({
      name: `readelf reads a program for ${machine.name} with ${cells} bytes of cells${
        ignore ? " (needs readelf)" : ""
      }`,
      ignore,
      fn() {
        const path = Deno.makeTempFileSync();
        try {
          const memory = cells ? { cell: "memory", size: cells } : 0;
          const program = [
            op("read", [0, memory, 1], "read"),
            op("write", [1, "x".repeat(9000)], ""),
            op("exit", [0], ""),
          ];
          Deno.writeFileSync(path, elf(program, machine));
          const text = readelf("-hlW", path)!;
          const segments = text.split("\n").flatMap((line) => {
            const match = /^ +LOAD +(\w+) (\w+) (\w+) (\w+) (\w+) (R| )(W| )(E| )/.exec(line);
            return match
              ? [{ access: match.slice(6).join(""), offset: Number(match[1]), address: Number(match[2]) }]
              : [];
          });
          assertEquals(segments.map((s) => s.access), ["R E", "R  ", "RW "].slice(0, cells ? 3 : 2));
          for (const s of segments) {
            const page = machine === aarch64 ? 65536 : 4096;
            assertEquals(s.address % page, s.offset % page);
          }
          assert(/Type: +EXEC/.test(text));
          assert(text.includes(machine === aarch64 ? "AArch64" : "X86-64"));
          assert(!/INTERP|DYNAMIC/.test(text), "nothing is dynamic");
        } finally {
          Deno.removeSync(path);
        }
      },
    });
  }
}
