import { assertEquals, assertThrows } from "@std/assert";
import { aarch64 } from "./aarch64.ts";
import { type Line, link } from "./machine_code.ts";
import { x86_64 } from "./x86_64.ts";

const nop = (name?: string): Line => ({ bytes: [0x90], text: "nop", ...name === undefined ? {} : { name } });

Deno.test("link fills in the distance of jumps forwards and backwards", () => {
  const lines: Line[] = [
    nop("start"),
    { bytes: [0xeb, 0], text: "jmp", to: "end" },
    { bytes: [0xe9, 0, 0, 0, 0], text: "jmp", to: "start" },
    nop("end"),
  ];
  assertEquals([...link(lines, x86_64.setDistance)], [0x90, 0xeb, 5, 0xe9, 0xf8, 0xff, 0xff, 0xff, 0x90]);
});

Deno.test("a jump to a name that is not there is refused", () => {
  const lines = [{ bytes: [0xeb, 0], text: "jmp", to: "nowhere" }];
  assertThrows(() => link(lines, x86_64.setDistance), Error, "nothing is named nowhere");
});

Deno.test("a jump that cannot go so far is refused", () => {
  const far = (count: number, jump: Line, step: Line): Line[] => [
    jump,
    ...Array.from({ length: count }, () => step),
    { ...step, name: "far" },
  ];
  const short = { bytes: [0xeb, 0], text: "jmp", to: "far" };
  assertEquals(link(far(127, short, nop()), x86_64.setDistance)[1], 127);
  assertThrows(() => link(far(128, short, nop()), x86_64.setDistance), Error, "cannot go 128 bytes");
  const tbz = { bytes: [0, 0, 0, 0x36], text: "tbz w0, #0,", to: "far" };
  const step = { bytes: [0x1f, 0x20, 0x03, 0xd5], text: "nop" };
  link(far(8190, tbz, step), aarch64.setDistance);
  assertThrows(() => link(far(8191, tbz, step), aarch64.setDistance), Error, "cannot go 32768 bytes");
});
