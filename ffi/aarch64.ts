/**
 * The machine code of 64-bit Arm. What an operation looks like and what the loop does with it: see x86_64.ts.
 *
 * The loop keeps x12: this operation, x13: the first operation, x14: the results, timed x15: the times. System calls preserve all registers but x0,
 * and these are the caller's to save (procedure call standard), so nothing is pushed.
 */
import type { Line, Machine } from "./machine_code.ts";

const word = (n: number) => [n & 0xff, n >>> 8 & 0xff, n >>> 16 & 0xff, n >>> 24];
const line = (text: string, encoding: number): Line => ({ bytes: word(encoding), text });
const named = (name: string, l: Line): Line => ({ ...l, name });
const jump = (text: string, encoding: number, to: string): Line => ({ bytes: word(encoding), text, to });
const hex = (n: number) => `#0x${n.toString(16)}`;

const OPERATION = 12, FIRST = 13, RESULTS = 14, TIMES = 15;
const ldr = (t: number, base: number, offset: number) =>
  line(
    offset === 0 ? `ldr x${t}, [x${base}]` : `ldr x${t}, [x${base}, #${offset}]`,
    0xf9400000 | (offset / 8) << 10 | base << 5 | t,
  );
const ldrb = (t: number, offset: number) =>
  line(`ldrb w${t}, [x${OPERATION}, #${offset}]`, 0x39400000 | offset << 10 | OPERATION << 5 | t);
const tbz = (t: number, bit: number, to: string) => jump(`tbz w${t}, #${bit},`, 0x36000000 | bit << 19 | t, to);
const tbnz = (t: number, bit: number, to: string) => jump(`tbnz w${t}, #${bit},`, 0x37000000 | bit << 19 | t, to);
const b = (to: string) => jump("b", 0x14000000, to);
const when = (condition: string, code: number, to: string) => jump(`b.${condition}`, 0x54000000 | code, to);
const svc = line("svc #0x0", 0xd4000001);
const movz = (register: string, number: number, value: number, base: number) =>
  line(`mov ${register}, ${hex(value)}`, base | value << 5 | number);

/** Loads argument `bit` (6: `than`), and if its bit in `loads` (w9) is set, what it points to. */
const argument = (bit: number, t: number): Line[] => [
  ldr(t, OPERATION, 8 + 8 * bit),
  tbz(9, bit, `after ${bit}`),
  ldr(t, t, 0),
];

/** The virtual counter. */
const counter = (t: number) => line(`mrs x${t}, cntvct_el0`, 0xd53be040 | t);
/** Operation i's two times are at x15 + 16 i: before its arguments are loaded, and when its result is there. */
const before = (): Line[] => [
  named("next", counter(10)),
  line(`sub x11, x${OPERATION}, x${FIRST}`, 0xcb000000 | FIRST << 16 | OPERATION << 5 | 11),
  line("lsr x11, x11, #2", 0xd342fd6b),
  line(`str x10, [x${TIMES}, x11]`, 0xf8206800 | 11 << 16 | TIMES << 5 | 10),
];
const after = (): Line[] => [
  counter(11),
  line(`add x10, x${TIMES}, x10, lsl #1`, 0x8b000000 | 10 << 16 | 1 << 10 | TIMES << 5 | 10),
  line("str x11, [x10, #8]", 0xf9000000 | 1 << 10 | 10 << 5 | 11),
];

/** Made when it is wanted: a command runs on one machine, and often makes no process at all. */
const makeLoop = (timed = false): Line[] => [
  // The first operation makes the memory for results and times: it has no time to begin at.
  ...(timed ? [b("first"), ...before()] : []),
  named(timed ? "first" : "next", ldrb(9, 5)),
  ...argument(0, 0),
  ...[1, 2, 3, 4, 5].flatMap((i) => {
    const [first, ...rest] = argument(i, i);
    return [named(`after ${i - 1}`, first!), ...rest];
  }),
  named("after 5", line(`ldr w8, [x${OPERATION}]`, 0xb9400000 | OPERATION << 5 | 8)),
  line("cmn w8, #0x1", 0x3100051f),
  when("eq", 0, "add"),
  svc,
  b("store"),
  named("add", line("add x0, x0, x1", 0x8b010000)),
  named("store", line(`sub x10, x${OPERATION}, x${FIRST}`, 0xcb000000 | FIRST << 16 | OPERATION << 5 | 10)),
  line("lsr x10, x10, #3", 0xd343fd4a),
  line(`str x0, [x${RESULTS}, x10]`, 0xf8206800 | 10 << 16 | RESULTS << 5),
  ...(timed ? after() : []),
  ...argument(6, 11),
  named("after 6", ldrb(10, 4)),
  line("cmp x0, x11", 0xeb0b001f),
  when("lt", 11, "less"),
  when("eq", 0, "equal"),
  tbnz(10, 3, "jump"),
  b("check"),
  named("less", tbnz(10, 1, "jump")),
  b("check"),
  named("equal", tbnz(10, 2, "jump")),
  named("check", line("cmn x0, #0xfff", 0xb13ffc1f)),
  when("cs", 2, "failed"),
  named("advance", line(`add x${OPERATION}, x${OPERATION}, #0x40`, 0x91010000 | OPERATION << 5 | OPERATION)),
  b("next"),
  named("failed", tbnz(10, 0, "advance")),
  line(`sub x10, x${OPERATION}, x${FIRST}`, 0xcb000000 | FIRST << 16 | OPERATION << 5 | 10),
  line("lsr x10, x10, #6", 0xd346fd4a),
  line("add x10, x10, #0x1", 0x9100054a),
  line(`stur x10, [x${RESULTS}, #-8]`, 0xf8000000 | (-8 & 0x1ff) << 12 | RESULTS << 5 | 10),
  movz("w0", 0, 127, 0x52800000),
  movz("x8", 8, 94, 0xd2800000), // exit_group
  svc,
  named("jump", line(`ldrh w10, [x${OPERATION}, #6]`, 0x79400000 | 3 << 10 | OPERATION << 5 | 10)),
  line(
    `add x${OPERATION}, x${FIRST}, x10, lsl #6`,
    0x8b000000 | 10 << 16 | 6 << 10 | FIRST << 5 | OPERATION,
  ),
  b("next"),
];

const mov = (d: number, s: number) => line(`mov x${d}, x${s}`, 0xaa0003e0 | s << 16 | d);
/** Two instructions that put a 32-bit address into a register; the upper half is never zero here. */
const address = (d: number, value: number): Line[] => [
  line(`mov x${d}, ${hex(value & 0xffff)}`, 0xd2800000 | (value & 0xffff) << 5 | d),
  line(`movk x${d}, ${hex(value >>> 16)}, lsl #16`, 0xf2a00000 | value >>> 16 << 5 | d),
];

export const aarch64: Machine = {
  name: "aarch64",
  column: 1,
  elfMachine: 183,
  get call() {
    return [mov(8, 0), ...[0, 1, 2, 3, 4, 5].map((i) => mov(i, i + 1)), svc, line("ret", 0xd65f03c0)];
  },
  get spawn() {
    return [
      mov(OPERATION, 2),
      mov(FIRST, 2),
      mov(RESULTS, 3),
      movz("x8", 8, 435, 0xd2800000), // clone3
      svc,
      jump("cbz x0,", 0xb4000000, "next"),
      line("ret", 0xd65f03c0),
      ...makeLoop(),
    ];
  },
  get counter() {
    return [counter(0), line("ret", 0xd65f03c0)];
  },
  start: (operations, results, times) => [
    ...address(OPERATION, operations),
    mov(FIRST, OPERATION),
    ...address(RESULTS, results),
    ...(times === undefined ? [] : address(TIMES, times)),
    ...makeLoop(times !== undefined),
  ],
  setDistance(bytes, distance) {
    const encoding = new DataView(new Uint8Array(bytes).buffer).getUint32(0, true), steps = distance / 4;
    const kind = encoding >>> 24;
    const bits = kind === 0x14 ? 26 : kind === 0x36 || kind === 0x37 ? 14 : 19;
    if (Math.abs(steps + 0.5) > 2 ** (bits - 1)) throw new Error(`machine code: a jump cannot go ${distance} bytes`);
    const field = steps & (2 ** bits - 1);
    bytes.splice(0, 4, ...word(encoding | (bits === 26 ? field : field << 5)));
  },
};
