/** Every byte of machine code in ffi/ is what its text says: binutils disassembles it, and the two are compared line by line. */
import { assertEquals } from "@std/assert";
import { aarch64 } from "../ffi/aarch64.ts";
import { type Line, link, type Machine } from "../ffi/machine_code.ts";
import { x86_64 } from "../ffi/x86_64.ts";

/** How binutils names each machine, and the programs that may know it: the machine's own, and the cross tools. */
const TOOLS = {
  x86_64: { objdump: ["objdump", "x86_64-linux-gnu-objdump"], flags: ["-m", "i386:x86-64", "-M", "intel"] },
  aarch64: { objdump: ["aarch64-linux-gnu-objdump", "objdump"], flags: ["-m", "aarch64"] },
} as const;

function run(command: string, args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(command, { args, stdout: "piped", stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The objdump that knows a machine, if one is installed. */
function objdumpOf(machine: Machine): string | undefined {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, link(machine.call, machine.setDistance));
    const { objdump, flags } = TOOLS[machine.name];
    return objdump.find((command) => run(command, ["-D", "-b", "binary", ...flags, path]) !== undefined);
  } finally {
    Deno.removeSync(path);
  }
}

/** `address: instruction`, one line for each instruction that objdump finds. */
function disassemble(objdump: string, machine: Machine, code: Uint8Array): string[] {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, code);
    const flags = ["-D", "-b", "binary", "--no-show-raw-insn", ...TOOLS[machine.name].flags, path];
    const text = run(objdump, flags);
    if (text === undefined) throw new Error(`${objdump} failed`);
    return text.split("\n").flatMap((line) => {
      const match = /^\s*([0-9a-f]+):\s+(.*)$/.exec(line);
      return match ? [`${match[1]}: ${match[2]!.replace(/\s*\/\/.*/, "").replace(/\s+/g, " ").trim()}`] : [];
    });
  } finally {
    Deno.removeSync(path);
  }
}

/** The same from the lines themselves. */
function expected(lines: readonly Line[]): string[] {
  const at = new Map<string, number>();
  let address = 0;
  for (const line of lines) {
    if (line.name !== undefined) at.set(line.name, address);
    address += line.bytes.length;
  }
  address = 0;
  return lines.map((line) => {
    const text = line.to === undefined ? line.text : `${line.text} 0x${at.get(line.to)!.toString(16)}`;
    const result = `${address.toString(16)}: ${text}`;
    address += line.bytes.length;
    return result;
  });
}

for (const machine of [x86_64, aarch64]) {
  const objdump = objdumpOf(machine);
  const pieces: Record<string, readonly Line[]> = {
    call: machine.call,
    spawn: machine.spawn,
    "start at the addresses of elf.ts": machine.start(0x1001000, 0x30000040),
    "start with times": machine.start(0x1001000, 0x30000040, 0x30000100),
    counter: machine.counter,
    "start at other addresses": machine.start(0x7fff0000, 0xfedcba98),
  };
  for (const [name, lines] of Object.entries(pieces)) {
    Deno.test({
      name: `${machine.name}: binutils reads ${name} as its text says${objdump ? "" : " (needs an objdump for it)"}`,
      ignore: objdump === undefined,
      fn: () => assertEquals(disassemble(objdump!, machine, link(lines, machine.setDistance)), expected(lines)),
    });
  }
}
