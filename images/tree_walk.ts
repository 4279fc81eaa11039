/**
 * Reads a tree of files exactly: names by their bytes, owners, modes, times, attributes, hard links, devices, holes. What
 * comes of it is what a tar reader would tell, so that it can be archived or made again elsewhere.
 *
 * Somebody else may change the tree meanwhile, to lead us astray. So each entry is opened once, by its name in a folder that
 * is open already, without following a link and without touching what it is (O_PATH); all that is said of it comes from that
 * one descriptor. A FIFO or a device is never opened.
 */
import * as K from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { type FileInfo, fileSystemOf, readDirectory, readlinkAt, statAt, xattrsOf } from "../ffi/file_info.ts";
import { closeFd, lseek, openat, pread, read, SEEK_DATA, SEEK_HOLE } from "../ffi/files.ts";
import type { TarEntry } from "./tar.ts";
import { shortPath } from "./unpack_path.ts";

/** A part of a file that has content. */
export type Piece = readonly [offset: number, length: number];

/** What is told of each file; its attributes are all that it has, those of overlayfs too. */
export interface TreeEntry extends TarEntry {
  /** Of a file with holes: what it has of content. An empty piece at the end tells the size, as in GNU tar's maps. */
  readonly pieces?: readonly Piece[];
}

/** Takes what a walk finds. Whatever it is given is valid only until its promise is settled. */
export interface TreeSink {
  /** Folders come before what they hold. Of several names of one file, all but the first are hard links to the first. */
  entry(entry: TreeEntry): void | Promise<void>;
  /** Content of the last file. Without it files are not read. What lies between the offsets of two calls is a hole. */
  data?(bytes: Uint8Array, offset: number): void | Promise<void>;
  /** The last file is complete, or all that is left of it: it may have become shorter while it was read. */
  endOfFile?(): void | Promise<void>;
}

export interface WalkOptions {
  /** The name of the top; what it holds is named `NAME/…`. Without one the top has the empty name. */
  readonly name?: Uint8Array;
  /** Shows folders where the kernel's own file systems (proc, sysfs …) are mounted as empty ones. */
  readonly withoutKernel?: boolean;
  /** Whether an entry, which is open, is passed over with all below it. */
  readonly leaveOut?: (fd: number, info: FileInfo, path: Uint8Array) => boolean;
  /** Told of each folder before it is looked into. */
  readonly onFolder?: (info: FileInfo, path: Uint8Array) => void;
  /** Told of each socket, of which there can be no copy. */
  readonly onSocket?: () => void;
}

/** A file with more bytes of holes than this is told as one with holes. */
const WORTHWHILE_HOLES = 1024 * 1024;
const BUFFER_BYTES = 256 * 1024;
/** The most that is read of a file that says it is empty and is not: those of procfs do. */
const UNKNOWN_SIZE_LIMIT = 64 * 1024 * 1024;
const ENXIO = 6, ESRCH = 3;

/** f_type of statfs(2) for file systems that hold no files but the kernel's own: linux/magic.h. */
const KERNEL_FILESYSTEMS = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x63677270, // cgroup2
  0x27e0eb, // cgroup
  0x1cd1, // devpts
  0x19800202, // mqueue
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x42494e4d, // binfmt_misc
  0x62656570, // configfs
  0x65735543, // fusectl
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
]);

interface Level {
  readonly fd: number;
  readonly path: Uint8Array;
  readonly device: string;
  readonly names: readonly Uint8Array[];
  next: number;
}

/**
 * Tells `sink` of the file or folder `top` (any descriptor, O_PATH too; it stays the caller's) and of all below it, in the
 * order of the names' bytes. What vanishes meanwhile is passed over.
 *
 * @throws {SyscallError} if something cannot be read, and whatever the sink throws.
 */
export async function walkTree(top: number, sink: TreeSink, options: WalkOptions = {}): Promise<void> {
  const walk = new Walk(sink, options);
  try {
    await walk.visit(top, options.name ?? new Uint8Array(), undefined);
    for (let level; (level = walk.levels.at(-1)) !== undefined;) {
      const name = level.names[level.next++];
      if (name === undefined) {
        walk.levels.pop();
        closeFd(level.fd);
      } else {
        await walk.child(level, name);
      }
    }
  } finally {
    for (const { fd } of walk.levels) closeFd(fd);
  }
}

class Walk {
  /** Folders on the way to where we are. */
  readonly levels: Level[] = [];
  private readonly linked = new Map<string, Uint8Array>();
  private readonly buffer = new Uint8Array(BUFFER_BYTES);

  constructor(private readonly sink: TreeSink, private readonly options: WalkOptions) {}

  async child(level: Level, name: Uint8Array): Promise<void> {
    const path = joinBytes(level.path, name);
    const fd = present(path, () => openat(level.fd, name, K.O_PATH | K.O_NOFOLLOW));
    if (fd === undefined) return;
    try {
      await this.visit(fd, path, level.device);
    } finally {
      closeFd(fd);
    }
  }

  async visit(fd: number, path: Uint8Array, outer: string | undefined): Promise<void> {
    const info = present(path, () => statAt(fd, ""));
    if (info === undefined) return;
    if (outer !== undefined && this.options.leaveOut?.(fd, info, path)) return;
    const kind = info.mode & K.S_IFMT;
    if (kind === K.S_IFSOCK) return this.options.onSocket?.();
    if (kind !== K.S_IFDIR && info.nlink > 1) {
      const key = `${info.device} ${info.ino}`, first = this.linked.get(key);
      if (first !== undefined) {
        const entry = describe(fd, path, info);
        return await this.sink.entry({ ...entry, type: "hardlink", linkPath: first, size: 0, xattrs: [] });
      }
      this.linked.set(key, path);
    }
    if (kind === K.S_IFREG) return await this.file(fd, path, info);
    const entry = present(path, () => describe(fd, path, info));
    if (entry === undefined) return;
    if (kind === K.S_IFDIR) this.options.onFolder?.(info, path);
    await this.sink.entry(entry);
    if (kind !== K.S_IFDIR) return;
    if (this.options.withoutKernel && outer !== undefined && outer !== info.device) {
      if (KERNEL_FILESYSTEMS.has(fileSystemOf(fd).type)) return;
    }
    const names = present(path, () => readDirectory(fd));
    if (names === undefined) return;
    const own = openat(fd, ".", K.O_PATH | K.O_DIRECTORY);
    this.levels.push({ fd: own, path, device: info.device, names, next: 0 });
  }

  private async file(fd: number, path: Uint8Array, info: FileInfo): Promise<void> {
    const { sink } = this;
    const entry = present(path, () => describe(fd, path, info));
    if (entry === undefined) return;
    if (sink.data === undefined) return await sink.entry(entry);
    // By way of /proc, because that is the same file whatever its name stands for by now. O_NONBLOCK for those of procfs
    // that let their readers wait.
    const open = () => openat(K.AT_FDCWD, `/proc/self/fd/${fd}`, K.O_RDONLY | K.O_NONBLOCK | K.O_NOCTTY);
    const content = present(path, open);
    if (content === undefined) return;
    try {
      if (info.size < this.buffer.length) await this.smallFile(content, path, entry);
      else await this.largeFile(content, path, entry, info);
    } finally {
      closeFd(content);
    }
    await sink.endOfFile?.();
  }

  /** Reads before it tells the size, which is right then, even of a file that grows, and of those of procfs. */
  private async smallFile(fd: number, path: Uint8Array, entry: TreeEntry): Promise<void> {
    let buffer = this.buffer, length = 0;
    for (;;) {
      const count = present(path, () => read(fd, buffer.subarray(length))) ?? 0;
      if (count === 0) break;
      length += count;
      if (length < buffer.length) continue;
      if (entry.size > 0 || length >= UNKNOWN_SIZE_LIMIT) break;
      const longer = new Uint8Array(2 * length);
      longer.set(buffer);
      buffer = longer;
    }
    await this.sink.entry({ ...entry, size: length });
    if (length > 0) await this.sink.data!(buffer.subarray(0, length), 0);
  }

  private async largeFile(fd: number, path: Uint8Array, entry: TreeEntry, info: FileInfo): Promise<void> {
    const hasHoles = info.size - info.diskBytes > WORTHWHILE_HOLES;
    const pieces = hasHoles ? findPieces(fd, info.size) : [[0, info.size] as const];
    await this.sink.entry(hasHoles ? { ...entry, pieces } : entry);
    for (const [offset, length] of pieces) {
      for (let done = 0; done < length;) {
        const room = this.buffer.subarray(0, Math.min(this.buffer.length, length - done));
        const count = present(path, () => pread(fd, room, offset + done)) ?? 0;
        if (count === 0) return; // it was cut short
        await this.sink.data!(room.subarray(0, count), offset + done);
        done += count;
      }
    }
  }
}

/** What `look` gives; undefined if what it looks at is gone. An error tells the path. */
function present<T>(path: Uint8Array, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if ([Errno.ENOENT, ESRCH, Errno.ESTALE].includes(error.errno)) return undefined;
    if (error.errno === Errno.EMFILE) {
      throw new MiniError(`${shortPath(path)} lies too deep: mini may open no more files (see 'ulimit -n')`);
    }
    throw new SyscallError(error.syscall, error.errno, shortPath(path) || error.path);
  }
}

function describe(fd: number, path: Uint8Array, info: FileInfo): TreeEntry {
  const type = typeOf(info);
  const isDevice = type === "char" || type === "block";
  return {
    type,
    path,
    linkPath: type === "symlink" ? readlinkAt(fd, "") : new Uint8Array(),
    mode: info.mode & 0o7777,
    uid: info.uid,
    gid: info.gid,
    size: type === "file" ? info.size : 0,
    mtime: info.mtime,
    major: isDevice ? info.rdevMajor : 0,
    minor: isDevice ? info.rdevMinor : 0,
    xattrs: xattrsOf(fd),
  };
}

function typeOf({ mode }: FileInfo): TreeEntry["type"] {
  switch (mode & K.S_IFMT) {
    case K.S_IFDIR:
      return "directory";
    case K.S_IFLNK:
      return "symlink";
    case K.S_IFCHR:
      return "char";
    case K.S_IFBLK:
      return "block";
    case K.S_IFIFO:
      return "fifo";
  }
  return "file";
}

/** Where a file has content, and an empty piece at its end. */
function findPieces(fd: number, size: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < size;) {
    let start: number;
    try {
      start = lseek(fd, at, SEEK_DATA);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === ENXIO) break; // a hole up to the end
      throw error;
    }
    const end = Math.min(lseek(fd, start, SEEK_HOLE), size);
    if (end > start) pieces.push([start, end - start]);
    at = Math.max(end, at + 1);
  }
  return [...pieces, [size, 0]];
}

/** `FOLDER/NAME`; the name alone where there is no folder. */
export function joinBytes(folder: Uint8Array, name: Uint8Array): Uint8Array {
  if (folder.length === 0) return name;
  const path = new Uint8Array(folder.length + 1 + name.length);
  path.set(folder);
  path[folder.length] = 0x2f;
  path.set(name, folder.length + 1);
  return path;
}
