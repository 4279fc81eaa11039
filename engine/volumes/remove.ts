/** The removal of volumes: by name, of those that nothing uses, and of those that were a container's own. */
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { diskUsage } from "../../images/df.ts";
import type { Containers } from "../containers.ts";
import { emit } from "../events.ts";
import { unmountFromHost } from "./on_host.ts";
import { NoSuchVolume, Volumes } from "./store.ts";
import type { Volume } from "./types.ts";
import { certainUsers, volumeUsers } from "./use.ts";

/**
 * Removes a volume with all that it holds.
 *
 * @throws {NoSuchVolume} @throws {MiniError} naming the containers that use it.
 */
export async function removeVolume(containers: Containers, name: string): Promise<void> {
  const volumes = new Volumes(containers.root);
  const lock = await volumes.lock(name);
  if (lock === undefined) throw new NoSuchVolume(name);
  try {
    const users = certainUsers(containers.root).get(name) ?? [];
    if (users.length > 0) {
      const names = users.map((user) => `${user.name} (${user.id.slice(0, 12)})`).join(", ");
      throw new MiniError(
        `volume ${name} is used by ${users.length > 1 ? "the containers" : "container"} ${names}; remove ${
          users.length > 1 ? "them" : "it"
        } first with 'mini rm'`,
      );
    }
    remove(containers, name);
  } finally {
    close(lock);
  }
}

/** The caller has its lock, and nothing uses it. */
function remove({ root, state }: Containers, name: string): void {
  const volumes = new Volumes(root), driver = volumes.get(name)?.driver ?? "";
  unmountFromHost(volumes.data(name));
  volumes.remove(name);
  emit(state, { type: "volume", action: "destroy", id: name, attributes: { driver } });
}

/**
 * Removes every volume that no container uses and that matches.
 *
 * @param note is told of each that cannot be read, and of a container that may use any: then all stay. @returns the names of those removed, and the bytes that they took.
 */
export async function pruneVolumes(
  containers: Containers,
  matches: (volume: Volume) => boolean,
  note: (sentence: string) => void,
): Promise<{ names: string[]; bytes: number }> {
  const volumes = new Volumes(containers.root), names: string[] = [];
  let bytes = 0;
  volumes.sweep();
  let unsure = false;
  volumeUsers(containers.root, (sentence) => {
    unsure = true;
    note(`no volume can be removed, because ${sentence}`);
  });
  if (unsure) return { names, bytes };
  for (const volume of volumes.list(note)) {
    if (!matches(volume)) continue;
    const lock = await volumes.lock(volume.name);
    if (lock === undefined) continue;
    try {
      if (certainUsers(containers.root).has(volume.name)) continue;
      bytes += diskUsage(volumes.data(volume.name));
      remove(containers, volume.name);
      names.push(volume.name);
    } finally {
      close(lock);
    }
  }
  return { names, bytes };
}

/**
 * Removes those of the volumes that no container uses but the one with that id.
 *
 * @throws {MiniError} when it cannot be known what is used; the volumes stay then.
 */
export async function removeUnused(containers: Containers, id: string, names: readonly string[]): Promise<void> {
  const volumes = new Volumes(containers.root);
  for (const name of new Set(names)) {
    const lock = await volumes.lock(name);
    if (lock === undefined) continue;
    try {
      if ((certainUsers(containers.root).get(name) ?? []).every((user) => user.id === id)) remove(containers, name);
    } finally {
      close(lock);
    }
  }
}
