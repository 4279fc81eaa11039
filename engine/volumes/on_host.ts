/**
 * Volumes that are mounted on their folder on the host, as long as a container that uses them runs: those in memory, which
 * containers share, and where no mount can be made that is attached nowhere, every file system of a volume's own. Nothing
 * counts the containers: which ones run is known, and whoever ends or clears up the last one unmounts it.
 */
import { hasDetachedMounts } from "../../ffi/available.ts";
import { AT_FDCWD, MNT_DETACH, MOVE_MOUNT_F_EMPTY_PATH } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import type { Containers } from "../containers.ts";
import type { ContainerRecord } from "../record.ts";
import { type Filesystem, kindOf, mountAt, mountFilesystem } from "./local.ts";
import { Volumes } from "./store.ts";
import type { Volume } from "./types.ts";
import { volumeUsers } from "./use.ts";

const UMOUNT_NOFOLLOW = 8;

/** Whether a file system is mounted on a folder: it is on another device than the folder above. */
function isMounted(folder: string): boolean {
  return Deno.lstatSync(folder).dev !== Deno.lstatSync(`${folder}/..`).dev;
}

/**
 * Mounts a volume on its folder, if it is not there yet. The caller has its lock.
 *
 * @returns whether it was not. @throws {MiniError}
 */
export async function mountOnHost(volume: Volume, filesystem: Filesystem, data: string): Promise<boolean> {
  if (isMounted(data)) return false;
  if (!hasDetachedMounts()) {
    await mountAt(filesystem, volume.name, data);
    return true;
  }
  const fd = await mountFilesystem(filesystem, volume.name);
  try {
    syscall("move_mount", fd, "", AT_FDCWD, data, MOVE_MOUNT_F_EMPTY_PATH);
    return true;
  } finally {
    close(fd);
  }
}

/** Unmounts it, if it is there. The caller has its lock. @throws {SyscallError} */
export function unmountFromHost(data: string): void {
  if (!isMounted(data)) return;
  const result = trySyscall("umount2", data, MNT_DETACH | UMOUNT_NOFOLLOW);
  if (result < 0 && result !== -Errno.EINVAL) throw new SyscallError("umount2", -result, data);
}

/**
 * Unmounts the volumes of a container that has ended, those apart that others use now or are about to use.
 *
 * @param ended false for one that may be about to be started.
 */
export async function releaseFromHost(containers: Containers, record: ContainerRecord, ended = true): Promise<void> {
  const volumes = new Volumes(containers.root);
  for (const name of new Set((record.mounts ?? []).flatMap((mount) => mount.name ?? []))) {
    const volume = volumes.get(name);
    if (!volume || !["tmpfs", "filesystem"].includes(kindOf(volume).kind)) continue;
    const lock = await volumes.lock(name);
    if (lock === undefined) continue;
    try {
      // Where a record cannot be read it stays until the next one ends.
      let isKnown = true;
      const users = volumeUsers(containers.root, () => isKnown = false).get(name) ?? [];
      if (isKnown && users.every((user) => ended && user.id === record.id || !isHeld(containers, user.id))) {
        unmountFromHost(volumes.data(name));
      }
    } finally {
      close(lock);
    }
  }
}

/** Whether a container runs, or is being started or ended: somebody has its lock. */
function isHeld(containers: Containers, id: string): boolean {
  const lock = containers.take(id);
  if (lock?.fd !== undefined) close(lock.fd);
  return lock === undefined;
}
