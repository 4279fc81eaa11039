/**
 * Runs `call` and `spawn` of 64-bit Arm under user-mode qemu, in a static ELF file whose own start code is written here.
 *
 * qemu has no clone3: `spawn` must hand its ENOSYS back. The child's side of `spawn` is run by the same bytes with the number of
 * clone(2) in place of clone3's, and clone's arguments in the registers that they share.
 */
import { assert, assertEquals } from "@std/assert";
import { aarch64 } from "../ffi/aarch64.ts";
import { link } from "../ffi/machine_code.ts";
import { type SyscallName, syscallNumbers } from "../ffi/syscall_numbers.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";
const CODE = 0x10000, DATA = 0x200000, DATA_BYTES = 0x1000, TABLE = DATA + 0x800;

const number = (name: SyscallName) => syscallNumbers(name)![1];
/** movz and three movk: a 64-bit value into a register. */
const set = (register: number, value: number | bigint): number[] =>
  [0, 1, 2, 3].map((i) => {
    const half = Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(16 * i) & 0xffffn);
    return ((i === 0 ? 0xd2800000 : 0xf2800000 | i << 21) | half << 5 | register) >>> 0;
  });
const BLR_X16 = 0xd63f0200, SVC = 0xd4000001;
/** str x0, [x20], #8: what a snippet returned, to the next place of the table. */
const STORE_RESULT = 0xf8008680;

/** A system call of the start code's own. */
const direct = (name: SyscallName, ...args: (number | bigint)[]) => [
  ...args.flatMap((value, i) => set(i, value)),
  ...set(8, number(name)),
  SVC,
];
/** Calls a snippet with up to seven arguments and stores what it returns. */
const invoke = (address: number, args: readonly (number | bigint)[]) => [
  ...args.flatMap((value, i) => set(i, value)),
  ...set(16, address),
  BLR_X16,
  STORE_RESULT,
];

/** One segment of code, one of data that is written to; then runs it and returns what it wrote, in 64-bit words. */
function run(words: readonly number[], snippet: Uint8Array, data: Uint8Array) {
  const file = new Uint8Array(0x20000 + DATA_BYTES), view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(CODE + 0x1000), true);
  view.setBigUint64(32, 64n, true);
  [[52, 64], [54, 56], [56, 2]].forEach(([at, value]) => view.setUint16(at!, value!, true));
  [[5, 0, CODE, 0x10000], [6, 0x20000, DATA, DATA_BYTES]].forEach(([flags, offset, address, size], i) => {
    view.setUint32(64 + 56 * i, 1, true);
    view.setUint32(68 + 56 * i, flags!, true);
    [offset, address, address, size, size, 0x10000].forEach((x, j) =>
      view.setBigUint64(72 + 56 * i + 8 * j, BigInt(x!), true)
    );
  });
  file.set(snippet, SNIPPET - CODE);
  words.forEach((word, i) => view.setUint32(0x1000 + 4 * i, word, true));
  file.set(data, 0x20000);
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, file, { mode: 0o700 });
    const { code, stdout, stderr } = new Deno.Command(QEMU, { args: [path] }).outputSync();
    return { code, stdout, stderr: new TextDecoder().decode(stderr) };
  } finally {
    Deno.removeSync(path);
  }
}
const SNIPPET = CODE + 0x8000;

/** Writes the table of `count` results to stdout and exits. */
const report = (count: number) => [
  ...direct("write", 1, TABLE, 8 * count),
  ...direct("exit_group", 0),
];
const longs = (bytes: Uint8Array) => [...new BigInt64Array(bytes.slice().buffer)];
const text = (s: string) => new TextEncoder().encode(s);

const ignore = (() => {
  try {
    return !Deno.statSync(QEMU).isFile;
  } catch {
    return true;
  }
})();
const test = (name: string, fn: () => void) =>
  Deno.test({ name: `aarch64: ${name}${ignore ? ` (needs ${QEMU})` : ""}`, ignore, fn });

test("call hands all six arguments to the kernel and returns what it returns", () => {
  const call = (name: SyscallName, ...args: (number | bigint)[]) => invoke(SNIPPET, [number(name), ...args]);
  const { code, stdout, stderr } = run(
    [
      ...set(20, TABLE),
      ...call("write", 1, DATA, 8),
      ...call("openat", -100, DATA + 8, 0, 0),
      ...call("close", -1),
      // Anonymous memory at a fixed address: every one of the six arguments matters.
      ...call("mmap", 0x7000_0000, 4096, 3, 0x32, -1n, 0),
      ...call("mmap", 0x7000_0000, 4096, 3, 0x32, -1n, 1),
      ...report(5),
    ],
    link(aarch64.call, aarch64.setDistance),
    text("8 bytes\n/proc/nothing\0"),
  );
  assertEquals([code, stderr, new TextDecoder().decode(stdout.subarray(0, 8))], [0, "", "8 bytes\n"]);
  assertEquals(longs(stdout.subarray(8)), [8n, -2n, -9n, 0x7000_0000n, -22n]);
});

test("spawn returns the kernel's failure of clone3", () => {
  const { code, stdout } = run(
    [...set(20, TABLE), ...invoke(SNIPPET, [DATA, 88, DATA + 0x100, DATA + 0x400]), ...report(1)],
    link(aarch64.spawn, aarch64.setDistance),
    new Uint8Array(88),
  );
  assertEquals([code, longs(stdout)], [0, [-38n]]);
});

/** `spawn` with clone(2)'s number. */
function spawnByClone() {
  let replaced = 0;
  const lines = aarch64.spawn.map((line) => {
    if (line.text !== "mov x8, #0x1b3") return line;
    replaced++;
    const encoding = 0xd2800000 | number("clone") << 5 | 8;
    return { ...line, bytes: [0, 8, 16, 24].map((shift) => encoding >>> shift & 0xff) };
  });
  assertEquals(replaced, 1);
  return link(lines, aarch64.setDistance);
}

/** The table of operations that `spawn` walks: nr, flags, loads, target, six arguments, than. */
function operations(list: readonly (readonly (number | bigint)[])[]) {
  const bytes = new Uint8Array(64 * list.length), view = new DataView(bytes.buffer);
  list.forEach(([nr, ...args], i) => {
    view.setUint32(64 * i, Number(nr), true);
    args.forEach((value, j) => view.setBigInt64(64 * i + 8 + 8 * j, BigInt(value), true));
  });
  return bytes;
}

test("spawn's child walks the operations while the parent gets its pid", () => {
  const data = new Uint8Array(0x800);
  data.set(text("from the child\n"));
  data.set(operations([[number("write"), 1, DATA, 15], [number("exit_group"), 33]]), 0x100);
  const { code, stdout } = run(
    [
      ...set(20, TABLE),
      // clone(SIGCHLD, stack: 0, …): the third and fourth are not looked at without their flags.
      ...invoke(SNIPPET, [17, 0, DATA + 0x100, DATA + 0x400]),
      // waitid(P_ALL, 0, siginfo behind the table, WEXITED)
      ...direct("waitid", 0, 0, TABLE + 8, 4, 0),
      ...report(5),
    ],
    spawnByClone(),
    data,
  );
  assertEquals([code, new TextDecoder().decode(stdout.subarray(0, 15))], [0, "from the child\n"]);
  const pid = longs(stdout.subarray(15, 23))[0]!, info = new Int32Array(stdout.slice(23).buffer);
  assert(pid > 0n);
  assertEquals([info[0], info[2], BigInt(info[3]!) || BigInt(info[4]!), info[6]], [17, 1, pid, 33]);
});

test("spawn's child stores results, and the index of an operation that failed, and exits with 127", () => {
  const shared = 0x7000_0000, data = new Uint8Array(0x800);
  data.set(operations([[0xffffffff, 40, 2], [number("close"), -1], [number("exit_group"), 33]]), 0x100);
  const { code, stdout } = run(
    [
      ...set(20, TABLE),
      // MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS
      ...direct("mmap", shared, 4096, 3, 0x31, -1, 0),
      ...invoke(SNIPPET, [17, 0, DATA + 0x100, shared + 64]),
      ...direct("waitid", 0, 0, TABLE + 8, 4, 0),
      ...direct("write", 1, shared + 56, 32),
      ...report(5),
    ],
    spawnByClone(),
    data,
  );
  assertEquals([code, longs(stdout.subarray(0, 32))], [0, [2n, 42n, -9n, 0n]]);
  assertEquals(new Int32Array(stdout.slice(40).buffer)[6], 127);
});
