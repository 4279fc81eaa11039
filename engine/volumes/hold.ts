/** What a container's mounts need each time that it is started: folders of the host that are missing, and mounts to attach. */
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
import { MiniError } from "../../ffi/errors.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { parseMountOptions } from "../../runtime/mount_options.ts";
import type { Spec } from "../../runtime/spec.ts";
import type { Containers } from "../containers.ts";
import type { ContainerRecord } from "../record.ts";
import { isFilling } from "./fill.ts";
import { type Kind, kindOf, mountFilesystem } from "./local.ts";
import { finish, locked, openSource } from "./provide.ts";
import { Volumes } from "./store.ts";
import { subpathOfFolder, subpathOfMount } from "./subpath.ts";
import { mountTmpfs, releaseTmpfs } from "./tmpfs.ts";
import type { DecidedMount, Volume } from "./types.ts";

const FOLDER = O_RDONLY | O_DIRECTORY;

/** What has to be open while a container is started. */
export interface Held {
  /** Mounts that are attached nowhere, by the source that `applyTo` names them by. */
  readonly sources: ReadonlyMap<string, number>;
  /** The specification with these instead of what was written down when the container was made. */
  applyTo(spec: Spec): Spec;
  /** Closes them; what the container has attached stays. Again, it does nothing. */
  close(): void;
  /** The same, and nothing stays mounted for the container on the host. */
  release(): Promise<void>;
}

/**
 * Prepares the mounts of a container that is about to be started: makes missing folders of the host, and mounts what is no
 * folder of this host.
 *
 * @throws {MiniError} when something is not there, or cannot be mounted. Nothing stays open then.
 */
export async function holdMounts(
  containers: Containers,
  record: ContainerRecord,
  signal?: AbortSignal,
): Promise<Held> {
  const volumes = new Volumes(containers.root), held = new Map<string, number>();
  const closeAll = () => {
    held.forEach((fd) => close(fd));
    held.clear();
  };
  const release = async () => {
    closeAll();
    await releaseTmpfs(containers, record);
  };
  try {
    for (const mount of record.mounts ?? []) {
      if (mount.type === "bind" && mount.createSource) makeFolder(mount.source!);
      const fd = mount.type === "volume" ? await holdVolume(volumes, mount, signal) : holdBind(mount);
      if (fd !== undefined) held.set(mount.destination, fd);
    }
    const source = (fd: number) => `/proc/self/fd/${fd}`;
    const places = new Map(Array.from(held, ([destination, fd]) => [destination, source(fd)]));
    return {
      sources: new Map(Array.from(held.values(), (fd) => [source(fd), fd])),
      applyTo: (spec) => ({
        ...spec,
        mounts: (spec.mounts ?? []).map((mount) => {
          const source = places.get(mount.destination);
          return source === undefined ? mount : { ...mount, source };
        }),
      }),
      close: closeAll,
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The mount of a volume; undefined if it is the folder that the specification names. */
async function holdVolume(volumes: Volumes, mount: DecidedMount, signal?: AbortSignal): Promise<number | undefined> {
  const name = mount.name!, volume = volumes.get(name), data = volumes.data(name);
  if (!volume) throw new MiniError(`the volume ${name}, which is to be mounted on ${mount.destination}, is gone`);
  const kind = kindOf(volume);
  switch (kind.kind) {
    case "folder":
      if (isFilling(data)) await finish(volumes, volume, signal);
      break;
    case "tmpfs":
      await locked(volumes, name, signal, () => mountTmpfs(volume, kind.filesystem, data));
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
function holdBind({ source, writableBelow }: DecidedMount): number | undefined {
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

/** The mount of a path in a folder or in a mount, which is closed. */
function within(whole: number, mountOf: typeof subpathOfFolder, subpath: string, volume: string): number {
  try {
    return mountOf(whole, subpath, volume);
  } finally {
    close(whole);
  }
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

const statOf = (path: string) => {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new MiniError(`cannot look at ${path} to mount it: ${(error as Error).message}`, undefined, { cause: error });
  }
};

/** Makes a folder of the host that `-v` names and that is not there, as Docker does: of root's, for all to look into. */
function makeFolder(path: string): void {
  if (statOf(path)) return;
  const before = Deno.umask(0o022);
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new MiniError(
      `there is no ${path} on this host, and it cannot be made to mount it into the container: ${
        (error as Error).message
      }`,
      undefined,
      { cause: error },
    );
  } finally {
    Deno.umask(before);
  }
}
