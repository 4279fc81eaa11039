/** Finds out what is to be mounted into a new container, and makes its volumes. */
import { MiniError } from "../../ffi/errors.ts";
import type { Containers } from "../containers.ts";
import { decideMounts, type VolumesFrom } from "./decide.ts";
import { makeVolumes } from "./provide.ts";
import { removeUnused } from "./remove.ts";
import type { ContainerMount, DecidedMount } from "./types.ts";

/**
 * What is mounted into a container: what flags ask for, the volumes of other containers, and the image's own.
 *
 * @param image the paths of the image's VOLUME lines. @throws {MiniError} with status 125 for what cannot be.
 */
export async function wantedMounts(
  containers: Containers,
  flags: readonly ContainerMount[],
  volumesFrom: readonly VolumesFrom[],
  image: readonly string[],
): Promise<DecidedMount[]> {
  const from = [];
  for (const { container, readonly } of volumesFrom) {
    const { record } = await containers.get(container).catch((error) => {
      if (!(error instanceof MiniError)) throw error;
      throw new MiniError(`--volumes-from ${container}: ${error.message}`, 125);
    });
    from.push({ mounts: record.mounts ?? [], readonly });
  }
  return decideMounts({ flags, from, image });
}

/**
 * Makes and fills the volumes of a container whose record is written.
 *
 * @returns the names of those that were not there before. @throws {MiniError} with none of them left behind.
 */
export async function makeWanted(
  containers: Containers,
  { id, mounts }: { readonly id: string; readonly mounts: readonly DecidedMount[] },
  openImage: () => number,
  signal?: AbortSignal,
): Promise<string[]> {
  const made: string[] = [];
  try {
    await makeVolumes(containers, mounts, openImage, made, signal);
    return made;
  } catch (error) {
    await removeUnused(containers, id, made);
    throw error;
  }
}
