/** What files are and what folders hold, with names as bytes: statx(2), getdents64(2), readlinkat(2), listxattr(2). */
import * as K from "./constants.ts";
import { Errno, SyscallError } from "./errors.ts";
import { closeFd, cString, openat, type Path, procPath, showPath, type Time } from "./files.ts";
import { trySyscall, type Value } from "./kernel.ts";
import type { SyscallName } from "./syscall_numbers.ts";

/** What stat(2) tells. */
export interface FileInfo {
  /** Type and permissions: compare `mode & S_IFMT`. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  ino: bigint;
  /** Major and minor number of the file system's device, as one string to compare by. */
  device: string;
  /** For a device: what it is. */
  rdevMajor: number;
  rdevMinor: number;
  /** Bytes. */
  size: number;
  /** Bytes on the disk (512 × st_blocks). */
  diskBytes: number;
  mtime: Time;
  /** Something is mounted there: the file or folder of that name in its own file system is another one. */
  isMount: boolean;
}

function checked(call: SyscallName, path: Path, ...args: Value[]): number {
  const result = trySyscall(call, ...args);
  if (result < 0) throw new SyscallError(call, -result, showPath(path));
  return result;
}

const STATX_BASIC_STATS = 0x7ff, STATX_ATTR_MOUNT_ROOT = 0x2000n;

/** statx(2), not following a link at the end; with "" it is about `dirfd` itself. @throws {SyscallError} */
export function statAt(dirfd: number, path: Path): FileInfo {
  const buffer = new Uint8Array(256), view = new DataView(buffer.buffer);
  const flags = K.AT_SYMLINK_NOFOLLOW | K.AT_EMPTY_PATH;
  checked("statx", path, dirfd, cString(path), flags, STATX_BASIC_STATS, buffer);
  return {
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    diskBytes: Number(view.getBigUint64(48, true)) * 512,
    mtime: { seconds: Number(view.getBigInt64(112, true)), nanoseconds: view.getUint32(120, true) },
    rdevMajor: view.getUint32(128, true),
    rdevMinor: view.getUint32(132, true),
    isMount: (view.getBigUint64(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0n,
    device: `${view.getUint32(136, true)}:${view.getUint32(140, true)}`,
  };
}

/** The same, or undefined if there is no such file. @throws {SyscallError} on any other failure. */
export function tryStatAt(dirfd: number, path: Path): FileInfo | undefined {
  try {
    return statAt(dirfd, path);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}

/** What statfs(2) tells of the file system that an open file is in. */
export interface FileSystemInfo {
  /** One of linux/magic.h. */
  type: number;
  /** Nothing can be written there, at least not by the way on which the file was opened. */
  readonly: boolean;
}

/** fstatfs(2). @throws {SyscallError} */
export function fileSystemOf(fd: number): FileSystemInfo {
  const ST_RDONLY = 1n, words = new BigInt64Array(16); // struct statfs: f_type is the first word, f_flags the eleventh
  checked("fstatfs", "", fd, words);
  return { type: Number(words[0]), readonly: (words[10]! & ST_RDONLY) !== 0n };
}

/** The names in a directory, without `.` and `..`, in the bytes' order. @throws {SyscallError} */
export function readDirectory(dirfd: number, path: Path = "."): Uint8Array[] {
  const fd = openat(dirfd, path, K.O_RDONLY | K.O_DIRECTORY | K.O_NOFOLLOW);
  try {
    const names: Uint8Array[] = [];
    const buffer = new Uint8Array(64 * 1024), view = new DataView(buffer.buffer);
    for (;;) {
      const length = checked("getdents64", path, fd, buffer, buffer.length);
      if (length === 0) break;
      for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
        const name = buffer.slice(at + 19, buffer.indexOf(0, at + 19));
        const isDots = name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
        if (!isDots) names.push(name);
      }
    }
    return names.sort(compareBytes);
  } finally {
    closeFd(fd);
  }
}

/** Orders names by their bytes. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Where a symbolic link points. @throws {SyscallError} */
export function readlinkAt(dirfd: number, path: Path): Uint8Array {
  const buffer = new Uint8Array(4096);
  return buffer.slice(0, checked("readlinkat", path, dirfd, cString(path), buffer, buffer.length));
}

/** The extended attributes of a directory's entry, links not followed, sorted by name. @throws {SyscallError} */
export function xattrsAt(dirfd: number, path: Path): [name: string, value: Uint8Array][] {
  return readXattrs("llistxattr", "lgetxattr", procPath(dirfd, path), path);
}

/** The same of the very file that a descriptor stands for, of O_PATH or another, a symbolic link too. @throws {SyscallError} */
export function xattrsOf(fd: number): [name: string, value: Uint8Array][] {
  return readXattrs("listxattr", "getxattr", cString(`/proc/self/fd/${fd}`), "");
}

function readXattrs(
  listCall: "listxattr" | "llistxattr",
  getCall: "getxattr" | "lgetxattr",
  full: Uint8Array<ArrayBuffer>,
  path: Path,
): [name: string, value: Uint8Array][] {
  let size = trySyscall(listCall, full, null, 0);
  if (size === -Errno.EOPNOTSUPP || size === 0) return [];
  if (size < 0) throw new SyscallError(listCall, -size, showPath(path));
  const list = new Uint8Array(size + 1024);
  size = checked(listCall, path, full, list, list.length);
  const names = new TextDecoder().decode(list.subarray(0, size)).split("\0").filter((name) => name !== "").sort();
  const attributes: [string, Uint8Array][] = [];
  for (const name of names) {
    const value = new Uint8Array(64 * 1024);
    const length = trySyscall(getCall, full, cString(name), value, value.length);
    if (length === -Errno.ENODATA) continue; // removed meanwhile
    if (length < 0) throw new SyscallError(getCall, -length, `${showPath(path)} (${name})`);
    attributes.push([name, value.slice(0, length)]);
  }
  return attributes;
}
