/** How much of the disk containers take, and the removal of those that do not run. */
import { close } from "../ffi/kernel.ts";
import { diskUsage } from "../images/df.ts";
import type { Containers, Found } from "./containers.ts";
import { removeContainer } from "./control.ts";

/** What containers take, in bytes on the disk. */
export interface ContainersUsage {
  readonly count: number;
  readonly running: number;
  readonly total: number;
  /** Of those that do not run. */
  readonly reclaimable: number;
}

/** All containers, each with all that is kept of it; its image's layers are not its own. A note names what cannot be read. */
export async function containersUsage(
  containers: Containers,
  note: (sentence: string) => void,
): Promise<ContainersUsage> {
  const all = (await containers.list(note)).map((found) => ({
    found,
    bytes: diskUsage(containers.folder(found.record.id)),
  }));
  const sum = (some: typeof all) => some.reduce((total, { bytes }) => total + bytes, 0);
  const running = all.filter(({ found }) => found.running);
  const total = sum(all);
  return { count: all.length, running: running.length, total, reclaimable: total - sum(running) };
}

/**
 * Removes every container that does not run and matches.
 *
 * @returns the ids of those removed, and the bytes that they took. @throws {MiniError} when one cannot be removed.
 */
export async function pruneContainers(
  containers: Containers,
  matches: (found: Found) => boolean,
  note: (sentence: string) => void,
): Promise<{ ids: string[]; bytes: number }> {
  const ids: string[] = [];
  let bytes = 0;
  for (const found of await containers.list(note)) {
    if (!isLeft(containers, found) || !matches(found)) continue;
    bytes += diskUsage(containers.folder(found.record.id));
    await removeContainer(containers, found, false);
    ids.push(found.record.id);
  }
  return { ids, bytes };
}

/** Whether it does not run, will not be started again by itself, and is not just being made by another command. */
function isLeft(containers: Containers, { status, record }: Found): boolean {
  if (status === "exited") return true;
  const lock = status === "created" ? containers.take(record.id) : undefined;
  if (lock?.fd !== undefined) close(lock.fd);
  return lock !== undefined;
}
