/** The mounts of a container that are no plain folder of this host, made before it is, attached nowhere. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MOUNT_ATTR_RDONLY,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../../ffi/constants.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { parseMountOptions } from "../../runtime/mount_options.ts";
import { isFilling } from "./fill.ts";
import { type Kind, kindOf, mountFilesystem } from "./local.ts";
import { mountOnHost } from "./on_host.ts";
import { finish, locked, needVolume, openSource } from "./provide.ts";
import type { Volumes } from "./store.ts";
import { subpathOfFolder, subpathOfMount, within } from "./subpath.ts";
import type { DecidedMount, Volume } from "./types.ts";

const FOLDER = O_RDONLY | O_DIRECTORY;

/** The mount of a volume; undefined if it is the folder that the specification names. */
export async function holdVolume(
  volumes: Volumes,
  mount: DecidedMount,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const name = mount.name!, volume = needVolume(volumes, mount), data = volumes.data(name);
  const kind = kindOf(volume);
  switch (kind.kind) {
    case "folder":
      if (isFilling(data)) await finish(volumes, volume, signal);
      break;
    case "tmpfs":
      await locked(volumes, name, signal, () => mountOnHost(volume, kind.filesystem, data));
      break;
    case "bind":
      return mountBind(volume, kind, mount.subpath);
    case "filesystem": {
      const fd = await mountFilesystem(kind.filesystem, name);
      return mount.subpath === undefined ? fd : within(fd, subpathOfMount, mount.subpath, name);
    }
  }
  return mount.subpath === undefined
    ? undefined
    : within(open(data, FOLDER | O_NOFOLLOW), subpathOfFolder, mount.subpath, name);
}

/**
 * The mount of a folder of the host of which only the top is read-only; undefined for any other. What the specification says
 * of a mount is for those below it as well.
 */
export function holdBind({ source, writableBelow }: DecidedMount): number | undefined {
  if (!writableBelow) return undefined;
  const fd = syscall("open_tree", AT_FDCWD, source!, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  try {
    setAttributes(fd, 0, MOUNT_ATTR_RDONLY, 0);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** mount_setattr(2). @param flag 0 or AT_RECURSIVE. */
function setAttributes(fd: number, flag: number, set: number, clear: number): void {
  if (set === 0 && clear === 0) return;
  const words = new BigUint64Array([BigInt(set), BigInt(clear), 0n, 0n]);
  syscall("mount_setattr", fd, "", AT_EMPTY_PATH | flag, words, 32);
}

/** The mount of a folder of the host with the volume's own options. */
function mountBind(volume: Volume, { source, options }: Kind & { kind: "bind" }, subpath: string | undefined): number {
  const { set, clear, setBelow, clearBelow, recursive } = parseMountOptions(options, volume.name);
  const folder = openSource(source, volume);
  let fd: number;
  if (subpath !== undefined) fd = within(folder, subpathOfFolder, subpath, volume.name);
  else {
    try {
      const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
      fd = syscall("open_tree", folder, "", flags);
    } finally {
      close(folder);
    }
  }
  try {
    setAttributes(fd, AT_RECURSIVE, setBelow, clearBelow);
    setAttributes(fd, recursive ? AT_RECURSIVE : 0, set, clear);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
