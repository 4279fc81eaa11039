/** A folder or file in a volume, which a container's program may have put a link in the way of. */
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  CLONE_NEWNS,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { openInRoot } from "../../ffi/files.ts";
import { planSubpath } from "../../runtime/plan_view.ts";
import { takeRoot } from "../view.ts";

/** @throws {MiniError} for a path that is not one inside the volume. */
export function checkSubpath(path: string, what: string): void {
  if (path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")) {
    throw new MiniError(
      `${what}: volume-subpath=${path} must be a path inside the volume, without a slash in front and without ..`,
    );
  }
}

/**
 * The mount of what is at a path below a folder of this host, attached nowhere; the descriptor is the caller's to close.
 * Links on the way are followed by the kernel as if the folder were the root.
 *
 * @throws {MiniError} when there is nothing.
 */
export function subpathOfFolder(folder: number, path: string, volume: string): number {
  return explained(path, volume, () => {
    const fd = openInRoot(folder, path, O_PATH);
    try {
      return syscall("open_tree", fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
    } finally {
      close(fd);
    }
  });
}

/**
 * The path on this host of what is at a path below a folder, with no link in it.
 *
 * @throws {MiniError} when there is nothing.
 */
export function pathOfFolder(folder: number, path: string, volume: string): string {
  return explained(path, volume, () => {
    const fd = openInRoot(folder, path, O_PATH);
    try {
      return Deno.readLinkSync(`/proc/self/fd/${fd}`);
    } finally {
      close(fd);
    }
  });
}

/** The same as a mount, below the root of a mount that is attached nowhere. */
export function subpathOfMount(mount: number, path: string, volume: string): number {
  return explained(path, volume, () => {
    const place = openInRoot(mount, path, O_PATH);
    try {
      return takeRoot((sync) => planSubpath(mount, place, sync), { flags: CLONE_NEWNS, pass: [mount, place] });
    } finally {
      close(place);
    }
  });
}

/** What is at a path in a folder or in a mount, which is closed. */
export function within<T>(
  whole: number,
  find: (whole: number, subpath: string, volume: string) => T,
  subpath: string,
  volume: string,
): T {
  try {
    return find(whole, subpath, volume);
  } finally {
    close(whole);
  }
}

function explained<T>(path: string, volume: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    switch (error.errno) {
      case Errno.ENOENT:
      case Errno.ENOTDIR:
        throw new MiniError(`there is no ${path} in the volume ${volume}`);
      case Errno.EPERM:
        throw new MiniError(`a path in the volume ${volume} can be mounted by root only: run mini with sudo`);
    }
    throw new MiniError(`${path} in the volume ${volume} cannot be mounted: ${error.message}`);
  }
}
