import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { Assembler, BPF_MAXINSNS, JA, JEQ, JGE, LD, RET } from "./bpf.ts";

/** [code, jump if true, jump if false, operand] of each instruction. */
function instructions(bytes: Uint8Array): number[][] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 8 }, (_, i) => [
    view.getUint16(8 * i, true),
    view.getUint8(8 * i + 2),
    view.getUint8(8 * i + 3),
    view.getUint32(8 * i + 4, true),
  ]);
}

Deno.test("a program is laid out in the kernel's struct sock_filter, first instruction first", () => {
  const code = new Assembler();
  const no = code.ret(0), yes = code.ret(0x7fff0000);
  code.branch(JEQ, 59, yes, no);
  code.step(LD, 4);
  assertEquals(instructions(code.bytes()), [[LD, 0, 0, 4], [JEQ, 0, 1, 59], [RET, 0, 0, 0x7fff0000], [RET, 0, 0, 0]]);
});

Deno.test("the same return value within reach is used again", () => {
  const code = new Assembler();
  assertEquals(code.ret(7), code.ret(7));
  assertEquals(code.bytes().length, 8);
});

Deno.test("a branch with one target is no branch", () => {
  const code = new Assembler(), end = code.ret(7);
  assertEquals(code.branch(JEQ, 1, end, end), end);
});

Deno.test("a target that a conditional jump cannot reach is reached through a stepping stone", () => {
  const code = new Assembler();
  const far = code.step(LD, 0), end = code.ret(1);
  assertEquals(end, far - 1);
  for (let i = 0; i < 300; i++) code.step(LD, 0);
  const next = code.label;
  code.branch(JGE, 5, far, next);
  const [branch, stone] = instructions(code.bytes());
  assertEquals(branch, [JGE, 0, 1, 5]);
  // Over the 300 loads and the return.
  assertEquals(stone, [JA, 0, 0, 301]);
});

Deno.test("a return that is too far away is written once more", () => {
  const code = new Assembler(), end = code.ret(9);
  for (let i = 0; i < 300; i++) code.step(LD, 0);
  code.branch(JEQ, 5, end, code.label);
  assertEquals(instructions(code.bytes()).slice(0, 2), [[JEQ, 0, 1, 5], [RET, 0, 0, 9]]);
});

Deno.test("a program longer than the kernel takes is refused", () => {
  const code = new Assembler();
  for (let i = 0; i < BPF_MAXINSNS; i++) code.step(LD, 0);
  assertThrows(() => code.step(LD, 0), MiniError, "more than the 4096 instructions");
});
