/** What is mounted into a new container: flags, other containers' volumes and the image's, each place once. */
import { MiniError } from "../../ffi/errors.ts";
import { checkMount } from "../../runtime/spec_check.ts";
import type { Mount } from "../../runtime/spec.ts";
import { randomId } from "../names.ts";
import type { ContainerMount, DecidedMount } from "./types.ts";
import { readDestination } from "./volume_flag.ts";

/** An image that wants more than this is up to no good: each is a folder and a mount. */
const MOST_IMAGE_VOLUMES = 200;

/** `--volumes-from CONTAINER[:ro|:rw]` as people write it. */
export interface VolumesFrom {
  /** All of it, as it was written. */
  readonly given: string;
  readonly container: string;
  readonly readonly: boolean;
}

/** @throws {MiniError} */
export function readVolumesFrom(text: string): VolumesFrom {
  const colon = text.indexOf(":"), container = colon < 0 ? text : text.slice(0, colon);
  const modes = colon < 0 ? [] : text.slice(colon + 1).split(",");
  if (container === "" || modes.some((mode) => mode !== "ro" && mode !== "rw") || modes.length > 1) {
    throw new MiniError(`--volumes-from ${JSON.stringify(text)} is not CONTAINER, CONTAINER:ro or CONTAINER:rw`);
  }
  return { given: text, container, readonly: modes[0] === "ro" };
}

/** All that wants to be mounted. */
export interface Wanted {
  /** Of `-v`, `--mount` and `--tmpfs`. */
  readonly flags: readonly ContainerMount[];
  /** The mounts of other containers, in the order of the command line. */
  readonly from: readonly { readonly mounts: readonly DecidedMount[]; readonly readonly: boolean }[];
  /** The paths of the image's VOLUME lines. */
  readonly image: readonly string[];
}

/**
 * Decides: a flag goes before --volumes-from, a later one of those before an earlier one, and the image's own come last, as in
 * Docker. Volumes without a name get one.
 *
 * @throws {MiniError} for two flags with one place, and for a place where nothing can be mounted.
 */
export function decideMounts({ flags, from, image }: Wanted): DecidedMount[] {
  const twice = flags.find(({ destination }, i) => flags.findIndex((m) => m.destination === destination) !== i);
  if (twice) throw new MiniError(`two volumes are to be mounted on ${twice.destination}`);
  const decided = new Map<string, DecidedMount>();
  for (const { mounts, readonly } of from) {
    for (const mount of mounts) {
      // What is in memory alone is the other container's own.
      if (mount.type !== "tmpfs") decided.set(mount.destination, borrow(mount, readonly));
    }
  }
  for (const mount of flags) decided.set(mount.destination, named(mount));
  for (const destination of imageVolumes(image)) {
    if (decided.has(destination)) continue;
    decided.set(destination, named({ type: "volume", destination, readonly: false, options: ["rbind"], by: "image" }));
  }
  for (const { destination, type } of decided.values()) checkMount({ destination, type });
  return [...decided.values()];
}

/** A volume without a name is one of this container's own. */
function named(mount: ContainerMount): DecidedMount {
  if (mount.type !== "volume") return { ...mount, type: mount.type };
  return mount.name === undefined ? { ...mount, name: randomId(), anonymous: true } : { ...mount, name: mount.name };
}

/** The same mount for another container: it may be able to write less, not more. */
function borrow(mount: DecidedMount, readonly: boolean): DecidedMount {
  const { mode: _, createSource: __, driver: ___, driverOptions: ____, labels: _____, ...rest } = mount;
  return {
    ...rest as DecidedMount,
    by: "volumes-from",
    readonly: mount.readonly || readonly,
    options: readonly && !mount.readonly ? [...mount.options, "rro"] : mount.options,
  };
}

function imageVolumes(paths: readonly string[]): string[] {
  if (paths.length > MOST_IMAGE_VOLUMES) {
    throw new MiniError(`the image wants ${paths.length} volumes, and ${MOST_IMAGE_VOLUMES} are the most`);
  }
  return [...new Set(paths.map((path) => readDestination(path, `the image's volume ${JSON.stringify(path)}`)))];
}

/** The entry of the OCI specification for a mount. @param data where the folder of a volume is. */
export function specMount(mount: DecidedMount, data: (volume: string) => string): Mount {
  const { destination, type } = mount, options = [...mount.options];
  switch (type) {
    case "tmpfs":
      return { destination, type, source: "tmpfs", options };
    case "bind":
      return { destination, type, source: mount.source!, options };
    case "volume":
      // With options or a path in it a volume has another mount, which takes this one's place (provide.ts).
      return { destination, type: "bind", source: data(mount.name!), options };
  }
}
