/**
 * System calls on files, relative to descriptors, with names as bytes where a name need not be UTF-8.
 *
 * Unpacking an image makes a hundred thousand of these, so they go through libc's `syscall`, opened with exact
 * parameter types, which V8 calls directly (some 0.3 µs). libc reports a failure in `errno`, which V8 may overwrite
 * before it is read; so a call that failed is simply made again through the snippet of kernel.ts, which returns the
 * error itself. Every call here gives the same failure, or a success that is as good, the second time.
 */
import * as K from "./constants.ts";
import { MiniError, SyscallError } from "./errors.ts";
import { syscallNumber, trySyscall, type Value } from "./kernel.ts";
import type { SyscallName } from "./syscall_numbers.ts";

/** A file name: text, or bytes without a terminating NUL. */
export type Path = string | Uint8Array;

/** A point in time, as the kernel counts: seconds since 1970 and nanoseconds (0 to 999 999 999) on top. */
export interface Time {
  seconds: number;
  nanoseconds: number;
}

export const SYNC_FILE_RANGE_WRITE = 2;
export const SEEK_SET = 0;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const O_APPEND = 0o2000;
/** As `nanoseconds`: leave this time as it is (utimensat(2)). */
export const UTIME_OMIT = 0x3ffffffe;

const PATH_MAX = 4096;

function open() {
  const call = <const P extends readonly Deno.NativeType[]>(...parameters: P) =>
    ({ name: "syscall", parameters: ["i64", ...parameters], result: "i64" }) as const;
  return Deno.dlopen(null as unknown as string, {
    path: call("i32", "buffer", "i32", "u32", "i32"),
    openat2: call("i32", "buffer", "buffer", "usize"),
    paths: call("i32", "buffer", "i32", "buffer", "u32"),
    symlinkat: call("buffer", "i32", "buffer"),
    utimensat: call("i32", "buffer", "buffer", "i32"),
    io: call("i32", "buffer", "usize", "i64"),
    ints: call("i32", "i64", "i64", "i64"),
    fsetxattr: call("i32", "buffer", "buffer", "usize", "i32"),
    lsetxattr: call("buffer", "buffer", "buffer", "usize", "i32"),
  }).symbols;
}
