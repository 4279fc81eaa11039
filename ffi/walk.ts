/**
 * Paths in a root where the kernel has no openat2(2), or a filter refuses it: the same walk, one name at a time.
 *
 * No call here lets the kernel follow a link or go up. A folder is opened with O_NOFOLLOW below the one before it, and stays
 * open until the walk is over: `..` is the one that was opened before, wherever the folder has been moved meanwhile. Links are
 * read from their own descriptors. So what another process renames or replaces can lead the walk to other places below the
 * root, as it can the kernel's, and never out of it.
 */
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "./constants.ts";
import { Errno } from "./errors.ts";
import type { Path } from "./files.ts";
import { close, trySyscall } from "./kernel.ts";

/** The kernel's limits, path_resolution(7). */
const MOST_LINKS = 40, PATH_MAX = 4096;
/** Words of struct statfs, and what they say: a procfs, whose links lead anywhere; a mount whose links are not to be followed. */
const F_TYPE = 0, F_FLAGS = 10, PROC_SUPER_MAGIC = 0x9fa0n, ST_NOSYMFOLLOW = 0x2000n;
const RESOLVE = RESOLVE_IN_ROOT | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

const SLASH = 0x2f;
const DOT = new Uint8Array([0x2e, 0]);
const isDots = (name: Uint8Array, count: number) =>
  name.length === count + 1 && name.subarray(0, count).every((byte) => byte === 0x2e);

/** The names of a path, the first one last, each with its NUL; a `.` follows what can only be a folder. */
function namesOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < path.length;) {
    const slash = path.indexOf(SLASH, start), end = slash < 0 ? path.length : slash;
    if (end > start) {
      const name = new Uint8Array(end - start + 1);
      name.set(path.subarray(start, end));
      names.push(name);
    }
    start = end + 1;
  }
  const last = names.at(-1);
  if (last === undefined || path.at(-1) === SLASH || isDots(last, 2)) names.push(DOT);
  return names.reverse();
}

/**
 * Opens a path below a folder as openat2(2) does; O_CLOEXEC is added. Of a procfs it follows no link at all, not even an
 * ordinary one.
 *
 * @param resolve RESOLVE_IN_ROOT or RESOLVE_BENEATH, and RESOLVE_NO_SYMLINKS or not.
 * @returns the descriptor, or -errno.
 */
export function walk(root: number, path: Path, flags: number, mode: number, resolve: number): number {
  const bytes = typeof path === "string" ? new TextEncoder().encode(path) : path;
  const isScoped = ((resolve & RESOLVE_IN_ROOT) === 0) !== ((resolve & RESOLVE_BENEATH) === 0);
  if (!isScoped || (resolve & ~RESOLVE) !== 0 || bytes.includes(0)) return -Errno.EINVAL;
  if (bytes.length >= PATH_MAX) return -Errno.ENAMETOOLONG;
  const folders: number[] = [];
  try {
    return walkDown(folders, root, bytes, flags, mode, resolve);
  } finally {
    folders.forEach(close);
  }
}

/** @param folders those on the way from the root to where it is now, which the caller closes. */
function walkDown(
  folders: number[],
  root: number,
  path: Uint8Array,
  flags: number,
  mode: number,
  resolve: number,
): number {
  const rest: Uint8Array[] = [];
  let followed = 0;
  /** Puts a path in front of what is left. */
  const enter = (path: Uint8Array): number => {
    if (path.length === 0) return -Errno.ENOENT;
    if (path[0] === SLASH) {
      if (resolve & RESOLVE_BENEATH) return -Errno.EXDEV;
      folders.splice(0).forEach(close);
    }
    rest.push(...namesOf(path));
    return 0;
  };
  /** Goes on where a link points to, which is closed. */
  const follow = (link: number, target: Uint8Array): number => {
    try {
      if (resolve & RESOLVE_NO_SYMLINKS || followed++ >= MOST_LINKS || !mayFollow(link)) return -Errno.ELOOP;
      return enter(target);
    } finally {
      close(link);
    }
  };
  let error = enter(path);
  while (error === 0) {
    const name = rest.pop()!, isLast = rest.length === 0;
    const folder = folders.at(-1) ?? root;
    if (isDots(name, 1)) {
      if (isLast) return trySyscall("openat", folder, DOT, flags | O_CLOEXEC, mode);
      continue;
    }
    if (isDots(name, 2)) {
      if (folders.length > 0) close(folders.pop()!);
      else if (resolve & RESOLVE_BENEATH) return -Errno.EXDEV;
      continue;
    }
    const how = isLast ? flags : O_PATH | O_DIRECTORY;
    const fd = trySyscall("openat", folder, name, how | O_NOFOLLOW | O_CLOEXEC, mode);
    if (isLast && flags & O_NOFOLLOW) return fd;
    if (fd >= 0) {
      const target = isLast && flags & O_PATH ? readLink(fd) : undefined;
      if (target !== undefined) error = follow(fd, target);
      else if (isLast) return fd;
      else folders.push(fd);
      continue;
    }
    // That is how a link is refused, which it may be or not.
    if (fd !== -Errno.ELOOP && fd !== -Errno.ENOTDIR) return fd;
    const link = trySyscall("openat", folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (link < 0) return link;
    const target = readLink(link);
    if (target !== undefined) error = follow(link, target);
    else {
      close(link);
      // It is none, or it is none any more: another look, as often as there may be links.
      if (followed++ >= MOST_LINKS) return fd;
      rest.push(name);
    }
  }
  return error;
}

/** Where a link points to, by its own descriptor; undefined for what is no link. */
function readLink(fd: number): Uint8Array | undefined {
  const buffer = new Uint8Array(PATH_MAX);
  const length = trySyscall("readlinkat", fd, "", buffer, buffer.length);
  return length < 0 ? undefined : buffer.subarray(0, length);
}

/** Whether the file system that a link is in lets it be followed. */
function mayFollow(link: number): boolean {
  const words = new BigInt64Array(16); // struct statfs
  if (trySyscall("fstatfs", link, words) < 0) return false;
  return words[F_TYPE] !== PROC_SUPER_MAGIC && (words[F_FLAGS]! & ST_NOSYMFOLLOW) === 0n;
}
