/** Opens the files of a container that does not run: its layers and its changes, with its volumes in them. */
import { hasDetachedMounts } from "../../ffi/available.ts";
import { isThere } from "../../ffi/is_there.ts";
import { CLONE_NEWNS, O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { fallback } from "../../ffi/fallback.ts";
import { statAt } from "../../ffi/file_info.ts";
import { Errno } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { takeOpened } from "../../ffi/take.ts";
import { Store } from "../../images/store.ts";
import { overlayRootfs } from "../../runtime/overlay.ts";
import { type HeldSource, isBind } from "../../runtime/plan_mounts.ts";
import { ROOT } from "../../runtime/plan_paths.ts";
import type { PlainRootfs } from "../../runtime/plan_root.ts";
import { NAMESPACE, planView, SCRATCH_UPPER, SCRATCH_WORK } from "../../runtime/plan_view.ts";
import type { Mount, Spec } from "../../runtime/spec.ts";
import { type Containers, NoSuchContainer } from "../containers.ts";
import { specOf } from "../mounts.ts";
import type { ContainerRecord } from "../record.ts";
import type { Held } from "../volumes/hold.ts";
import type { DecidedMount } from "../volumes/types.ts";
import { linksFor } from "../view.ts";
import type { Inside, Purpose } from "./inside.ts";

/**
 * Opens the files of a container. To be written, it is locked until they are closed: nobody starts it meanwhile.
 *
 * @throws {Busy} when another command is at work on it.
 */
export async function openStopped(
  containers: Containers,
  record: ContainerRecord,
  purpose: Purpose,
): Promise<Inside> {
  const { id } = record;
  const lock = purpose === "write" ? containers.lock(id) : undefined;
  const unlock = () => lock === undefined || containers.settle(id, lock);
  let volumes: Volumes | undefined;
  try {
    const spec = specOf(containers, record);
    if (!spec) throw new NoSuchContainer(record.name);
    volumes = await openVolumes(containers, record);
    const { mounts, sources } = mountsOf(spec, volumes);
    const { rootfs, scratch } = rootfsOf(containers, record, purpose);
    const instead = await fallback();
    const view = takeOpened(
      (sync) =>
        planView({
          rootfs,
          scratch,
          mounts,
          sources,
          facts: { isDirectory: (source) => Deno.statSync(source).isDirectory, cgroup2: false },
          readonly: spec.root.readonly ?? false,
          sync,
        }),
      [ROOT, NAMESPACE],
      { flags: CLONE_NEWNS, pass: [...sources.values()].filter((source) => typeof source === "number") },
      ["mount", Errno.EINVAL],
      instead,
    );
    return {
      root: view[0]!,
      check() {},
      close() {
        view.forEach(close);
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  } finally {
    // What is attached in the view stays.
    if (hasDetachedMounts()) volumes?.held.close();
    else await volumes?.held.release(purpose === "write");
  }
}

/** The volumes of a container that are no folders of this host, mounted; undefined, and nothing loaded, for one without any. */
interface Volumes {
  readonly held: Held;
  /** Where one in memory would be that no container has at this time: what is copied there would be lost. */
  readonly absent: readonly string[];
}

async function openVolumes(containers: Containers, record: ContainerRecord): Promise<Volumes | undefined> {
  if (!record.mounts?.length) return undefined;
  const [{ holdMounts }, { kindOf }, { Volumes }] = await Promise.all([
    import("../volumes/hold.ts"),
    import("../volumes/local.ts"),
    import("../volumes/store.ts"),
  ]);
  const volumes = new Volumes(containers.root), absent: string[] = [];
  const isWanted = ({ type, name, source, destination }: DecidedMount) => {
    if (type === "bind") return isThere(source!);
    const volume = type === "volume" ? volumes.get(name!) : undefined;
    if (volume === undefined || kindOf(volume).kind !== "tmpfs") return volume !== undefined;
    if (!isMounted(volumes.data(name!))) absent.push(destination);
    return false;
  };
  return { held: await holdMounts(containers, { ...record, mounts: record.mounts.filter(isWanted) }), absent };
}

function isMounted(folder: string): boolean {
  const fd = open(folder, O_PATH | O_DIRECTORY);
  try {
    return statAt(fd, "").isMount;
  } finally {
    close(fd);
  }
}

/** What is mounted of the host, so far as it is there, with its files' ids as they are; and what of it is open already. */
function mountsOf(spec: Spec, volumes: Volumes | undefined): { mounts: Mount[]; sources: Map<number, HeldSource> } {
  const sources = new Map<number, HeldSource>(), mounts: Mount[] = [];
  for (const mount of (volumes?.held.applyTo(spec) ?? spec).mounts ?? []) {
    if (!isBind(mount)) continue;
    if (mount.source === undefined) {
      mounts.push(mount); // other options for the one before it
      continue;
    }
    const source = volumes?.held.sources.get(mount.source);
    if (source !== undefined) sources.set(mounts.length, source);
    else if (!isThere(mount.source)) continue;
    const { uidMappings: _uids, gidMappings: _gids, options = [], ...rest } = mount;
    const kept = options.filter((option) => !/^r?idmap$/.test(option));
    mounts.push({ ...rest, options: volumes?.absent.includes(mount.destination) ? [...kept, "ro"] : kept });
  }
  return { mounts, sources };
}

function rootfsOf(
  containers: Containers,
  record: ContainerRecord,
  purpose: Purpose,
): { rootfs: PlainRootfs; scratch: boolean } {
  if (record.layers.length === 0) return { rootfs: { kind: "directory", path: record.image }, scratch: false };
  const store = new Store(containers.root), folder = containers.folder(record.id), target = `${folder}/merged`;
  const layers = record.layers.map((diffID) => store.layers.path(diffID)), upper = `${folder}/upper`;
  if (purpose === "write") {
    return { rootfs: overlayRootfs({ lowers: layers, upper, work: `${folder}/work`, target }), scratch: false };
  }
  // Its own changes are a layer like the others: nothing is written to them, not even the folders that volumes need.
  const lowers = [...layers, upper], links = linksFor(target, upper);
  return { rootfs: overlayRootfs({ lowers, upper: SCRATCH_UPPER, work: SCRATCH_WORK, target, links }), scratch: true };
}
