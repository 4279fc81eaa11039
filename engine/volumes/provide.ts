/** The volumes of a new container: made where they are missing, and filled where they are empty. */
import { hasDetachedMounts } from "../../ffi/available.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { openInRoot } from "../../ffi/files.ts";
import { open } from "../../ffi/open.ts";
import type { Containers } from "../containers.ts";
import { emit } from "../events.ts";
import { fill, finishFilling, type Target } from "./fill.ts";
import { type Filesystem, type Kind, kindOf, mountFilesystem } from "./local.ts";
import { mountOnHost, unmountFromHost } from "./on_host.ts";
import { Volumes } from "./store.ts";
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
          closeTarget(target);
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
export async function locked<T>(
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

/** A volume that is open to be filled. */
interface Opened extends Target {
  /** Where it was mounted for that on the host. */
  readonly mounted?: string;
}

/** The folders of a volume, to be filled. */
async function openTarget(volumes: Volumes, volume: Volume, kind: Kind): Promise<Opened> {
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
  if (!hasDetachedMounts()) return await openMounted(volumes.data(volume.name), volume, kind.filesystem);
  const mount = await mountFilesystem(kind.filesystem, volume.name);
  try {
    // What is open in it keeps it.
    const data = openInRoot(mount, ".", FOLDER);
    return { data, beside: data };
  } finally {
    close(mount);
  }
}

/** The same of a file system that is mounted on its folder, until then if nobody else has mounted it. */
async function openMounted(folder: string, volume: Volume, filesystem: Filesystem): Promise<Opened> {
  const isNew = await mountOnHost(volume, filesystem, folder);
  try {
    const data = open(folder, FOLDER | O_NOFOLLOW);
    return { data, beside: data, ...isNew ? { mounted: folder } : {} };
  } catch (error) {
    if (isNew) unmountFromHost(folder);
    throw error;
  }
}

function closeTarget({ data, beside, mounted }: Opened): void {
  new Set([data, beside]).forEach((fd) => close(fd));
  if (mounted !== undefined) unmountFromHost(mounted);
}

/** Brings to its end what an interrupted command began to fill. */
export async function finish(volumes: Volumes, volume: Volume, signal?: AbortSignal): Promise<void> {
  await locked(volumes, volume.name, signal, async () => {
    const target = await openTarget(volumes, volume, kindOf(volume));
    try {
      finishFilling(target);
    } finally {
      closeTarget(target);
    }
  });
}

/** The volume of a mount. @throws {MiniError} when there is none any more. */
export function needVolume(volumes: Volumes, { name, destination }: DecidedMount): Volume {
  const volume = volumes.get(name!);
  if (!volume) throw new MiniError(`the volume ${name}, which is to be mounted on ${destination}, is gone`);
  return volume;
}

/** The folder that a volume stands for. @throws {MiniError} when there is none. */
export function openSource(source: string, volume: Volume): number {
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
