/**
 * Opening files, by the calls of kernel.ts. Unpacking makes a hundred thousand of them and has faster ones (files.ts), whose
 * library takes longer to load than a container's few calls take.
 */
import {
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "./constants.ts";
import { isMissing } from "./available.ts";
import { Errno, SyscallError } from "./errors.ts";
import { syscall, trySyscall } from "./kernel.ts";
import type { walk as Walk } from "./walk.ts";

/** Opens a path of the host; O_CLOEXEC is added. @throws {SyscallError} */
export function open(path: string, flags: number, mode = 0): number {
  return syscall("openat", AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

let walk: typeof Walk | undefined;
/** Loads what stands in for openat2 where that is missing. Whoever calls `openBelow` waits for this first. */
export async function readyForPaths(): Promise<void> {
  if (walk === undefined && isMissing("openat2")) ({ walk } = await import("./walk.ts"));
}

/**
 * Opens a path below a folder's descriptor, every link in it resolved as if that were `/`: openat2(2), RESOLVE_IN_ROOT, or
 * the same by walk.ts. Where nothing of files.ts is loaded yet: `openInRoot` does the same.
 *
 * @throws {SyscallError}
 */
export function openBelow(root: number, path: string, flags: number): number {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), 0n, BigInt(resolve)]);
  let fd: number;
  // EAGAIN: a rename elsewhere raced with the resolution of `..`, which the kernel then refuses to vouch for.
  do fd = trySyscall("openat2", root, path, how, 24); while (fd === -Errno.EAGAIN);
  if (fd < 0 && isMissing("openat2")) {
    if (walk === undefined) throw new Error(`open: nobody has waited for readyForPaths before ${path} was opened`);
    fd = walk(root, path, flags, 0, resolve);
  }
  if (fd < 0) throw new SyscallError("openat2", -fd, path);
  return fd;
}

/**
 * Opens for reading what a descriptor of O_PATH stands for, if it is a regular file; undefined otherwise. A device of a
 * hostile image must not even be opened: for some of them (a watchdog, a tape) that is enough to make them act.
 *
 * @throws {SyscallError}
 */
export function openRegular(fd: number): number | undefined {
  const path = `/proc/self/fd/${fd}`;
  return Deno.statSync(path).isFile ? open(path, O_RDONLY) : undefined;
}

/** Most files that are read whole are small, and memory that is only reserved has its price, too. */
const FIRST_BYTES = 4096;

/** Reads a file from its beginning, at most `limit` bytes. @throws {SyscallError} */
export function readFile(fd: number, limit: number): Uint8Array<ArrayBuffer> {
  let buffer = new Uint8Array(Math.min(limit, FIRST_BYTES)), length = 0;
  for (;;) {
    const read = syscall("pread64", fd, buffer.subarray(length), buffer.length - length, length);
    length += read;
    if (read === 0 || length === limit) break;
    if (length < buffer.length) continue;
    const larger = new Uint8Array(Math.min(limit, 4 * buffer.length));
    larger.set(buffer);
    buffer = larger;
  }
  return buffer.subarray(0, length);
}

/** Takes an exclusive flock(2) without waiting; false if another process has it. @throws {SyscallError} on other failures. */
export function tryLock(fd: number): boolean {
  const result = trySyscall("flock", fd, LOCK_EX | LOCK_NB);
  if (result < 0 && result !== -Errno.EAGAIN) throw new SyscallError("flock", -result);
  return result === 0;
}

/** A descriptor of a folder to look below; the caller's to close. @throws {SyscallError} */
export const openRoot = (path: string) => open(path, O_PATH | O_DIRECTORY);
