/** What a container's mounts need each time that it is started: folders of the host that are missing, and mounts to attach. */
import { hasDetachedMounts } from "../../ffi/available.ts";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import type { HeldSource } from "../../runtime/plan_mounts.ts";
import type { Spec } from "../../runtime/spec.ts";
import type { Containers } from "../containers.ts";
import type { ContainerRecord } from "../record.ts";
import { holdBind, holdVolume } from "./detached.ts";
import { type Change, findBind, findVolume } from "./found.ts";
import { releaseFromHost } from "./on_host.ts";
import { Volumes } from "./store.ts";
import type { DecidedMount } from "./types.ts";

/** What has to be open while a container is started. */
export interface Held {
  /** What was looked up already, by the source that `applyTo` names it by: mounts that are attached nowhere, or paths. */
  readonly sources: ReadonlyMap<string, HeldSource>;
  /** The specification with these instead of what was written down when the container was made. */
  applyTo(spec: Spec): Spec;
  /** Closes them; what the container has attached stays. Again, it does nothing. */
  close(): void;
  /** The same, and nothing stays mounted for the container on the host. @param ended false if it may be about to be started. */
  release(ended?: boolean): Promise<void>;
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
  const volumes = new Volumes(containers.root), opened: number[] = [];
  const sources = new Map<string, HeldSource>(), changes = new Map<string, Change>();
  const closeAll = () => opened.splice(0).forEach(close);
  const release = async (ended?: boolean) => {
    closeAll();
    await releaseFromHost(containers, record, ended);
  };
  const detached = hasDetachedMounts();
  try {
    for (const mount of record.mounts ?? []) {
      if (mount.type === "bind" && mount.createSource) makeFolder(mount.source!);
      if (!detached) {
        refuseShared(mount);
        const place = mount.type === "volume" ? await findVolume(volumes, mount, signal) : findBind(mount);
        if (place?.path !== undefined) sources.set(place.path, place.path);
        if (place !== undefined) changes.set(mount.destination, place.change);
        continue;
      }
      const fd = mount.type === "volume" ? await holdVolume(volumes, mount, signal) : holdBind(mount);
      if (fd === undefined) continue;
      const source = `/proc/self/fd/${fd}`;
      opened.push(fd);
      sources.set(source, fd);
      changes.set(mount.destination, (mount) => [{ ...mount, source }]);
    }
    return {
      sources,
      applyTo: (spec) => ({
        ...spec,
        mounts: (spec.mounts ?? []).flatMap((mount) => changes.get(mount.destination)?.(mount) ?? [mount]),
      }),
      close: closeAll,
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The program makes all mounts slaves of the host's before it copies any. */
function refuseShared({ options, source, destination }: DecidedMount): void {
  const shared = options.find((option) => option === "shared" || option === "rshared");
  if (shared === undefined) return;
  throw new MiniError(
    `${source} on ${destination} cannot be ${shared} with the host: that takes open_tree (Linux 5.2), which is missing here`,
  );
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
