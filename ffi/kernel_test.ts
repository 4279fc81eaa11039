import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MiniError, SyscallError } from "./errors.ts";
import { addressOf, close, cString, machine, syscall, syscallNumber, trySyscall, waitingSyscall } from "./kernel.ts";
import { op } from "./program.ts";
import { spawn, waitForExit } from "./spawn.ts";
import { allSyscallNumbers, type SyscallName } from "./syscall_numbers.ts";

Deno.test("a system call that fails gives back -errno, or throws it with the path", () => {
  assertEquals(trySyscall("close", -1), -9);
  const error = assertThrows(() => syscall("openat", -100, "/proc/nothing", 0), SyscallError);
  assertEquals([error.syscall, error.errno, error.path], ["openat", 2, "/proc/nothing"]);
  assertEquals(error.message, "openat /proc/nothing: no such file or directory (ENOENT)");
});

Deno.test("all six arguments reach the kernel", () => {
  const fd = syscall("memfd_create", "test", 1);
  syscall("ftruncate", fd, 8192);
  syscall("pwrite64", fd, new TextEncoder().encode("second page"), 11, 4096);
  const at = syscall("mmap", 0, 4096, 1, 1, fd, 4096);
  assertEquals(Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(BigInt(at))!), "second page");
  syscall("munmap", at, 4096);
  close(fd);
});

Deno.test("addresses and offsets keep all their bits", () => {
  const fd = syscall("memfd_create", "test", 1);
  for (const offset of [2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1]) assertEquals(syscall("lseek", fd, offset, 0), offset);
  assertEquals(trySyscall("lseek", fd, 2n ** 63n - 1n, 0) > 2 ** 62, true);
  // -1 in every way of writing it
  for (const value of [-1, -1n, 0xffff_ffff_ffff_ffffn]) assertEquals(trySyscall("lseek", fd, value, 0), -22);
  close(fd);
  const address = 0x7f00_1234_5000n; // more than 32 bits, and the kernel gives exactly this or fails
  assertEquals(BigInt(trySyscall("mmap", address, 4096, 0, 0x100022, /* FIXED_NOREPLACE */ -1, 0)), address);
  syscall("munmap", address, 4096);
});

Deno.test("a string is passed with its NUL, and refused with one inside", () => {
  assertEquals([...cString("aü")], [0x61, 0xc3, 0xbc, 0]);
  const error = assertThrows(() => syscall("openat", -100, "/etc/passwd\0.txt", 0), MiniError);
  assertEquals(error.message, 'a NUL character is not allowed in "/etc/passwd\\u0000.txt"');
});

Deno.test("a call that the machine does not have is refused by name", () => {
  const missing = [...allSyscallNumbers()].find(([, numbers]) => numbers[machine.column] < 0);
  if (missing === undefined) return assertEquals(machine.name, "x86_64"); // which has them all
  const error = assertThrows(() => syscallNumber(missing[0] as SyscallName), MiniError);
  assertEquals(error.message, `${machine.name} has no system call ${missing[0]}`);
});

Deno.test("a buffer's address is that of its first byte, whatever it is a part of", () => {
  const whole = Uint8Array.from({ length: 16 }, (_, i) => i), part = whole.subarray(5);
  assertEquals(addressOf(part) - addressOf(whole), 5n);
  assertEquals(addressOf(new BigUint64Array(whole.buffer, 8)) - addressOf(whole), 8n);
  const ends = new Int32Array(2); // eight bytes: V8 keeps so small an array within its own heap at first
  syscall("pipe2", ends, 0o2000000);
  assertEquals(syscall("write", ends[1]!, part, part.length), 11);
  const read = new Uint8Array(11);
  assertEquals(syscall("read", ends[0]!, read, 11), 11);
  assertEquals(read, part);
  assertEquals(syscall("write", ends[1]!, new Uint8Array(0), 0), 0);
  ends.forEach(close);
});

Deno.test("small buffers stay where they are while V8 moves and collects others", () => {
  const held = Array.from({ length: 200 }, () => new Uint8Array(8)), addresses = held.map(addressOf);
  for (let i = 0; i < 200; i++) new Array(20_000).fill({ i }); // enough for several collections of the young
  assertEquals(held.map(addressOf), addresses);
});

Deno.test("a waiting call works on another thread and keeps its buffers", async () => {
  const ends = new Int32Array(2);
  syscall("pipe2", ends, 0o2000000);
  const bytes = new Uint8Array(4), waiting = waitingSyscall("read", ends[0]!, bytes, 4);
  for (let i = 0; i < 50; i++) new Array(20_000).fill({ i });
  syscall("write", ends[1]!, new Uint8Array([1, 2, 3, 4]), 4);
  assertEquals([await waiting, ...bytes], [4, 1, 2, 3, 4]);
  assertEquals(await waitingSyscall("openat", -100, "/proc/nothing", 0), -2);
  await assertRejects(() => waitingSyscall("openat", -100, "\0", 0), MiniError);
  ends.forEach(close);
});

/** Lets a child send SIGUSR2, which is handled, to this very thread in some milliseconds; then runs `fn`. */
function interrupted<T>(fn: (epoll: number) => T): T {
  const ignore = () => {};
  Deno.addSignalListener("SIGUSR2", ignore);
  const epoll = syscall("epoll_create1", 0o2000000);
  const { pidfd, results } = spawn([
    op("nanosleep", [{ words: [0, 15_000_000] }, 0], "wait"),
    op("tgkill", [Deno.pid, syscall("gettid"), 12], "send the signal"),
    op("exit_group", [0], "end"),
  ]);
  try {
    return fn(epoll);
  } finally {
    assertEquals(waitForExit(pidfd).code, 0);
    [pidfd, epoll].forEach(close);
    results.close();
    Deno.removeSignalListener("SIGUSR2", ignore);
  }
}
const wait = ["epoll_pwait", new Uint8Array(16)] as const;

Deno.test("a call that a signal interrupts is made again by syscall, and told by trySyscall", () => {
  assertEquals(interrupted((epoll) => trySyscall(wait[0], epoll, wait[1], 1, 2000, null, 8)), -4);
  assertEquals(interrupted((epoll) => syscall(wait[0], epoll, wait[1], 1, 60, null, 8)), 0);
});

Deno.test("without the permission for FFI one sentence says what to do", async () => {
  const script = `import { syscall } from ${JSON.stringify(import.meta.resolve("./kernel.ts"))};
    try { syscall("getpid"); } catch (error) { console.log(error.name, error.message); }`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(path, script);
  try {
    const args = ["run", "--no-prompt", "--deny-ffi", path];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      "MiniError calling the kernel needs Deno's permission: run with --allow-ffi (or -A)\n",
    );
  } finally {
    await Deno.remove(path);
  }
});

/** Imports kernel.ts anew, with a dlopen that finds libc only under the name for which `real` gives one, and notes the names. */
async function withLibc<T>(id: string, real: (name: string) => string | undefined, fn: (k: Kernel) => T) {
  const dlopen = Deno.dlopen, names: string[] = [];
  const patched = Deno as { dlopen: (name: string, symbols: Deno.ForeignLibraryInterface) => unknown };
  const kernel: Kernel = await import(`./kernel.ts?${id}`);
  patched.dlopen = (name, symbols) => {
    names.push(name);
    const file = real(name);
    if (file === undefined) throw new Error(`${name}: cannot open shared object file`);
    return dlopen(file, symbols);
  };
  try {
    return { value: fn(kernel), names };
  } finally {
    (Deno as { dlopen: unknown }).dlopen = dlopen;
  }
}
type Kernel = typeof import("./kernel.ts");
const MUSL = `libc.musl-${Deno.build.arch}.so.1`;
const some = ["libc.so.6", MUSL].find((name) => {
  try {
    Deno.dlopen(name, {}).close();
    return true;
  } catch {
    return false;
  }
});

// What loads the kernel's module keeps its library for the life of the process, so that there is nothing to close.
const KEEPS_LIBRARY = { sanitizeResources: false };

Deno.test("musl is used under its own name where there is no glibc", KEEPS_LIBRARY, async () => {
  const { value, names } = await withLibc(
    "musl",
    (name) => name === MUSL ? some : undefined,
    (k) => k.syscall("getpid"),
  );
  assertEquals([value, names], [Deno.pid, ["libc.so.6", MUSL]]);
});

Deno.test("without any libc one sentence names both", async () => {
  await withLibc("none", () => undefined, (kernel) => {
    const error = assertThrows(() => kernel.syscall("getpid"), Error);
    assertEquals(error.message, `neither libc.so.6 nor ${MUSL} can be loaded: mini needs glibc or musl`);
  });
});

Deno.test(
  "loading the snippets leaves no descriptor open and no page writable and executable",
  KEEPS_LIBRARY,
  async () => {
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    await withLibc("again", (name) => name === "libc.so.6" ? some : undefined, (kernel) => kernel.syscall("getpid"));
    assertEquals(open(), before);
    const ours = Deno.readTextFileSync("/proc/self/maps").split("\n").filter((line) =>
      line.includes("memfd:mini code")
    );
    assert(ours.length >= 1);
    for (const line of ours) assert(/ r-xp /.test(line), line);
  },
);
