/** A folder or file in a volume, which a container's program may have put a link in the way of. */
import { AT_EMPTY_PATH, AT_RECURSIVE, O_PATH, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { openBelow } from "../../ffi/open.ts";

/** @throws {MiniError} for a path that is not one inside the volume. */
export function checkSubpath(path: string, what: string): void {
  if (path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")) {
    throw new MiniError(
      `${what}: volume-subpath=${path} must be a path inside the volume, without a slash in front and without ..`,
    );
  }
}

/**
 * The mount of what is at a path below a folder, attached nowhere; the descriptor is the caller's to close. Links on the way
 * are followed by the kernel as if the folder were the root.
 *
 * @throws {MiniError} when there is nothing.
 */
export function subpathMount(folder: number, path: string, volume: string): number {
  let fd: number;
  try {
    fd = openBelow(folder, path, O_PATH);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const missing = error.errno === Errno.ENOENT || error.errno === Errno.ENOTDIR;
    throw new MiniError(
      missing ? `there is no ${path} in the volume ${volume}` : `${path} in the volume ${volume}: ${error.message}`,
    );
  }
  try {
    return syscall("open_tree", fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === Errno.EPERM) {
      throw new MiniError(`a path in the volume ${volume} can be mounted by root only: run mini with sudo`);
    }
    if (error.errno !== Errno.EINVAL) throw error;
    throw new MiniError(
      `a path in the volume ${volume} can be mounted from Linux 6.15 on, because it is a file system of its own`,
    );
  } finally {
    close(fd);
  }
}
