/**
 * Removes folders that somebody else designed: any depth, any names, any modes, no link followed. Folders inside are
 * moved up before they are emptied, so neither the stack nor the number of open files grows with the depth.
 */
import { AT_FDCWD, AT_REMOVEDIR, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../ffi/constants.ts";
import { Errno, SyscallError } from "../ffi/errors.ts";
import { readDirectory } from "../ffi/file_info.ts";
import { closeFd, openat, type Path, renameat2, unlinkat } from "../ffi/files.ts";

/** Removes the entry `name` of a directory, with all it holds. One that is not there is fine. @throws {SyscallError} */
export function removeTreeAt(dirfd: number, name: Path): void {
  try {
    unlinkat(dirfd, name);
    return;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === Errno.ENOENT) return;
    if (error.errno !== Errno.EISDIR && error.errno !== Errno.EPERM) throw error;
  }
  const root = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    let moved = 0;
    const waiting: string[] = [];
    const empty = (folder: number) => {
      for (const entry of readDirectory(folder)) {
        if (folder === root && waiting.length > 0 && isOurs(entry)) continue;
        try {
          unlinkat(folder, entry);
        } catch (error) {
          if (!(error instanceof SyscallError) || (error.errno !== Errno.EISDIR && error.errno !== Errno.EPERM)) {
            throw error;
          }
          if (tryRemoveEmpty(folder, entry)) continue;
          const to = `${PREFIX}${moved++}`;
          renameat2(folder, entry, root, to);
          waiting.push(to);
        }
      }
    };
    empty(root);
    for (let next; (next = waiting.pop()) !== undefined;) {
      const folder = openat(root, next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      try {
        empty(folder);
      } finally {
        closeFd(folder);
      }
      unlinkat(root, next, AT_REMOVEDIR);
    }
  } finally {
    closeFd(root);
  }
  unlinkat(dirfd, name, AT_REMOVEDIR);
}

/** Removes a file or folder by its absolute path, as {@linkcode removeTreeAt} does. */
export function removeTree(path: string): void {
  removeTreeAt(AT_FDCWD, path);
}

// A name of 40 random digits: none that an image could hold by foresight, and none that an earlier attempt has left.
const PREFIX = `.rm-${crypto.randomUUID()}-`;
const PREFIX_BYTES = new TextEncoder().encode(PREFIX);
function isOurs(name: Uint8Array): boolean {
  return name.length > PREFIX_BYTES.length && PREFIX_BYTES.every((byte, i) => name[i] === byte);
}

function tryRemoveEmpty(dirfd: number, name: Path): boolean {
  try {
    unlinkat(dirfd, name, AT_REMOVEDIR);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOTEMPTY) return false;
    throw error;
  }
}
