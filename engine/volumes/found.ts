/**
 * The mounts of a container that are no plain folder of this host, where the kernel cannot make mounts that are attached
 * nowhere: what they come to is found, and the container's program mounts it by its path, on which it follows no link.
 */
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { open } from "../../ffi/open.ts";
import type { Mount } from "../../runtime/spec.ts";
import { isFilling } from "./fill.ts";
import { kindOf } from "./local.ts";
import { mountOnHost } from "./on_host.ts";
import { finish, locked, needVolume, openSource } from "./provide.ts";
import type { Volumes } from "./store.ts";
import { pathOfFolder, within } from "./subpath.ts";
import type { DecidedMount } from "./types.ts";

const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** Another mount in the place of the one that is written down. */
export type Change = (mount: Mount) => Mount[];

/** Where a mount is found when the container is made, and what is changed of its entry for that. */
export interface Place {
  /** A path on the host with no link in it, if links were followed to it already. */
  readonly path?: string;
  readonly change: Change;
}

/** What `holdVolume` holds, where no mount can be made that is attached nowhere. */
export async function findVolume(
  volumes: Volumes,
  mount: DecidedMount,
  signal?: AbortSignal,
): Promise<Place | undefined> {
  const name = mount.name!, volume = needVolume(volumes, mount), data = volumes.data(name), { subpath } = mount;
  const kind = kindOf(volume);
  if (kind.kind === "folder" && isFilling(data)) await finish(volumes, volume, signal);
  if (kind.kind === "tmpfs" || kind.kind === "filesystem") {
    await locked(volumes, name, signal, () => mountOnHost(volume, kind.filesystem, data));
  }
  const options = kind.kind === "bind" ? kind.options : [];
  if (kind.kind !== "bind" && subpath === undefined) return undefined;
  const folder = kind.kind === "bind" ? openSource(kind.source, volume) : open(data, FOLDER);
  const path = within(folder, pathOfFolder, subpath ?? ".", name);
  return {
    path,
    // Its own options come first: what the container asks for is on top of them.
    change: (mount) => [{
      ...mount,
      source: path,
      options: [...options, ...(mount.options ?? []).filter((o) => options.length === 0 || !/^r?bind$/.test(o))],
    }],
  };
}

/** What `holdBind` holds, likewise: another entry makes the top read-only, once it is mounted. */
export function findBind({ writableBelow }: DecidedMount): Place | undefined {
  if (!writableBelow) return undefined;
  return { change: (mount) => [mount, { destination: mount.destination, type: "bind", options: ["remount", "ro"] }] };
}
