import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { allowsEverything, deviceProgram } from "./device_filter.ts";
import { PLAIN_TAG, programTag } from "./device_limits.ts";
import type { DeviceRule } from "./resources.ts";

/** Runs a program as the kernel does: the few instructions that it is made of. */
function verdict(program: Uint8Array, type: "b" | "c", major: number, minor: number, access: string): boolean {
  const view = new DataView(program.buffer);
  const bits = { r: 2, w: 4, m: 1 } as Record<string, number>;
  const asked = [...access].reduce((all, letter) => all | bits[letter]!, 0);
  const context = [asked << 16 | (type === "b" ? 1 : 2), major, minor];
  const r = new Array<number>(11).fill(0);
  for (let at = 0; at * 8 < program.length; at++) {
    const code = view.getUint8(at * 8), to = program[at * 8 + 1]! & 15, from = program[at * 8 + 1]! >> 4;
    const jump = view.getInt16(at * 8 + 2, true), operand = view.getInt32(at * 8 + 4, true);
    switch (code) {
      case 0x61:
        assertEquals(from, 1);
        r[to] = context[jump / 4]!;
        break;
      case 0xbf:
        r[to] = r[from]!;
        break;
      case 0xb7:
        r[to] = operand;
        break;
      case 0x57:
        r[to] = r[to]! & operand;
        break;
      case 0x77:
        r[to] = r[to]! >>> operand;
        break;
      case 0x05:
        at += jump;
        break;
      case 0x15:
        if (r[to] === operand) at += jump;
        break;
      case 0x55:
        if (r[to] !== operand) at += jump;
        break;
      case 0x45:
        if ((r[to]! & operand) !== 0) at += jump;
        break;
      case 0x95:
        return r[0] === 1;
      default:
        throw new Error(`instruction 0x${code.toString(16)}`);
    }
  }
  throw new Error("the program has no end");
}

const DENY_ALL: DeviceRule = { allow: false, access: "rwm" };
const SDA = ["b", 8, 0] as const;

/** What the rules mean, said in another way: for each kind of access the last rule that fits; any device can be made. */
function meaning(rules: readonly DeviceRule[], type: "b" | "c", major: number, minor: number, access: string): boolean {
  return [...access].every((letter) =>
    letter === "m" ||
    (rules.findLast((rule) =>
      ((rule.type ?? "a") === "a" || rule.type === type) && (rule.major ?? major) === major &&
      (rule.minor ?? minor) === minor && (rule.access ?? "rwm").includes(letter)
    )?.allow ?? false)
  );
}

Deno.test("without rules the devices of every container can be opened, and any can be made", () => {
  const program = deviceProgram([]);
  for (const [major, minor] of [[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2], [136, 0], [136, 77]]) {
    assert(verdict(program, "c", major!, minor!, "rwm"), `c ${major}:${minor}`);
    assert(!verdict(program, "b", major!, minor!, "r"), `b ${major}:${minor}`);
  }
  for (const [type, major, minor] of [SDA, ["c", 1, 1], ["c", 1, 11], ["c", 10, 200], ["c", 10, 229]] as const) {
    assert(verdict(program, type, major, minor, "m"), `${type} ${major}:${minor} m`);
    for (const access of ["r", "w", "rw", "rm", "wm", "rwm"]) {
      assert(!verdict(program, type, major, minor, access), `${type} ${major}:${minor} ${access}`);
    }
  }
});

Deno.test("an open for reading and writing needs both, from whatever rules", () => {
  const readOnly = deviceProgram([DENY_ALL, { allow: true, type: "b", major: 8, minor: 0, access: "r" }]);
  assert(verdict(readOnly, ...SDA, "r"));
  for (const access of ["w", "rw", "wm", "rwm"]) assert(!verdict(readOnly, ...SDA, access), access);
  const inTwo = deviceProgram([
    { allow: true, type: "b", major: 8, access: "r" },
    { allow: true, type: "b", minor: 0, access: "w" },
  ]);
  assert(verdict(inTwo, ...SDA, "rw"));
  assert(!verdict(inTwo, "b", 8, 1, "rw"));
});

Deno.test("what is denied last is denied, but for the devices of every container and making", () => {
  const program = deviceProgram([{ allow: true }, { allow: false, type: "b" }, { allow: false, type: "c", major: 1 }]);
  assert(!verdict(program, ...SDA, "r"));
  assert(verdict(program, ...SDA, "m"));
  assert(!verdict(program, "c", 1, 1, "r"));
  assert(verdict(program, "c", 10, 229, "rw"));
  assert(verdict(program, "c", 1, 3, "rw"));
});

Deno.test("the program says what the rules mean, for rules of every kind", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  const pick = <T>(values: readonly T[]) => values[random(values.length)]!;
  for (let round = 0; round < 200; round++) {
    const rules = Array.from({ length: 1 + random(6) }, (): DeviceRule => {
      const major = pick([undefined, 8, 10]), minor = pick([undefined, 0, 1]);
      return {
        allow: random(2) === 0,
        type: pick(["a", "b", "c"] as const),
        access: pick(["r", "w", "m", "rw", "rm", "rwm"]),
        ...major === undefined ? {} : { major },
        ...minor === undefined ? {} : { minor },
      };
    });
    const program = deviceProgram(rules);
    for (const type of ["b", "c"] as const) {
      for (const major of [8, 10, 11]) {
        for (const minor of [0, 1, 2]) {
          for (const access of ["r", "w", "m", "rw", "rwm"]) {
            const expected = meaning(rules, type, major, minor, access);
            assertEquals(verdict(program, type, major, minor, access), expected, JSON.stringify(rules));
          }
        }
      }
    }
  }
});

Deno.test("rules that forbid nothing need no program", () => {
  assert(allowsEverything([{ allow: true }]));
  assert(allowsEverything([DENY_ALL, { allow: true, type: "a", access: "mrw" }]));
  assert(allowsEverything([{ allow: true, major: -1, minor: -1 }, { allow: true, type: "c", major: 1 }]));
  assert(!allowsEverything([]));
  assert(!allowsEverything([{ allow: true }, { allow: false, type: "b", major: 8 }]));
  assert(!allowsEverything([{ allow: true, access: "rm" }]));
  assert(!allowsEverything([{ allow: true, type: "c" }]));
});

Deno.test("the cgroup that keeps the plain program is named after its contents", () => {
  assertEquals(PLAIN_TAG, programTag(deviceProgram([])));
  assertEquals(programTag(deviceProgram([DENY_ALL])) === PLAIN_TAG, false);
});

Deno.test("what is no rule is refused", () => {
  const refused: [DeviceRule, string][] = [
    [{ allow: true, access: "x" }, "access"],
    [{ allow: true, access: "" }, "access"],
    [{ allow: true, type: "d" as "c" }, "type"],
    [{ allow: true, major: 4096 }, "major"],
    [{ allow: true, minor: -2 }, "minor"],
    [{ allow: true, minor: 1.5 }, "minor"],
  ];
  for (const [rule, word] of refused) assertThrows(() => deviceProgram([rule]), MiniError, word);
});
