import { assert, assertEquals, assertThrows } from "@std/assert";
import { aarch64 } from "./aarch64.ts";
import { elf, mapResults, RESULTS_HEADER, resultsBytes } from "./elf.ts";
import { MiniError } from "./errors.ts";
import type { Machine } from "./machine_code.ts";
import { type Argument, op, type Operation, type Program } from "./program.ts";
import { x86_64 } from "./x86_64.ts";

const MACHINES: Machine[] = [x86_64, aarch64];
const exit = op("exit_group", [0], "end");
const withArguments = (...args: Argument[]): Program => [op("getpid", args, "carry arguments"), exit];
const cell: Argument = { cell: "c", size: 100_001 };

/** The file's header and segments, read by the offsets of elf(5). */
function parse(file: Uint8Array) {
  const view = new DataView(file.buffer, file.byteOffset), long = (at: number) => Number(view.getBigUint64(at, true));
  const segments = Array.from({ length: view.getUint16(56, true) }, (_, i) => {
    const at = long(32) + i * view.getUint16(54, true);
    const flags = view.getUint32(at + 4, true);
    return {
      type: view.getUint32(at, true),
      access: (flags & 4 ? "r" : "-") + (flags & 2 ? "w" : "-") + (flags & 1 ? "x" : "-"),
      offset: long(at + 8),
      address: long(at + 16),
      fileBytes: long(at + 32),
      bytes: long(at + 40),
      align: long(at + 48),
    };
  });
  return { view, entry: long(24), segments, type: view.getUint16(16, true), machine: view.getUint16(18, true) };
}
/** What lies at an address, without its flags. */
function at(file: Uint8Array, address: number, length: number): Uint8Array {
  const segment = parse(file).segments.find((s) => address >= s.address && address + length <= s.address + s.bytes);
  assert(segment, `nothing is at ${address.toString(16)}`);
  return file.subarray(segment.offset + address - segment.address).subarray(0, length);
}
/** The operations as the loop reads them. */
function operations(file: Uint8Array, count: number) {
  const segment = parse(file).segments[1]!, view = new DataView(file.buffer, file.byteOffset + segment.offset);
  return Array.from({ length: count }, (_, i) => ({
    nr: view.getUint32(64 * i, true),
    flags: view.getUint8(64 * i + 4),
    loads: view.getUint8(64 * i + 5),
    target: view.getUint16(64 * i + 6, true),
    args: Array.from({ length: 6 }, (_, j) => Number(view.getBigInt64(64 * i + 8 + 8 * j, true))),
    than: Number(view.getBigInt64(64 * i + 56, true)),
  }));
}

for (const machine of MACHINES) {
  const test = (name: string, fn: () => void) => Deno.test(`${machine.name}: ${name}`, fn);

  test("the file is a static executable of this machine that begins inside its code", () => {
    const { type, machine: number, entry, segments } = parse(elf([exit], machine));
    assertEquals([type, number], [2, machine.elfMachine]);
    const code = segments[0]!;
    assert(entry > code.address && entry < code.address + code.fileBytes);
  });

  test("no segment is both writable and executable, and none overlaps another", () => {
    for (const program of [[exit], withArguments(cell), withArguments("x".repeat(200_000), cell)]) {
      const file = elf(program, machine), { segments } = parse(file);
      assertEquals(segments.map((s) => s.access), ["r-x", "r--", "rw-"].slice(0, segments.length));
      for (const s of segments) {
        assertEquals([s.type, s.bytes], [1, s.fileBytes]);
        assert(s.offset + s.fileBytes <= file.length);
        const page = machine.name === "aarch64" ? 65536 : 4096;
        assertEquals(s.address % page, s.offset % page, "address and offset agree within the largest page");
      }
      const ends = segments.map((s) => s.address + s.bytes);
      segments.slice(1).forEach((s, i) => assert(s.address >= ends[i]!));
      assert(ends.at(-1)! < 0x3000_0000, "the results are mapped behind");
    }
  });

  test("a program without cells has no writable segment", () => {
    assertEquals(parse(elf(withArguments("text"), machine)).segments.length, 2);
  });

  test("operations carry number, flags, loads, target and arguments", () => {
    const program: Operation[] = [
      mapResults(9, 4, false),
      op("openat", [-100, "/x", { result: "o" }], "", { name: "o", optional: true }),
      op("add", [{ load: "c", size: 8, offset: 3 }, 2n ** 64n - 2n], "", {
        jump: { when: "!=", than: { result: "o" }, to: "end" },
      }),
      { ...exit, name: "end", jump: { when: "<=", than: -7, to: "o" } },
    ];
    const file = elf(program, machine), [map, open, add, end] = operations(file, 4);
    const column = machine.column, o = 0x3000_0000 + RESULTS_HEADER + 8;
    assertEquals(map, {
      nr: [9, 222][column]!,
      flags: 0,
      loads: 0,
      target: 0,
      args: [0x3000_0000, 4096, 3, 0x11, 9, 0],
      than: 0,
    });
    assertEquals([open!.nr, open!.flags, open!.loads, open!.args[0], open!.args[2]], [
      [257, 56][column],
      1,
      4,
      -100,
      o,
    ]);
    assertEquals(new TextDecoder().decode(at(file, open!.args[1]!, 3)), "/x\0");
    assertEquals([add!.nr, add!.flags, add!.loads, add!.target], [0xffffffff, 1 | 2 | 8, 1 | 64, 3]);
    assertEquals([add!.args[1], add!.than], [-2, o]);
    assertEquals(add!.args[0]! % 8, 3);
    assertEquals([end!.flags, end!.target, end!.than], [2 | 4, 1, -7]);
  });

  test("a string is laid down once, a vector ends with NULL, words lie side by side", () => {
    const program = withArguments("same", "same", ["same", "other"], { words: [1, "same", -1] });
    const file = elf(program, machine), args = operations(file, 1)[0]!.args;
    assertEquals(args[0], args[1]);
    const longs = (address: number, n: number) => [...new BigInt64Array(at(file, address, 8 * n).slice().buffer)];
    const [first, second, end] = longs(args[2]!, 3);
    assertEquals([first, end], [BigInt(args[0]!), 0n]);
    assertEquals(new TextDecoder().decode(at(file, Number(second), 6)), "other\0");
    assertEquals(longs(args[3]!, 3), [1n, BigInt(args[0]!), -1n]);
  });

  test("one name is one cell, another name another", () => {
    const program = withArguments({ cell: "a", size: 3 }, { cell: "b", size: 3 }, { cell: "a", size: 3, offset: 2 });
    const [a, b, inside] = operations(elf(program, machine), 1)[0]!.args;
    assertEquals(inside! - a!, 2);
    assert(b! - a! >= 2 + 8, "a load of 64 bits may begin at the last byte");
  });

  test("the same program is the same file", () => {
    const program = withArguments("a", ["b"], cell, new Uint8Array(5));
    assertEquals(elf(program, machine), elf(program, machine));
  });
}

Deno.test("the results take whole pages behind their header", () => {
  assertEquals([0, 1, 504, 505, 3000].map((n) => resultsBytes(n, false)), [4096, 4096, 4096, 8192, 24576]);
});

const WRONG: [string, Program][] = [
  ["no operation is named x", withArguments({ result: "x" })],
  ["no operation is named x", withArguments({ resultAddress: "x" })],
  ["no operation is named x", [{ ...exit, jump: { when: "=", to: "x" } }]],
  ["two operations are named x", [op("getpid", [], "", { name: "x" }), { ...exit, name: "x" }]],
  ["getpid has more than six arguments", withArguments(0, 1, 2, 3, 4, 5, 6)],
  ["cell x has two sizes", withArguments({ cell: "x", size: 8 }, { cell: "x", size: 16 })],
  ["cell x has 8 bytes, and none at 8", withArguments({ cell: "x", size: 8, offset: 8 })],
  ["cell x has 8 bytes, and none at -1", withArguments({ load: "x", size: 8, offset: -1 })],
  ["a block of words is laid down before", withArguments({ words: [{ load: "x", size: 8 }] })],
  ["its last operation can be passed by", []],
  ["its last operation can be passed by", [op("getpid", [], "")]],
  ["its last operation can be passed by", [op("execve", ["/x", [], []], "", { optional: true })]],
  ["its last operation can be passed by", [op("add", [0, 0], "", { name: "x", jump: { when: "=", to: "x" } })]],
  ["more than 65536 operations", [...Array.from({ length: 65536 }, () => op("getpid", [], "")), exit]],
];
for (const [message, program] of WRONG) {
  const last = JSON.stringify(program.at(-1)?.jump ?? program[0]?.args ?? []).slice(0, 60);
  Deno.test(`a wrong program is refused: ${message} (${last})`, () => {
    for (const machine of MACHINES) assertThrows(() => elf(program, machine), Error, `program: ${message}`);
  });
}

Deno.test("a NUL in a string and a call that the machine lacks are told to a person", () => {
  assertThrows(() => elf(withArguments("a\0b"), x86_64), MiniError, "a NUL character is not allowed in");
  assertThrows(() => elf(withArguments(["a\0b"]), x86_64), MiniError, "a NUL character is not allowed in");
  assertThrows(() => elf([op("open", ["/x", 0], ""), exit], aarch64), MiniError, "aarch64 has no system call open");
});
