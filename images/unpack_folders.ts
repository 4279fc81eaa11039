/**
 * The folders of a tree that is being unpacked: descriptors of those in use, and the times they get at the end, since
 * every file made in a folder changes its time.
 */
import * as K from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import * as files from "../ffi/files.ts";
import type { TarEntry } from "./tar.ts";
import { shortPath } from "./unpack_path.ts";
import { setAttribute } from "./unpack_xattr.ts";
import { opaqueAttribute, possibleOwner } from "./unpack_owner.ts";

/** Descriptors kept open; an archive in the tree's order needs as many as the tree is deep. */
const OPEN_FOLDERS = 64;
const FOLDER_FLAGS = K.O_RDONLY | K.O_DIRECTORY;
/** Folders that the archive forgot to mention. */
const IMPLIED_MODE = 0o755;

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();

interface Made {
  path: Uint8Array;
  mtime: files.Time;
}

export class Folders {
  /** By path, one character for each byte; the one used last is at the end. */
  private readonly opened = new Map<string, number>();
  private readonly made = new Map<string, Made>();
  private readonly opaque = new Set<string>();
  private rootEntry: TarEntry | undefined;
  private lastPath = new Uint8Array();
  private lastFd: number;

  constructor(private readonly root: number) {
    this.lastFd = root;
  }

  /** A descriptor of the folder, which is made if it is missing. It stays ours and is valid until the next call. */
  open(path: Uint8Array): number {
    if (isEqual(path, this.lastPath)) return this.lastFd;
    if (path.length === 0) return this.remember(path, this.root);
    const key = latin1.decode(path);
    const cached = this.opened.get(key);
    if (cached !== undefined) {
      this.opened.delete(key);
      this.opened.set(key, cached);
      return this.remember(path, cached);
    }
    const fd = this.openOrMake(path);
    if (this.opened.size >= OPEN_FOLDERS) {
      const [oldest, oldFd] = this.opened.entries().next().value!;
      this.opened.delete(oldest);
      files.closeFd(oldFd);
    }
    this.opened.set(key, fd);
    return this.remember(path, fd);
  }

  private remember(path: Uint8Array, fd: number): number {
    this.lastPath = path.slice();
    this.lastFd = fd;
    return fd;
  }

  private openOrMake(path: Uint8Array): number {
    const whole = this.tryOpen(path);
    if (whole !== undefined) return whole;
    // The ends of the parts of the path. Up to some part it is there, and from the next one on it is not.
    const ends: number[] = [];
    for (let i = 0; i < path.length; i++) if (path[i] === 0x2f) ends.push(i);
    ends.push(path.length);
    let fd = this.root, there = 0, missing = ends.length;
    while (there + 1 < missing) {
      const middle = (there + missing) >> 1;
      let found: number | undefined;
      try {
        found = this.tryOpen(path.subarray(0, ends[middle - 1]));
      } catch (error) {
        if (fd !== this.root) files.closeFd(fd);
        throw error;
      }
      if (found === undefined) {
        missing = middle;
        continue;
      }
      if (fd !== this.root) files.closeFd(fd);
      fd = found;
      there = middle;
    }
    for (let i = there; i < ends.length; i++) {
      const name = path.subarray(i === 0 ? 0 : ends[i - 1]! + 1, ends[i]);
      const parent = fd;
      try {
        fd = makeImplied(parent, name);
      } catch (error) {
        throw this.explain(path.subarray(0, ends[i]), error);
      } finally {
        if (parent !== this.root) files.closeFd(parent);
      }
    }
    return fd;
  }

  private tryOpen(path: Uint8Array): number | undefined {
    try {
      return files.openInRoot(this.root, path, FOLDER_FLAGS);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
      throw this.explain(path, error);
    }
  }

  private explain(path: Uint8Array, error: unknown): unknown {
    if (!(error instanceof SyscallError)) return error;
    switch (error.errno) {
      case Errno.ENOTDIR:
        return new MiniError(`an entry lies below ${shortPath(path)}, which is no directory`);
      case Errno.EEXIST:
        return new MiniError(
          `an entry lies below ${shortPath(path)}, a symbolic link that points to nothing`,
        );
      case Errno.ELOOP:
        return new MiniError(`an entry lies below ${shortPath(path)}, a symbolic link that leads nowhere`);
    }
    return error;
  }

  /** Makes a folder as an entry describes it. @throws {SyscallError} EEXIST if the name is taken. */
  make(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    files.mkdirat(parent, name, 0o700);
    this.apply(entry, path, parent, name);
  }

  /** Gives a folder that is there what a later entry says of it. */
  change(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    this.apply(entry, path, parent, name);
  }

  private apply(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    const key = latin1.decode(path);
    const fd = files.openat(parent, name, FOLDER_FLAGS | K.O_NOFOLLOW);
    try {
      applyTo(fd, entry);
      if (this.opaque.delete(key)) files.fsetxattr(fd, opaqueAttribute(), encoder.encode("y"));
    } finally {
      files.closeFd(fd);
    }
    this.made.set(key, { path: path.slice(), mtime: entry.mtime });
  }

  /** The next folder made at this path hides whatever lower layers have there. */
  makeOpaque(path: Uint8Array): void {
    this.opaque.add(latin1.decode(path));
  }

  /** Keeps what the archive says of the root, for the end. */
  setRoot(entry: TarEntry): void {
    const xattrs = entry.xattrs.map(([name, value]): [string, Uint8Array] => [name, value.slice()]);
    this.rootEntry = { ...entry, path: new Uint8Array(), linkPath: new Uint8Array(), xattrs };
  }

  /** Something at `path` was removed. `mayLead`: other paths may have led through it, so no descriptor is to be trusted. */
  forget(path: Uint8Array, mayLead: boolean): void {
    if (!mayLead) return;
    const key = latin1.decode(path);
    for (const other of this.made.keys()) {
      if (other === key || other.startsWith(key + "/")) this.made.delete(other);
    }
    this.close();
  }

  /** Sets the times of all folders. */
  finish(): void {
    for (const { path, mtime } of this.made.values()) {
      let fd: number;
      try {
        fd = files.openInRoot(this.root, path, FOLDER_FLAGS | K.O_NOFOLLOW);
      } catch (error) {
        // The folder was reached through a symbolic link that a later entry has replaced: there is nothing at this path.
        const gone = error instanceof SyscallError && [Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP].includes(error.errno);
        if (gone) continue;
        throw error;
      }
      try {
        files.utimensat(fd, null, mtime, mtime);
      } finally {
        files.closeFd(fd);
      }
    }
    if (this.rootEntry) {
      applyTo(this.root, this.rootEntry);
      files.utimensat(this.root, null, this.rootEntry.mtime, this.rootEntry.mtime);
    }
  }

  /** Closes every descriptor. */
  close(): void {
    for (const fd of this.opened.values()) files.closeFd(fd);
    this.opened.clear();
    this.lastPath = new Uint8Array();
    this.lastFd = this.root;
  }
}

/** Makes a folder that the archive forgot to mention; the name is taken only by a symbolic link to nowhere. */
function makeImplied(parent: number, name: Uint8Array): number {
  files.mkdirat(parent, name, IMPLIED_MODE);
  const fd = files.openat(parent, name, FOLDER_FLAGS | K.O_NOFOLLOW);
  files.fchmod(fd, IMPLIED_MODE);
  return fd;
}

/** Gives an open folder the owner, mode and attributes of its entry. */
function applyTo(fd: number, entry: TarEntry): void {
  const { uid, gid } = possibleOwner(entry);
  files.fchown(fd, uid, gid);
  files.fchmod(fd, entry.mode);
  for (const [attribute, value] of entry.xattrs) {
    setAttribute(attribute, value, (flags) => files.fsetxattr(fd, attribute, value, flags));
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false; // paths differ at their ends
  return true;
}
