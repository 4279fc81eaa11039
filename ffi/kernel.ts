/**
 * System calls of this process itself, through a snippet of machine code that returns what the kernel returned.
 *
 * libc is opened for its `syscall` alone, which loads the snippet. It is not used after that: it reports a failure in
 * `errno`, and V8 may have made calls of its own before errno is read.
 */
import { aarch64 } from "./aarch64.ts";
import { MiniError, SyscallError } from "./errors.ts";
import { type Line, link, type Machine } from "./machine_code.ts";
import { type SyscallName, syscallNumbers } from "./syscall_numbers.ts";
import { x86_64 } from "./x86_64.ts";

/** What a system call takes: a number, a C string (a NUL is appended), the address of a buffer, or NULL. */
export type Value =
  | number
  | bigint
  | string
  | Uint8Array
  | BigUint64Array
  | BigInt64Array
  | Int32Array
  | Uint32Array
  | null;

/** The machine this process runs on. */
export const machine: Machine = Deno.build.arch === "aarch64" ? aarch64 : x86_64;

const encoder = new TextEncoder();
/** @throws {MiniError} for a string with a NUL in it. */
export function checkCString(text: string): void {
  if (text.includes("\0")) throw new MiniError(`a NUL character is not allowed in ${JSON.stringify(text)}`);
}

/** A NUL-terminated copy of a string. @throws {MiniError} for a string with a NUL in it: the kernel would see a shorter one. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  checkCString(text);
  return encoder.encode(text + "\0");
}

/** The number of a system call on this machine. @throws {MiniError} where the machine has no such call. */
export function syscallNumber(name: SyscallName): number {
  const number = syscallNumbers(name)?.[machine.column] ?? -1;
  if (number < 0) throw new MiniError(`${machine.name} has no system call ${name}`);
  return number;
}

/** Where a buffer is. It stays there and alive as long as the caller holds the buffer. */
export function addressOf(buffer: Exclude<Value, number | bigint | string | null>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer as Uint8Array<ArrayBuffer>)));
}

const WORDS = ["i64", "i64", "i64", "i64", "i64", "i64", "i64"] as const;
const CALL = { parameters: WORDS, result: "i64" } as const;

function openLibc() {
  // As a pointer and not as a function: Deno compiles a call of its own for every function, which takes half a millisecond.
  const symbols = { syscall: { type: "pointer" } } as const;
  const names = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
  for (const name of names) {
    try {
      const address = Deno.dlopen(name, symbols).symbols.syscall as Deno.PointerObject<never>;
      return new Deno.UnsafeFnPointer(address, CALL);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) {
        throw new MiniError("calling the kernel needs Deno's permission: run with --allow-ffi (or -A)");
      }
    }
  }
  throw new MiniError(`neither ${names.join(" nor ")} can be loaded: mini needs glibc or musl`);
}

let libc: ReturnType<typeof openLibc> | undefined;

/** Maps code readable and executable, from a memfd: no page is ever writable and executable, not even for a moment. */
function mapCode(libcCall: ReturnType<typeof openLibc>, code: Uint8Array<ArrayBuffer>): bigint {
  const call = (name: SyscallName, ...args: (number | bigint)[]) => {
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args.map(BigInt);
    const result = libcCall.call(BigInt(syscallNumber(name)), a, b, c, d, e, f);
    if (result === -1n) {
      throw new MiniError(`cannot load machine code: ${name} failed; a security module may forbid it`);
    }
    return result;
  };
  const name = cString("mini code");
  const fd = call("memfd_create", addressOf(name), 1 /* MFD_CLOEXEC */);
  try {
    call("write", fd, addressOf(code), code.length);
    return call("mmap", 0, 4096, 5, /* PROT_READ | PROT_EXEC */ 2, /* MAP_PRIVATE */ fd, 0);
  } finally {
    call("close", fd);
  }
}

/**
 * Where the snippets are in a program of one file (tools/single_file/single_file.ts), a number as text. To link them, to load
 * libc and to map them takes most of a millisecond, of each command.
 */
declare const MINI_SNIPPETS: string | undefined;
/** How far the second snippet is behind the first one. */
const SPAWN_AT = 64;

/** The machine code of the snippets, in one piece. */
export function linkSnippets(): Uint8Array<ArrayBuffer> {
  const call = link(machine.call, machine.setDistance), spawn = link(machine.spawn, machine.setDistance);
  if (call.length > SPAWN_AT) throw new Error("machine code: the first snippet reaches into the second");
  const code = new Uint8Array(SPAWN_AT + spawn.length);
  code.set(call);
  code.set(spawn, SPAWN_AT);
  return code;
}

function load() {
  if (Deno.build.os !== "linux") throw new MiniError(`mini runs on Linux, and this is ${Deno.build.os}`);
  const at = typeof MINI_SNIPPETS === "string" ? BigInt(MINI_SNIPPETS) : mapCode(libc ??= openLibc(), linkSnippets());
  const pointer = (address: bigint) => Deno.UnsafePointer.create(address) as unknown as Deno.PointerObject<never>;
  return {
    call: new Deno.UnsafeFnPointer(pointer(at), CALL),
    callInThread: new Deno.UnsafeFnPointer(pointer(at), { parameters: WORDS, result: "i64", nonblocking: true }),
    spawn: new Deno.UnsafeFnPointer(pointer(at + BigInt(SPAWN_AT)), {
      parameters: ["buffer", "usize", "buffer", "i64"],
      result: "i64",
    }),
  };
}

/** A function without arguments made of these lines. It stays for good: for what is asked for once. */
export function makeFunction(lines: readonly Line[]): () => bigint {
  const at = mapCode(libc ??= openLibc(), link(lines, machine.setDistance));
  const pointer = Deno.UnsafePointer.create(at) as unknown as Deno.PointerObject<never>;
  const code = new Deno.UnsafeFnPointer(pointer, { parameters: [], result: "i64" });
  return () => code.call();
}

let loaded: ReturnType<typeof load> | undefined;
/** The snippets, mapped at first use. */
export const snippets = () => loaded ??= load();

type Words = [bigint, bigint, bigint, bigint, bigint, bigint, bigint];
/** Turns arguments into machine words; `keep` holds on to what they point to until the call has returned. */
function words(name: SyscallName, args: readonly Value[], keep: unknown[]): Words {
  const result: Words = [BigInt(syscallNumber(name)), 0n, 0n, 0n, 0n, 0n, 0n];
  args.forEach((value, i) => {
    if (typeof value === "string") value = cString(value);
    if (typeof value === "object" && value !== null) {
      keep.push(value);
      result[i + 1] = addressOf(value);
    } else if (value !== null) {
      result[i + 1] = BigInt.asIntN(64, BigInt(value));
    }
  });
  return result;
}

/** Makes one system call and returns what the kernel returned: a result, or -errno. */
export function trySyscall(name: SyscallName, ...args: Value[]): number {
  const keep: unknown[] = [];
  const result = Number(snippets().call.call(...words(name, args, keep)));
  keep.length = 0;
  return result;
}

/** The first string among the arguments: for most calls the path it is about. */
const pathOf = (args: readonly Value[]) => args.find((a) => typeof a === "string" && a !== "") as string | undefined;

/** Makes one system call. EINTR is tried again. @throws {SyscallError} when it fails. */
export function syscall(name: SyscallName, ...args: Value[]): number {
  for (;;) {
    const result = trySyscall(name, ...args);
    if (result >= 0 || result < -4095) return result;
    if (result !== -4) throw new SyscallError(name, -result, pathOf(args));
  }
}

/** Makes one system call on another thread, for a call that waits. Resolves to a result or -errno. */
export async function waitingSyscall(name: SyscallName, ...args: Value[]): Promise<number> {
  const keep: unknown[] = [];
  const result = Number(await snippets().callInThread.call(...words(name, args, keep)));
  keep.length = 0;
  return result;
}

/** Closes a descriptor. A failure is nothing anybody could mend, and the descriptor is gone in every case (close(2)). */
export function close(fd: number): void {
  trySyscall("close", fd);
}
