/**
 * Fills an empty volume with what an image has at the place where it is mounted first: owners, modes, times, attributes, hard
 * links, devices and all. Reading and writing are those of layers: below descriptors, no link is followed out of either side.
 *
 * The content is made beside the volume's own, in `.mini-fill/content`. When it is whole and on the disk it is renamed to
 * `.mini-fill/complete`, and from then on whoever comes moves what is still in it into the volume. So at any instant there is
 * nothing in the volume, or all that is missing is found and moved before the volume is used again.
 */
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { type FileInfo, readDirectory, statAt, tryStatAt, xattrsAt } from "../../ffi/file_info.ts";
import * as files from "../../ffi/files.ts";
import { waitingSyscall } from "../../ffi/kernel.ts";
import { explainFullDisk } from "../../images/file_lock.ts";
import { removeTreeAt } from "../../images/remove_tree.ts";
import { TarReader, type TarSink } from "../../images/tar.ts";
import { writeTree } from "../../images/tar_tree.ts";
import { Unpacker } from "../../images/unpack.ts";
import { isRefusedAttribute, setAttribute } from "../../images/unpack_xattr.ts";

const FOLDER = ".mini-fill", CONTENT = "content", COMPLETE = "complete";
/** What an empty volume may hold: our own folder, and the one that every ext4 has. */
const NOTHING = [FOLDER, "lost+found"];
const OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
const RENAME_NOREPLACE = 1;
/** Pieces of the tree between two moments in which signals can come in. */
const PIECES_AT_ONCE = 64;

/** The volume that is filled, as descriptors. The caller has its lock, so that nobody else fills it. */
export interface Target {
  /** What containers see. */
  readonly data: number;
  /** Where the content is made, on the same file system: beside it, or itself where that is the root of a file system. */
  readonly beside: number;
}

/** Whether an interrupted command left something beside this folder of a volume. */
export function isFilling(data: string): boolean {
  return tryStatAt(AT_FDCWD, `${data}/../${FOLDER}`) !== undefined;
}

/** Brings what an interrupted command began to its end, if it had come far enough, and removes it otherwise. */
export function finishFilling({ data, beside }: Target): void {
  const folder = tryOpen(beside, FOLDER);
  if (folder === undefined) return;
  try {
    // In a file system that containers see somebody else may have made it.
    if (!isOurs(folder)) return;
    const complete = tryOpen(folder, COMPLETE);
    if (complete !== undefined) {
      try {
        moveInto(data, complete);
      } finally {
        files.closeFd(complete);
      }
    }
  } finally {
    files.closeFd(folder);
  }
  removeTreeAt(beside, FOLDER);
}

/** Moves entries where there are none of that name; a container that runs may have made some meanwhile. */
function moveInto(data: number, complete: number): void {
  const info = statAt(complete, ""); // moving changes its time
  for (const name of readDirectory(complete)) {
    try {
      files.renameat2(complete, name, data, name, RENAME_NOREPLACE);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      // Some file systems, NFS among them, cannot rename only where there is nothing.
      const cannot = error.errno === Errno.EINVAL && tryStatAt(data, name) === undefined;
      if (cannot) files.renameat2(complete, name, data, name);
      else if (error.errno !== Errno.EEXIST && error.errno !== Errno.EINVAL) throw error;
    }
  }
  copyAttributes(complete, data, info);
}

/** Whether there is nothing in a volume. */
export function isEmpty(data: number): boolean {
  const nothing = NOTHING.map((name) => new TextEncoder().encode(name).join());
  return readDirectory(data).every((name) => nothing.includes(name.join()));
}

/**
 * Fills a volume, if it is empty and the image has a folder there.
 *
 * @param root the root of the image's files. @param path where in it: absolute.
 * @throws {MiniError} when it cannot be filled; it is empty then.
 */
export async function fill(target: Target, root: number, path: string, signal?: AbortSignal): Promise<void> {
  finishFilling(target);
  if (!isEmpty(target.data)) return;
  let source: number;
  try {
    source = files.openInRoot(root, path.slice(1), O_RDONLY | O_DIRECTORY);
  } catch (error) {
    const missing = error instanceof SyscallError && [Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP].includes(error.errno);
    if (missing) return; // the mount itself tells what is wrong with a path that is no folder
    throw error;
  }
  try {
    if (readDirectory(source).length === 0) copyAttributes(source, target.data);
    else await copy(source, target, signal);
  } catch (error) {
    throw explain(error, path);
  } finally {
    files.closeFd(source);
  }
}

async function copy(source: number, target: Target, signal: AbortSignal | undefined): Promise<void> {
  files.mkdirat(target.beside, FOLDER, 0o700);
  const folder = files.openat(target.beside, FOLDER, OPEN_FOLDER);
  try {
    if (!isOurs(folder)) {
      throw new MiniError("its file system gives what root makes to another user, as NFS servers do");
    }
    files.mkdirat(folder, CONTENT, 0o755);
    const content = files.openat(folder, CONTENT, OPEN_FOLDER);
    try {
      await copyTree(source, content, signal);
      files.syncfs(content);
      files.renameat2(folder, CONTENT, folder, COMPLETE);
      files.fsync(folder);
    } finally {
      files.closeFd(content);
    }
  } catch (error) {
    removeTreeAt(target.beside, FOLDER);
    throw error;
  } finally {
    files.closeFd(folder);
  }
  finishFilling(target);
}

/** Copies a tree as an archive that is unpacked at once: the one way here in which trees are read and written. */
async function copyTree(from: number, to: number, signal: AbortSignal | undefined): Promise<void> {
  const unpacker = new Unpacker(to, { whiteouts: false });
  try {
    const reader = new TarReader(withoutWhiteouts(unpacker), "the image's folder");
    let pieces = 0;
    await writeTree(from, (bytes) => {
      reader.write(bytes);
      if (signal === undefined || ++pieces % PIECES_AT_ONCE !== 0) return;
      return waitingSyscall("getpid").then(() => signal.throwIfAborted());
    });
    reader.end();
    unpacker.finish();
  } finally {
    unpacker.close();
  }
}

/** A lone layer is read as it is, with the devices 0:0 that overlayfs would not show. */
function withoutWhiteouts(sink: TarSink): TarSink {
  return {
    entry: (entry) => {
      if (entry.type !== "char" || entry.major !== 0 || entry.minor !== 0) sink.entry(entry);
    },
    data: (bytes, offset) => sink.data(bytes, offset),
    endOfFile: () => sink.endOfFile(),
  };
}

/** Gives a folder the owner, mode, attributes and times of another one. */
function copyAttributes(from: number, to: number, { uid, gid, mode, mtime }: FileInfo = statAt(from, "")): void {
  files.fchown(to, uid, gid);
  files.fchmod(to, mode & 0o7777);
  for (const [name, value] of xattrsAt(from, ".")) {
    if (!isRefusedAttribute(name)) setAttribute(name, value, (flags) => files.fsetxattr(to, name, value, flags));
  }
  files.utimensat(to, null, mtime, mtime);
}

function tryOpen(folder: number, name: string): number | undefined {
  const info = tryStatAt(folder, name);
  if (info === undefined || (info.mode & S_IFMT) !== S_IFDIR) return undefined;
  return files.openat(folder, name, OPEN_FOLDER);
}

/** Whether a folder is one that only root can have made. */
function isOurs(folder: number): boolean {
  const { uid, mode } = statAt(folder, "");
  return uid === Deno.uid() && (mode & 0o777) === 0o700;
}

function explain(error: unknown, path: string): unknown {
  const full = explainFullDisk(error, "the volume");
  if (full instanceof MiniError || full instanceof SyscallError) {
    return new MiniError(
      `a volume cannot be filled with the image's ${path}: ${full.message}; with nocopy it stays empty`,
      undefined,
      { cause: error },
    );
  }
  return error;
}
