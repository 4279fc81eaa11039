/** How much of the disk volumes take. */
import { diskUsage } from "../../images/df.ts";
import { kindOf } from "./local.ts";
import { Volumes } from "./store.ts";
import type { Volume } from "./types.ts";
import { volumeUsers } from "./use.ts";

/** What volumes take, in bytes on the disk. */
export interface VolumesUsage {
  readonly count: number;
  /** Those that a container uses. */
  readonly active: number;
  readonly total: number;
  /** Of those that none uses. */
  readonly reclaimable: number;
}

/** What one volume takes. */
export interface VolumeSize {
  readonly volume: Volume;
  readonly mountpoint: string;
  /** On the disk. */
  readonly bytes: number;
  /** How many containers use it. */
  readonly users: number;
}

/** Every volume; what is kept elsewhere, on another machine or in memory, takes nothing. A note names what cannot be read. */
export function volumeSizes(root: string, note: (sentence: string) => void): VolumeSize[] {
  const volumes = new Volumes(root), users = volumeUsers(root, note);
  return volumes.list(note).map((volume) => {
    const mountpoint = volumes.data(volume.name);
    const bytes = kindOf(volume).kind === "folder" ? diskUsage(mountpoint) : 0;
    return { volume, mountpoint, bytes, users: users.get(volume.name)?.length ?? 0 };
  });
}

/** All of them together. */
export function volumesUsage(root: string, note: (sentence: string) => void): VolumesUsage {
  let count = 0, active = 0, total = 0, reclaimable = 0;
  for (const { bytes, users } of volumeSizes(root, note)) {
    count++;
    if (users > 0) active++;
    else reclaimable += bytes;
    total += bytes;
  }
  return { count, active, total, reclaimable };
}
