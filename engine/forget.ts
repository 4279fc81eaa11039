/** The end of a container's record. */
import { MiniError } from "../ffi/errors.ts";
import type { Containers } from "./containers.ts";
import type { ContainerRecord } from "./record.ts";

/**
 * Removes all of a container, and the volumes that were made for it: those without a name, and `more`, where nothing else uses
 * them. Whoever calls this has its lock.
 *
 * @param note is told when volumes stay, because it cannot be known what uses them.
 */
export async function forgetWithVolumes(
  containers: Containers,
  record: Pick<ContainerRecord, "id" | "name" | "mounts">,
  note: (sentence: string) => void,
  more: readonly string[] = [],
): Promise<void> {
  const names = [...more, ...(record.mounts ?? []).flatMap((mount) => mount.anonymous ? mount.name! : [])];
  if (names.length > 0) {
    // First: after a crash in between, whoever removes the container removes what is left.
    try {
      await (await import("./volumes/remove.ts")).removeUnused(containers, record.id, names);
    } catch (error) {
      if (!(error instanceof MiniError)) throw error;
      note(error.message);
    }
  }
  containers.forget(record.id, containers.nameOf(record.id) ?? record.name);
}
