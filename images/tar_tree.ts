/**
 * A folder tree as a tar archive, exactly: names by their bytes, owners, modes, times, attributes, hard links, devices,
 * holes. The order is that of the names' bytes, so the same tree gives the same archive. Sockets are left out: no archive
 * can hold them. Links are archived as links; none is followed, whatever changes in the tree meanwhile.
 */
import * as K from "../ffi/constants.ts";
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { type FileInfo, readDirectory, readlinkAt, statAt, xattrsAt } from "../ffi/file_info.ts";
import { closeFd, lseek, openInRoot, pread, SEEK_DATA, SEEK_HOLE } from "../ffi/files.ts";
import { TAR_END, type TarHeader, tarHeader, tarPadding } from "./tar_write.ts";
import { shortPath } from "./unpack_path.ts";
import { isRefusedAttribute } from "./unpack_xattr.ts";

/** Takes pieces of an archive; a piece is valid only until the promise is settled. */
export type Output = (bytes: Uint8Array) => void | Promise<void>;

/** A file with more bytes of holes than this is written as one with holes (GNU's PAX form 1.0). */
const WORTHWHILE_HOLES = 1024 * 1024;
const BUFFER_BYTES = 256 * 1024;
const NO_LINKS = K.RESOLVE_BENEATH | K.RESOLVE_NO_SYMLINKS | K.RESOLVE_NO_MAGICLINKS;
const ENXIO = 6;
const encoder = new TextEncoder();

/**
 * Writes the tree below the open folder `root` to `output`, the end mark included.
 *
 * @throws {SyscallError} if something cannot be read; MiniError if a file shrinks while it is read.
 */
export async function writeTree(root: number, output: Output): Promise<void> {
  const linked = new Map<string, Uint8Array>();
  const buffer = new Uint8Array(BUFFER_BYTES);
  // Folders still to be written, the next one last.
  const waiting: Uint8Array[] = [new Uint8Array()];
  for (let path; (path = waiting.pop()) !== undefined;) {
    const folder = openInRoot(root, path.length === 0 ? "." : path, K.O_RDONLY | K.O_DIRECTORY, 0, NO_LINKS);
    try {
      await output(
        tarHeader(headerOf(folder, "", path.length === 0 ? encoder.encode("./") : join(path, ""), statAt(folder, ""))),
      );
      const below: Uint8Array[] = [];
      for (const name of readDirectory(folder)) {
        const info = statAt(folder, name), full = join(path, name);
        const type = info.mode & K.S_IFMT;
        if (type === K.S_IFDIR) below.push(full);
        else if (type !== K.S_IFSOCK) await writeEntry(folder, name, full, info, linked, buffer, output);
      }
      waiting.push(...below.reverse());
    } finally {
      closeFd(folder);
    }
  }
  await output(TAR_END);
}

async function writeEntry(
  folder: number,
  name: Uint8Array,
  path: Uint8Array,
  info: FileInfo,
  linked: Map<string, Uint8Array>,
  buffer: Uint8Array,
  output: Output,
): Promise<void> {
  if (info.nlink > 1) {
    const key = `${info.device} ${info.ino}`;
    const first = linked.get(key);
    if (first !== undefined) {
      await output(
        tarHeader({ ...headerOf(folder, name, path, info), type: "hardlink", linkPath: first, size: 0, xattrs: [] }),
      );
      return;
    }
    linked.set(key, path);
  }
  const header = headerOf(folder, name, path, info);
  if (header.type !== "file") {
    await output(tarHeader(header));
    return;
  }
  const fd = openInRoot(folder, name, K.O_RDONLY | K.O_NOFOLLOW | K.O_NONBLOCK, 0, NO_LINKS);
  try {
    // What was a file a moment ago may be a FIFO now; its size is that of the file that was really opened.
    const now = statAt(fd, "");
    if ((now.mode & K.S_IFMT) !== K.S_IFREG) throw new MiniError(`${shortPath(path)} changed while it was read`);
    await writeContent(fd, { ...header, size: now.size }, path, now, buffer, output);
  } finally {
    closeFd(fd);
  }
}

function headerOf(folder: number, name: Uint8Array | string, path: Uint8Array, info: FileInfo): TarHeader {
  const type = typeOf(info);
  const own = name.length === 0 ? "." : name;
  return {
    type,
    path,
    mode: info.mode & 0o7777,
    uid: info.uid,
    gid: info.gid,
    mtime: info.mtime,
    ...(type === "file" && { size: info.size }),
    ...(type === "symlink" && { linkPath: readlinkAt(folder, name) }),
    ...((type === "char" || type === "block") && { major: info.rdevMajor, minor: info.rdevMinor }),
    xattrs: xattrsAt(folder, own).filter(([attribute]) => !isRefusedAttribute(attribute)),
  };
}

function typeOf({ mode }: FileInfo): TarHeader["type"] {
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

async function writeContent(
  fd: number,
  header: TarHeader,
  path: Uint8Array,
  info: FileInfo,
  buffer: Uint8Array,
  output: Output,
): Promise<void> {
  const hasHoles = info.size - info.diskBytes > WORTHWHILE_HOLES;
  const pieces = hasHoles ? findPieces(fd, info.size) : [[0, info.size] as const];
  let stored = pieces.reduce((sum, [, length]) => sum + length, 0);
  if (hasHoles) {
    const map = encoder.encode([pieces.length, ...pieces.flat()].join("\n") + "\n");
    const records = [["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", path], [
      "GNU.sparse.realsize",
      `${info.size}`,
    ]] as const;
    stored += map.length + tarPadding(map.length).length;
    await output(tarHeader({ ...header, path: "GNUSparseFile.0/entry", size: stored, records }));
    await output(map);
    await output(tarPadding(map.length));
  } else {
    await output(tarHeader(header));
  }
  for (const [offset, length] of pieces) {
    for (let done = 0; done < length;) {
      const count = pread(fd, buffer.subarray(0, Math.min(buffer.length, length - done)), offset + done);
      if (count === 0) throw new MiniError(`${shortPath(path)} shrank while it was read`);
      await output(buffer.subarray(0, count));
      done += count;
    }
  }
  await output(tarPadding(stored));
}

/** Where a file has content: offset and length of each piece. An empty piece at the end tells the size, as GNU tar does. */
function findPieces(fd: number, size: number): (readonly [offset: number, length: number])[] {
  const pieces: (readonly [number, number])[] = [];
  for (let at = 0; at < size;) {
    let start: number;
    try {
      start = lseek(fd, at, SEEK_DATA);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === ENXIO) break; // a hole up to the end
      throw error;
    }
    const end = Math.min(lseek(fd, start, SEEK_HOLE), size);
    pieces.push([start, end - start]);
    at = end;
  }
  return [...pieces, [size, 0]];
}

function join(folder: Uint8Array, name: Uint8Array | string): Uint8Array {
  const bytes = typeof name === "string" ? encoder.encode(name) : name;
  if (folder.length === 0) return bytes;
  const path = new Uint8Array(folder.length + 1 + bytes.length);
  path.set(folder);
  path[folder.length] = 0x2f;
  path.set(bytes, folder.length + 1);
  return path;
}
