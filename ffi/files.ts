/**
 * System calls on files, relative to descriptors, with names as bytes where a name need not be UTF-8.
 *
 * Unpacking an image makes a hundred thousand of these, so they go through libc's `syscall`, opened with exact
 * parameter types, which V8 calls directly (some 0.3 µs). libc reports a failure in `errno`, which V8 may overwrite
 * before it is read; so a call that failed is simply made again through the snippet of kernel.ts, which returns the
 * error itself. Every call here gives the same failure, or a success that is as good, the second time.
 */
import { isMissing } from "./available.ts";
import * as K from "./constants.ts";
import { Errno, MiniError, SyscallError } from "./errors.ts";
import { syscallNumber, trySyscall, type Value } from "./kernel.ts";
import type { SyscallName } from "./syscall_numbers.ts";
import { walk } from "./walk.ts";

/** A file name: text, or bytes without a terminating NUL. */
export type Path = string | Uint8Array;

/** A point in time, as the kernel counts: seconds since 1970 and nanoseconds (0 to 999 999 999) on top. */
export interface Time {
  seconds: number;
  nanoseconds: number;
}

/** As `nanoseconds`: leave this time as it is (utimensat(2)). */
export const UTIME_OMIT = 0x3ffffffe;
export const SYNC_FILE_RANGE_WRITE = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

const PATH_MAX = 4096;

function openLibrary() {
  const call = <const P extends readonly Deno.NativeType[]>(...parameters: P) =>
    ({ name: "syscall", parameters: ["i32", ...parameters], result: "i32" }) as const;
  const symbols = {
    path: call("i32", "buffer", "u32", "u32", "i32"),
    openat2: call("i32", "buffer", "buffer", "u32"),
    paths: call("i32", "buffer", "i32", "buffer", "u32"),
    symlinkat: call("buffer", "i32", "buffer"),
    utimensat: call("i32", "buffer", "buffer", "i32"),
    io: call("i32", "buffer", "u32"),
    pread64: call("i32", "buffer", "u32", "i64"),
    ints: call("i32", "u32", "u32"),
    fsetxattr: call("i32", "buffer", "buffer", "u32", "i32"),
  };
  try {
    return Deno.dlopen("libc.so.6", symbols).symbols;
  } catch {
    return Deno.dlopen(`libc.musl-${Deno.build.arch}.so.1`, symbols).symbols;
  }
}

let library: ReturnType<typeof openLibrary> | undefined;
const libc = () => library ??= openLibrary();

const numbers = new Map<SyscallName, number>();
/** The call's number on this machine, looked up once. */
function nr(name: SyscallName): number {
  let number = numbers.get(name);
  if (number === undefined) numbers.set(name, number = syscallNumber(name));
  return number;
}

const encoder = new TextEncoder();
// Two places for names, because some calls take two. Nothing else runs between filling one and the call.
const scratch = [new Uint8Array(PATH_MAX + 1), new Uint8Array(PATH_MAX + 1)] as const;

/** Puts a name with its NUL into a scratch buffer. */
function name(path: Path, which: 0 | 1 = 0): Uint8Array<ArrayBuffer> {
  const buffer = scratch[which];
  let length: number;
  if (typeof path === "string") {
    if (path.includes("\0")) throw new MiniError(`a NUL character is not allowed in ${JSON.stringify(path)}`);
    const { read, written } = encoder.encodeInto(path, buffer);
    length = read < path.length ? PATH_MAX : written;
  } else {
    if (path.includes(0)) throw new MiniError(`a NUL character is not allowed in the name ${showPath(path)}`);
    length = path.length;
    if (length < PATH_MAX) buffer.set(path);
  }
  if (length >= PATH_MAX) throw new SyscallError("open", Errno.ENAMETOOLONG, showPath(path).slice(0, 60) + "…");
  buffer[length] = 0;
  return buffer;
}

/** A name as it may appear in a message: bytes that are no text, and control characters, as `\xNN`. */
export function showPath(path: Path): string {
  const bytes = typeof path === "string" ? encoder.encode(path) : path;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = Array.from(bytes, (b) => b < 0x80 ? String.fromCharCode(b) : `\\x${b.toString(16)}`).join("");
  }
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Makes a failed call again for its error; gives the result if it succeeds now. */
function again(path: Path | undefined, call: SyscallName, ...args: Value[]): number {
  for (;;) {
    const result = trySyscall(call, ...args);
    if (result >= 0) return result;
    if (-result !== EINTR) throw new SyscallError(call, -result, path === undefined ? undefined : showPath(path));
  }
}
const EINTR = 4;

/** openat(2); O_CLOEXEC is always added. Returns the descriptor. @throws {SyscallError} */
export function openat(dirfd: number, path: Path, flags: number, mode = 0): number {
  const buffer = name(path);
  const fd = libc().path(nr("openat"), dirfd, buffer, flags | K.O_CLOEXEC, mode, 0);
  return fd >= 0 ? fd : again(path, "openat", dirfd, buffer, flags | K.O_CLOEXEC, mode);
}

const openHow = new BigUint64Array(3);
/**
 * Opens a path so that every link in it is resolved as if `root` were `/`, and none of procfs leads out: openat2(2)
 * with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, or with `resolve`; or the same by walk.ts. Returns the descriptor.
 *
 * @throws {SyscallError}
 */
export function openInRoot(
  root: number,
  path: Path,
  flags: number,
  mode = 0,
  resolve = K.RESOLVE_IN_ROOT | K.RESOLVE_NO_MAGICLINKS,
): number {
  const buffer = name(path);
  openHow[0] = BigInt(flags | K.O_CLOEXEC);
  openHow[1] = BigInt(mode);
  openHow[2] = BigInt(resolve);
  for (;;) {
    const fd = libc().openat2(nr("openat2"), root, buffer, openHow, 24);
    if (fd >= 0) return fd;
    const result = isMissing("openat2")
      ? walk(root, path, flags, mode, resolve)
      : trySyscall("openat2", root, buffer, openHow, 24);
    if (result >= 0) return result;
    // EAGAIN: a rename elsewhere raced with the resolution of `..`, which the kernel then refuses to vouch for.
    if (-result !== EINTR && -result !== Errno.EAGAIN) throw new SyscallError("openat2", -result, showPath(path));
  }
}

/** mkdirat(2). @throws {SyscallError} */
export function mkdirat(dirfd: number, path: Path, mode: number): void {
  const buffer = name(path);
  if (libc().path(nr("mkdirat"), dirfd, buffer, mode, 0, 0) < 0) again(path, "mkdirat", dirfd, buffer, mode);
}

/** mknodat(2); `mode` holds the type (S_IFIFO, S_IFCHR …). @throws {SyscallError} */
export function mknodat(dirfd: number, path: Path, mode: number, major = 0, minor = 0): void {
  // The kernel's own 32-bit form of a device number: new_encode_dev() of include/linux/kdev_t.h.
  const device = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) | 0;
  const buffer = name(path);
  if (libc().path(nr("mknodat"), dirfd, buffer, mode, device >>> 0, 0) < 0) {
    again(path, "mknodat", dirfd, buffer, mode, device >>> 0);
  }
}

/** symlinkat(2). @throws {SyscallError} */
export function symlinkat(target: Path, dirfd: number, path: Path): void {
  const to = name(target, 1), buffer = name(path);
  if (libc().symlinkat(nr("symlinkat"), to, dirfd, buffer) < 0) again(path, "symlinkat", to, dirfd, buffer);
}

/** linkat(2); without flags a symlink is linked to, not followed. @throws {SyscallError} */
export function linkat(fromDirfd: number, from: Path, dirfd: number, path: Path, flags = 0): void {
  const old = name(from, 1), buffer = name(path);
  if (libc().paths(nr("linkat"), fromDirfd, old, dirfd, buffer, flags) < 0) {
    again(path, "linkat", fromDirfd, old, dirfd, buffer, flags);
  }
}

/** unlinkat(2); AT_REMOVEDIR removes an empty directory. @throws {SyscallError} */
export function unlinkat(dirfd: number, path: Path, flags = 0): void {
  const buffer = name(path);
  if (libc().path(nr("unlinkat"), dirfd, buffer, flags, 0, 0) < 0) again(path, "unlinkat", dirfd, buffer, flags);
}

/** renameat2(2). @throws {SyscallError} */
export function renameat2(fromDirfd: number, from: Path, dirfd: number, path: Path, flags = 0): void {
  const old = name(from, 1), buffer = name(path);
  if (libc().paths(nr("renameat2"), fromDirfd, old, dirfd, buffer, flags) < 0) {
    again(from, "renameat2", fromDirfd, old, dirfd, buffer, flags);
  }
}

/** fchownat(2); AT_SYMLINK_NOFOLLOW for the link itself, AT_EMPTY_PATH with "" for `dirfd`. @throws {SyscallError} */
export function fchownat(dirfd: number, path: Path, uid: number, gid: number, flags: number): void {
  const buffer = name(path);
  if (libc().path(nr("fchownat"), dirfd, buffer, uid, gid, flags) < 0) {
    again(path, "fchownat", dirfd, buffer, uid, gid, flags);
  }
}

/** fchown(2). @throws {SyscallError} */
export function fchown(fd: number, uid: number, gid: number): void {
  if (libc().ints(nr("fchown"), fd, uid, gid) < 0) again(undefined, "fchown", fd, uid, gid);
}

/** fchmod(2): all twelve bits. @throws {SyscallError} */
export function fchmod(fd: number, mode: number): void {
  if (libc().ints(nr("fchmod"), fd, mode, 0) < 0) again(undefined, "fchmod", fd, mode);
}

/** fchmodat(2), which follows a symlink: only for a name known to be none. @throws {SyscallError} */
export function fchmodat(dirfd: number, path: Path, mode: number): void {
  const buffer = name(path);
  if (libc().path(nr("fchmodat"), dirfd, buffer, mode, 0, 0) < 0) again(path, "fchmodat", dirfd, buffer, mode);
}

const timespecs = new DataView(new ArrayBuffer(32));
const timespecBytes = new Uint8Array(timespecs.buffer);
function setTime(at: number, time: Time): void {
  timespecs.setInt32(at, time.seconds | 0, true);
  timespecs.setInt32(at + 4, Math.floor(time.seconds / 4294967296), true);
  timespecs.setInt32(at + 8, time.nanoseconds, true);
}

/** utimensat(2). `path` null sets the times of the file that `dirfd` is. @throws {SyscallError} */
export function utimensat(dirfd: number, path: Path | null, atime: Time, mtime: Time, flags = 0): void {
  const buffer = path === null ? null : name(path);
  setTime(0, atime);
  setTime(16, mtime);
  if (libc().utimensat(nr("utimensat"), dirfd, buffer, timespecBytes, flags) < 0) {
    again(path ?? undefined, "utimensat", dirfd, buffer, timespecBytes, flags);
  }
}

/** fsetxattr(2). @throws {SyscallError} */
export function fsetxattr(fd: number, attribute: Path, value: Uint8Array, flags = 0): void {
  const buffer = name(attribute);
  if (libc().fsetxattr(nr("fsetxattr"), fd, buffer, value as Uint8Array<ArrayBuffer>, value.length, flags) < 0) {
    again(attribute, "fsetxattr", fd, buffer, value, value.length, flags);
  }
}

/** setxattr(2), which follows a symlink: only for a path below /proc/self/fd. @throws {SyscallError} */
export function setxattr(path: string, attribute: Path, value: Uint8Array, flags = 0): void {
  const result = trySyscall("setxattr", path, cString(attribute), value, value.length, flags);
  if (result < 0) throw new SyscallError("setxattr", -result, `${showPath(path)} (${showPath(attribute)})`);
}

/**
 * Sets an extended attribute of the entry `path` of a directory, of a link itself rather than what it points to.
 * The directory's descriptor is named through /proc/self/fd, since these calls have no form relative to one.
 *
 * @throws {SyscallError}
 */
export function lsetxattrat(dirfd: number, path: Path, attribute: Path, value: Uint8Array, flags = 0): void {
  const full = procPath(dirfd, path);
  const result = trySyscall("lsetxattr", full, cString(attribute), value, value.length, flags);
  if (result < 0) throw new SyscallError("lsetxattr", -result, `${showPath(path)} (${showPath(attribute)})`);
}

/** `/proc/self/fd/N/name`, NUL-terminated, for calls that take only a path. */
export function procPath(dirfd: number, path: Path): Uint8Array<ArrayBuffer> {
  const prefix = encoder.encode(`/proc/self/fd/${dirfd}/`);
  const bytes = typeof path === "string" ? encoder.encode(path) : path;
  const full = new Uint8Array(prefix.length + bytes.length + 1);
  full.set(prefix);
  full.set(bytes, prefix.length);
  return full;
}

/** A NUL-terminated copy of a name. */
export function cString(path: Path): Uint8Array<ArrayBuffer> {
  const bytes = typeof path === "string" ? encoder.encode(path) : path;
  const full = new Uint8Array(bytes.length + 1);
  full.set(bytes);
  return full;
}

/** write(2) until everything is written. @throws {SyscallError} */
export function writeAll(fd: number, bytes: Uint8Array): void {
  while (bytes.length > 0) {
    let count = libc().io(nr("write"), fd, bytes as Uint8Array<ArrayBuffer>, bytes.length);
    if (count < 0) count = again(undefined, "write", fd, bytes, bytes.length);
    bytes = bytes.subarray(count);
  }
}

/** read(2): the number of bytes read, 0 at the end. @throws {SyscallError} */
export function read(fd: number, buffer: Uint8Array): number {
  const count = libc().io(nr("read"), fd, buffer as Uint8Array<ArrayBuffer>, buffer.length);
  return count >= 0 ? count : again(undefined, "read", fd, buffer, buffer.length);
}

/** pread64(2). @throws {SyscallError} */
export function pread(fd: number, buffer: Uint8Array, offset: number): number {
  const count = libc().pread64(nr("pread64"), fd, buffer as Uint8Array<ArrayBuffer>, buffer.length, BigInt(offset));
  return count >= 0 ? count : again(undefined, "pread64", fd, buffer, buffer.length, offset);
}

/** lseek(2): the new position. @throws {SyscallError} */
export function lseek(fd: number, offset: number, whence: number): number {
  return again(undefined, "lseek", fd, offset, whence);
}

/** ftruncate(2). @throws {SyscallError} */
export function ftruncate(fd: number, length: number): void {
  again(undefined, "ftruncate", fd, length);
}

/** Begins writing a file's dirty pages to the disk and does not wait: sync_file_range(2). A hint, so failures are none. */
export function startWriteback(fd: number): void {
  trySyscall("sync_file_range", fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/** fsync(2): returns when the file is on the disk. @throws {SyscallError} */
export function fsync(fd: number): void {
  again(undefined, "fsync", fd);
}

/** syncfs(2): returns when everything written to the file system of `fd` is on the disk. @throws {SyscallError} */
export function syncfs(fd: number): void {
  again(undefined, "syncfs", fd);
}

/** flock(2) that does not wait. Returns whether the lock was got. @throws {SyscallError} on any other failure. */
export function tryFlock(fd: number, operation: number): boolean {
  const result = trySyscall("flock", fd, operation | K.LOCK_NB);
  if (result === -Errno.EAGAIN) return false;
  if (result < 0) throw new SyscallError("flock", -result);
  return true;
}

/** flock(2) that waits, and blocks this thread while it does: for locks that are held for an instant only. */
export function flock(fd: number, operation: number): void {
  again(undefined, "flock", fd, operation);
}

/** close(2), by the fast way. */
export function closeFd(fd: number): void {
  libc().ints(nr("close"), fd, 0, 0);
}
