/** Makes sure that what a container mounts is there: once when it is made, and each time that it is started. */
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
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open, openBelow } from "../../ffi/open.ts";
import { parseMountOptions } from "../../runtime/mount_options.ts";
import type { Spec } from "../../runtime/spec.ts";
import type { Containers } from "../containers.ts";
import { emit } from "../events.ts";
import type { ContainerRecord } from "../record.ts";
import { fill, finishFilling, isFilling, type Target } from "./fill.ts";
import { type Kind, kindOf, mountFilesystem } from "./local.ts";
import { Volumes } from "./store.ts";
import { subpathMount } from "./subpath.ts";
import { mountTmpfs, releaseTmpfs } from "./tmpfs.ts";
import type { DecidedMount, Volume, VolumeOptions } from "./types.ts";

const FOLDER = O_RDONLY | O_DIRECTORY;

/**
 * Makes the volumes of a container that are missing, and fills those that are empty from its image. Its record is written
 * already, so that nobody removes them meanwhile.
 *
 * @param openImage a descriptor of the root of the image's files, which is closed here.
 * @returns the names of the volumes that were made; if it throws, `made` has those made so far.
 * @throws {MiniError} when a volume cannot be made or filled.
 */
export async function makeVolumes(
  containers: Containers,
  mounts: readonly DecidedMount[],
  openImage: () => number,
  made: string[],
  signal?: AbortSignal,
): Promise<void> {
  const volumes = new Volumes(containers.root);
  let image: number | undefined;
  try {
    for (const mount of mounts) {
      if (mount.type !== "volume") continue;
      const name = mount.name!;
      if (mount.by === "volumes-from") {
        volumes.need(name);
        continue;
      }
      const result = makeVolume(containers, name, mount);
      if (result.made) made.push(name);
      const kind = kindOf(result.volume);
      // A tmpfs is empty whenever it is mounted first, so that nothing could stay in it; and what a path in it needs is there.
      if (mount.noCopy || mount.subpath !== undefined || kind.kind === "tmpfs") continue;
      await locked(volumes, name, signal, async () => {
        const target = await openTarget(volumes, result.volume, kind);
        try {
          await fill(target, image ??= openImage(), mount.destination, signal);
        } finally {
          for (const fd of new Set([target.data, target.beside])) close(fd);
        }
      });
    }
  } finally {
    if (image !== undefined) close(image);
  }
}

/** Makes a volume, unless it is there, and tells of it. @throws {MiniError} as `Volumes.make`. */
export function makeVolume(
  { root, state }: Containers,
  name: string,
  options: VolumeOptions,
): { volume: Volume; made: boolean } {
  const result = new Volumes(root).make(name, options);
  if (result.made) {
    emit(state, { type: "volume", action: "create", id: name, attributes: { driver: result.volume.driver } });
  }
  return result;
}

/** Does something under a volume's lock. @throws {MiniError} when the volume is gone. */
async function locked<T>(
  volumes: Volumes,
  name: string,
  signal: AbortSignal | undefined,
  body: () => Promise<T> | T,
): Promise<T> {
  const lock = await volumes.lock(name, signal);
  if (lock === undefined) throw new MiniError(`the volume ${name} was removed meanwhile`);
  try {
    return await body();
  } finally {
    close(lock);
  }
}

/** The folders of a volume, to be filled. */
async function openTarget(volumes: Volumes, volume: Volume, kind: Kind): Promise<Target> {
  if (kind.kind === "folder" || kind.kind === "tmpfs") {
    const data = volumes.data(volume.name);
    const beside = open(`${data}/..`, FOLDER);
    try {
      return { beside, data: open(data, FOLDER | O_NOFOLLOW) };
    } catch (error) {
      close(beside);
      throw error;
    }
  }
  if (kind.kind === "bind") {
    const data = openSource(kind.source, volume);
    return { data, beside: data };
  }
  const mount = await mountFilesystem(kind.filesystem, volume.name);
  try {
    // What is open in it keeps it.
    const data = openBelow(mount, ".", FOLDER);
    return { data, beside: data };
  } finally {
    close(mount);
  }
}

/** The folder that a volume stands for. @throws {MiniError} when there is none. */
function openSource(source: string, volume: Volume): number {
  try {
    return open(source, FOLDER);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new MiniError(
      error.errno === Errno.ENOENT
        ? `there is no ${source} on this host, which the volume ${volume.name} stands for`
        : `the volume ${volume.name} stands for ${source}, which is no folder that can be opened: ${error.message}`,
    );
  }
}

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
      if (isFilling(data)) {
        await locked(volumes, name, signal, async () => {
          const target = await openTarget(volumes, volume, kind);
          try {
            finishFilling(target);
          } finally {
            for (const fd of [target.data, target.beside]) close(fd);
          }
        });
      }
      break;
    case "tmpfs":
      await locked(volumes, name, signal, () => mountTmpfs(volume, kind.filesystem, data));
      break;
    case "bind":
      return mountBind(volume, kind, mount.subpath);
    case "filesystem": {
      const fd = await mountFilesystem(kind.filesystem, name);
      return mount.subpath === undefined ? fd : within(fd, mount.subpath, name);
    }
  }
  return mount.subpath === undefined ? undefined : within(open(data, FOLDER | O_NOFOLLOW), mount.subpath, name);
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

/** The mount of a path in a folder, which is closed. */
function within(folder: number, subpath: string, volume: string): number {
  try {
    return subpathMount(folder, subpath, volume);
  } finally {
    close(folder);
  }
}

/** The mount of a folder of the host with the volume's own options. */
function mountBind(volume: Volume, { source, options }: Kind & { kind: "bind" }, subpath: string | undefined): number {
  const { set, clear, setBelow, clearBelow, recursive } = parseMountOptions(options, volume.name);
  const folder = openSource(source, volume);
  let fd: number;
  if (subpath !== undefined) fd = within(folder, subpath, volume.name);
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
