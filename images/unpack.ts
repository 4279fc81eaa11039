/**
 * Turns the entries of a layer's tar archive into files below a root folder, exactly: owners, modes, times, extended
 * attributes, hard links, devices, holes; whiteouts become what overlayfs understands.
 *
 * The archive may be an attacker's. A folder is reached only through `openat2` with RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS below the root's descriptor, so a symbolic link that the layer itself has made is resolved as
 * if the root were `/` (what Docker does by chroot) and can never lead out. The last part of a name is never followed:
 * what is there is replaced.
 */
import * as K from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { type FileInfo, statAt, tryStatAt } from "../ffi/file_info.ts";
import * as files from "../ffi/files.ts";
import { removeTreeAt } from "./remove_tree.ts";
import type { TarEntry, TarSink } from "./tar.ts";
import { Folders } from "./unpack_folders.ts";
import { cleanPath, shortPath } from "./unpack_path.ts";
import { setAttribute } from "./unpack_xattr.ts";
import { mayMakeDevices, opaqueAttribute, possibleOwner } from "./unpack_owner.ts";

/** Bounds on one layer; beyond them it is refused. */
export interface UnpackLimits {
  /** Entries of the archive. */
  entries: number;
  /** Bytes of all files together, holes included. */
  bytes: number;
  /** Up to so many plain bytes nobody asks how well they were compressed. */
  unsuspiciousBytes: number;
}

export const UNPACK_LIMITS: UnpackLimits = {
  entries: 1_000_000,
  bytes: 1024 ** 4,
  unsuspiciousBytes: 4 * 1024 ** 3,
};

export interface UnpackerOptions {
  limits?: Partial<UnpackLimits>;
  /** Whiteouts become overlayfs' device 0:0 and opaque attribute; false leaves `.wh.` names as ordinary files. */
  whiteouts?: boolean;
  /**
   * The folder holds files of somebody's, who may use and change them meanwhile: a folder never takes the place of
   * something else, nor the reverse; and what is mounted there gets the content and keeps all else.
   */
  inUse?: boolean;
  /** Folders that are there keep their owner, mode, times and attributes. */
  keepFolders?: boolean;
}

const WHITEOUT = new TextEncoder().encode(".wh.");
const OPAQUE = new TextEncoder().encode(".wh..wh..opq");
const YES = new TextEncoder().encode("y");
const FILE_FLAGS = K.O_WRONLY | K.O_CREAT | K.O_EXCL | K.O_NOFOLLOW;

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** Receives a tar archive's entries and makes them below a root. Call {@linkcode finish} at the end, `close` always. */
export class Unpacker implements TarSink {
  /** Bytes of the files so far; a hard link counts nothing. */
  bytes = 0;
  entries = 0;
  private readonly folders: Folders;
  private readonly limits: UnpackLimits;
  private readonly whiteouts: boolean;
  private readonly inUse: boolean;
  private readonly keepFolders: boolean;
  private file = -1;
  private fileEntry: TarEntry | undefined;
  private fileOffset = 0;
  /** The file that is being written is one that is mounted there. */
  private isMounted = false;
  private readonly umask = readUmask();

  /** @param root a descriptor of the folder; it stays the caller's. */
  constructor(private readonly root: number, options: UnpackerOptions = {}) {
    this.folders = new Folders(root);
    this.limits = { ...UNPACK_LIMITS, ...options.limits };
    this.whiteouts = options.whiteouts ?? true;
    this.inUse = options.inUse ?? false;
    this.keepFolders = options.keepFolders ?? false;
  }

  entry(entry: TarEntry): void {
    if (++this.entries > this.limits.entries) throw new MiniError(`it has more than ${this.limits.entries} entries`);
    this.bytes += entry.size;
    if (this.bytes > this.limits.bytes) {
      throw new MiniError(`its files are larger than ${this.limits.bytes} bytes together`);
    }
    const path = cleanPath(entry.path);
    if (path.length === 0) {
      if (entry.type !== "directory") throw new MiniError(`an entry for the root itself is a ${entry.type}`);
      this.folders.setRoot(entry);
      return;
    }
    const slash = path.lastIndexOf(0x2f);
    const name = slash < 0 ? path : path.subarray(slash + 1);
    const parent = this.folders.open(slash < 0 ? path.subarray(0, 0) : path.subarray(0, slash));
    if (this.whiteouts && name[0] === 0x2e && startsWith(name, WHITEOUT)) return this.whiteout(parent, path, name);
    try {
      this.make(entry, path, parent, name);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EEXIST) throw error;
      if (!this.replace(entry, path, parent, name)) return;
      // Descriptors of folders may have been dropped with what was replaced.
      const again = this.folders.open(slash < 0 ? path.subarray(0, 0) : path.subarray(0, slash));
      this.make(entry, path, again, name);
    }
  }

  data(bytes: Uint8Array, offset: number): void {
    if (this.file < 0) return; // a whiteout, or one of AUFS' notes: whatever it holds says nothing
    if (offset !== this.fileOffset) files.lseek(this.file, offset, 0);
    files.writeAll(this.file, bytes);
    this.fileOffset = offset + bytes.length;
  }

  endOfFile(): void {
    const fd = this.file, entry = this.fileEntry;
    if (fd < 0 || entry === undefined) return;
    if (this.fileOffset !== entry.size) files.ftruncate(fd, entry.size); // it ends with a hole
    if (!this.isMounted) this.finishFile(fd, entry);
    files.closeFd(fd);
    this.file = -1;
    this.fileEntry = undefined;
    this.isMounted = false;
  }

  /** Applies what can only be applied at the end: the folders' times. */
  finish(): void {
    this.folders.finish();
  }

  /** Closes every descriptor; for every end, good or bad. */
  close(): void {
    if (this.file >= 0) files.closeFd(this.file);
    this.file = -1;
    this.folders.close();
  }

  private make(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    switch (entry.type) {
      case "file":
        this.file = files.openat(parent, name, FILE_FLAGS, entry.mode & 0o777);
        this.fileEntry = entry;
        this.fileOffset = 0;
        return;
      case "directory":
        return this.folders.make(entry, path, parent, name);
      case "symlink":
        if (entry.linkPath.length === 0) throw new MiniError(`the symbolic link ${shortPath(path)} points nowhere`);
        files.symlinkat(entry.linkPath, parent, name);
        {
          const { uid, gid } = possibleOwner(entry);
          files.fchownat(parent, name, uid, gid, K.AT_SYMLINK_NOFOLLOW);
        }
        break;
      case "hardlink":
        return this.link(entry, path, parent, name);
      case "char":
        return this.makeNode(K.S_IFCHR, entry, path, parent, name);
      case "block":
        return this.makeNode(K.S_IFBLK, entry, path, parent, name);
      case "fifo":
        return this.makeNode(K.S_IFIFO, entry, path, parent, name);
    }
    for (const [attribute, value] of entry.xattrs) {
      setAttribute(attribute, value, (flags) => files.lsetxattrat(parent, name, attribute, value, flags));
    }
    files.utimensat(parent, name, entry.mtime, entry.mtime, K.AT_SYMLINK_NOFOLLOW);
  }

  /** Makes a device or a FIFO, and gives it the rest by a descriptor: by now its name may be that of a link to elsewhere. */
  private makeNode(type: number, entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    if (type !== K.S_IFIFO && !mayMakeDevices()) return;
    const { uid, gid } = possibleOwner(entry);
    files.mknodat(parent, name, type, entry.major, entry.minor);
    const fd = files.openat(parent, name, K.O_PATH | K.O_NOFOLLOW);
    try {
      if ((statAt(fd, "").mode & K.S_IFMT) !== type) throw new MiniError(`${shortPath(path)} was replaced just now`);
      const same = `/proc/self/fd/${fd}`;
      files.fchownat(fd, "", uid, gid, K.AT_EMPTY_PATH);
      files.fchmodat(K.AT_FDCWD, same, entry.mode);
      for (const [attribute, value] of entry.xattrs) {
        setAttribute(attribute, value, (flags) => files.setxattr(same, attribute, value, flags));
      }
      files.utimensat(K.AT_FDCWD, same, entry.mtime, entry.mtime);
    } finally {
      files.closeFd(fd);
    }
  }

  private finishFile(fd: number, entry: TarEntry): void {
    // The owner first: changing it takes setuid bits and capabilities away.
    const { uid, gid } = possibleOwner(entry);
    files.fchown(fd, uid, gid);
    if (entry.mode > 0o777 || (entry.mode & this.umask) !== 0) files.fchmod(fd, entry.mode);
    for (const [attribute, value] of entry.xattrs) {
      setAttribute(attribute, value, (flags) => files.fsetxattr(fd, attribute, value, flags));
    }
    files.utimensat(fd, null, entry.mtime, entry.mtime);
  }

  private link(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): void {
    const target = cleanPath(entry.linkPath);
    if (target.length === 0) throw new MiniError(`the hard link ${shortPath(path)} points to the root itself`);
    const slash = target.lastIndexOf(0x2f);
    let folder: number;
    try {
      // Not through the cache, which might close `parent` to make room.
      folder = slash < 0 ? this.root : files.openInRoot(this.root, target.subarray(0, slash), K.O_PATH | K.O_DIRECTORY);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw new MiniError(
        `the hard link ${shortPath(path)} points to ${shortPath(target)}, which is not there`,
      );
    }
    try {
      files.linkat(folder, target.subarray(slash + 1), parent, name);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno === Errno.EEXIST) throw error;
      if (error.errno === Errno.ENOENT) {
        throw new MiniError(
          `the hard link ${shortPath(path)} points to ${shortPath(target)}, which is not there`,
        );
      }
      if (error.errno === Errno.EPERM) {
        throw new MiniError(`the hard link ${shortPath(path)} points to ${shortPath(target)}, which is a directory`);
      }
      throw error;
    } finally {
      if (folder !== this.root) files.closeFd(folder);
    }
  }

  /** Makes room for an entry whose name is taken by an earlier one. Returns false if there is nothing left to do. */
  private replace(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array): boolean {
    const there = tryStatAt(parent, name);
    if (there === undefined) return true;
    const type = there.mode & K.S_IFMT;
    if (entry.type === "directory" && type === K.S_IFDIR) {
      if (!this.keepFolders) this.folders.change(entry, path, parent, name);
      return false;
    }
    if (entry.type === "hardlink" && isSameFile(this.root, entry, there)) return false;
    if (!this.inUse) removeTreeAt(parent, name);
    else if (!this.removeFile(entry, path, parent, name, there)) return false;
    this.folders.forget(path, type === K.S_IFDIR || type === K.S_IFLNK);
    if (entry.type === "directory" && this.whiteouts && isWhiteout(there)) {
      // A layer that takes a folder away and puts another one in its place: nothing from below may shine through.
      this.folders.makeOpaque(path);
    }
    return true;
  }

  /** Removes what is in the way of an entry. Returns false if the entry's content is to be written into it instead. */
  private removeFile(entry: TarEntry, path: Uint8Array, parent: number, name: Uint8Array, there: FileInfo): boolean {
    const isFolder = (there.mode & K.S_IFMT) === K.S_IFDIR;
    if (isFolder || entry.type === "directory") {
      const is = isFolder ? "a folder" : "not a folder", and = isFolder ? "not one" : "one";
      throw new MiniError(`${shortPath(path)} is ${is} there, and what is copied is ${and}`);
    }
    // To remove the name would unmount it, where the mount is another mount namespace's (vfs_unlink() of fs/namei.c).
    if (!there.isMount) {
      files.unlinkat(parent, name);
      return true;
    }
    if (entry.type !== "file") {
      throw new MiniError(`${shortPath(path)} is mounted there, and only a file's content can be written into it`);
    }
    this.file = openMounted(parent, name, path);
    this.fileEntry = entry;
    this.fileOffset = 0;
    this.isMounted = true;
    return false;
  }

  private whiteout(parent: number, path: Uint8Array, name: Uint8Array): void {
    if (name.length === OPAQUE.length && startsWith(name, OPAQUE)) {
      files.fsetxattr(parent, opaqueAttribute(), YES);
      return;
    }
    if (startsWith(name, OPAQUE.subarray(0, 8))) return; // `.wh..wh.plnk` and the like are AUFS' own notes
    const hidden = name.subarray(WHITEOUT.length);
    if (
      hidden.length === 0 ||
      (hidden[0] === 0x2e && (hidden.length === 1 || (hidden.length === 2 && hidden[1] === 0x2e)))
    ) {
      throw new MiniError(`the whiteout ${shortPath(path)} names no file`);
    }
    try {
      files.mknodat(parent, hidden, K.S_IFCHR, 0, 0);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== Errno.EEXIST) throw error;
      // A whiteout hides what is below, never what its own layer brings, whichever comes first in the archive.
      const there = tryStatAt(parent, hidden);
      if (there !== undefined && (there.mode & K.S_IFMT) === K.S_IFDIR) {
        files.lsetxattrat(parent, hidden, opaqueAttribute(), YES);
      }
    }
  }
}

/** Opens a regular file that is mounted on a name, emptied. */
function openMounted(parent: number, name: Uint8Array, path: Uint8Array): number {
  const fd = files.openat(parent, name, K.O_PATH | K.O_NOFOLLOW);
  try {
    if ((statAt(fd, "").mode & K.S_IFMT) !== K.S_IFREG) {
      throw new MiniError(`${shortPath(path)} is mounted there and is no regular file`);
    }
    return files.openat(K.AT_FDCWD, `/proc/self/fd/${fd}`, K.O_WRONLY | K.O_TRUNC);
  } finally {
    files.closeFd(fd);
  }
}

/** What the kernel takes away from the modes of new files. umask(2) can only be asked by changing it, for all threads. */
function readUmask(): number {
  const field = /^Umask:\s*([0-7]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return field === undefined ? 0o777 : parseInt(field, 8); // unknown: then every file's mode is set
}

function isWhiteout(info: FileInfo): boolean {
  return (info.mode & K.S_IFMT) === K.S_IFCHR && info.rdevMajor === 0 && info.rdevMinor === 0;
}

/** Whether a hard link's name already is that very file. */
function isSameFile(root: number, entry: TarEntry, there: FileInfo): boolean {
  let fd: number;
  try {
    fd = files.openInRoot(root, cleanPath(entry.linkPath), K.O_PATH | K.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof SyscallError) return false; // link() tells what is wrong with it
    throw error;
  }
  try {
    const info = tryStatAt(fd, "");
    return info !== undefined && info.ino === there.ino && info.device === there.device;
  } finally {
    files.closeFd(fd);
  }
}
