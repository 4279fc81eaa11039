/** Locks on files that may be removed by whoever holds them: the lock counts only if the name still leads to the file. */
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDWR } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";

/** How long to wait between two tries; nobody is told when an flock is dropped without a thread that blocks for it. */
const RETRY_MILLISECONDS = 50;

/**
 * Opens (and, if `create`, makes) a file and locks it, without waiting. Returns its descriptor; undefined if somebody
 * else holds the lock or, without `create`, if there is no file.
 *
 * @throws {SyscallError} if it cannot be opened.
 */
export function tryLockFile(path: string, create = true): number | undefined {
  for (;;) {
    const flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0);
    const fd = trySyscall("openat", AT_FDCWD, path, flags, 0o600);
    if (fd === -Errno.ENOENT && !create) return undefined;
    if (fd < 0) throw new SyscallError("openat", -fd, path);
    if (trySyscall("flock", fd, LOCK_EX | LOCK_NB) !== 0) {
      close(fd);
      return undefined;
    }
    if (isStill(fd, path)) return fd;
    close(fd); // removed or renamed between our open and our lock
  }
}

/** The same, but waits for the lock; `signal` ends the waiting. */
export async function lockFile(path: string, signal?: AbortSignal): Promise<number> {
  for (;;) {
    signal?.throwIfAborted();
    const fd = tryLockFile(path);
    if (fd !== undefined) return fd;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
  }
}

/** Whether `path` names the open file `fd`. */
export function isStill(fd: number, path: string): boolean {
  try {
    const here = Deno.statSync(`/proc/self/fd/${fd}`), there = Deno.lstatSync(path);
    return here.ino === there.ino && here.dev === there.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** fsync(2) of a directory by its path: renames and new names in it outlast a power failure. */
export function fsyncFolder(path: string): void {
  const fd = syscall("openat", AT_FDCWD, path, O_CLOEXEC);
  try {
    syscall("fsync", fd);
  } finally {
    close(fd);
  }
}

/**
 * Makes what Deno throws when a disk is full into a sentence; everything else stays as it is.
 *
 * @param path what could not be written
 */
export function explainFullDisk(error: unknown, path: string): unknown {
  const code = error instanceof SyscallError ? error.errno : (error as { code?: string } | null)?.code;
  const isFull = [Errno.ENOSPC, Errno.EDQUOT, "ENOSPC", "EDQUOT"].includes(code as number | string);
  return isFull ? new MiniError(`the disk is full: ${path} cannot be written`, undefined, { cause: error }) : error;
}

/** Replaces a small file so that after a crash there is either the old or the new one: write, fsync, rename, fsync. */
export function writeFileAtomically(path: string, text: string): void {
  const temporary = `${path}.tmp-${crypto.randomUUID()}`;
  try {
    const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    try {
      Deno.removeSync(temporary);
    } catch {
      // It was never made, or has been renamed; the failure that matters is the first one.
    }
    throw explainFullDisk(error, path);
  }
  fsyncFolder(path.slice(0, path.lastIndexOf("/")));
}
