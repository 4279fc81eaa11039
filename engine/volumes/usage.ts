/** How much of the disk volumes take. */
import { diskUsage } from "../../images/df.ts";
import { kindOf } from "./local.ts";
import { Volumes } from "./store.ts";
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

/** All volumes; what is kept elsewhere, on another machine or in memory, takes nothing. A note names what cannot be read. */
export function volumesUsage(root: string, note: (sentence: string) => void): VolumesUsage {
  const volumes = new Volumes(root), users = volumeUsers(root, note);
  let count = 0, active = 0, total = 0, reclaimable = 0;
  for (const volume of volumes.list(note)) {
    const bytes = kindOf(volume).kind === "folder" ? diskUsage(volumes.data(volume.name)) : 0;
    const isUsed = users.has(volume.name);
    count++;
    if (isUsed) active++;
    else reclaimable += bytes;
    total += bytes;
  }
  return { count, active, total, reclaimable };
}
