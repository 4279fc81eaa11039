/** The options of an overlay mount, within the page that mount(2) takes: Documentation/filesystems/overlayfs.rst. */
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { permittedCapabilities } from "./capabilities.ts";
import type { IdmappedOverlay, Rootfs } from "./plan_root.ts";
import type { IdMapping } from "./spec.ts";

/** Layers and the folders of one container. */
export interface Layers {
  /** Absolute paths, the bottom one first. */
  readonly lowers: readonly string[];
  /** Takes the changes; without it the mount is read-only, and `work` is not used. */
  readonly upper?: string;
  readonly work?: string;
  /** An empty folder to mount on, in the container's mount namespace alone. */
  readonly target: string;
  /** A folder that may be made for links to the layers; `TARGET.links` without it. Each order of layers has its own. */
  readonly links?: string;
  /** The container's changes need not survive a power loss, because the container does not: nothing is synced at its end. */
  readonly volatile?: boolean;
}

/** The kernel's limit on the options of one mount, less the final NUL. */
const PAGE = 4095;
/** The kernel's OVL_MAX_STACK. */
const MOST_LAYERS = 500;

/**
 * The root filesystem of a container. Paths stand in the options as they are where they fit; otherwise (many layers, or a
 * path with a comma, colon or backslash, which the options give a meaning) a folder of short links to them is made, and the
 * links stand there. Descriptors below /proc/self/fd would not do: overlayfs wants its layers from the mount namespace that
 * it is mounted in, which does not exist yet.
 *
 * @throws {MiniError} for more layers than overlayfs takes. @throws {Deno.errors} when the links cannot be made.
 */
export function overlayRootfs(layers: Layers): Extract<Rootfs, { kind: "overlay" }> {
  const { lowers, upper, work, target, volatile } = layers;
  checkNumber(lowers);
  const write = (path: (folder: string) => string) =>
    [
      // The kernel wants the top one first.
      `lowerdir=${lowers.toReversed().map(path).join(":")}`,
      ...upper !== undefined && work !== undefined ? [`upperdir=${path(upper)}`, `workdir=${path(work)}`] : [],
      ...volatile ? ["volatile"] : [],
      // In a user namespace the attributes of overlayfs itself are those that an ordinary user may write.
      ...ownNamespace() ? ["userxattr"] : [],
    ].join(",");
  const plain = write((folder) => folder);
  const special = [...lowers, upper ?? "", work ?? ""].some((folder) => /[,:\\]/.test(folder));
  if (!special && new TextEncoder().encode(plain).length <= PAGE) {
    return { kind: "overlay", options: plain, relativeTo: "/", target };
  }
  const links = layers.links ?? `${target}.links`;
  Deno.mkdirSync(links, { recursive: true, mode: 0o700 });
  let count = 0;
  const options = write((folder) => {
    const name = `${count++}`;
    link(folder, `${links}/${name}`);
    return name;
  });
  return { kind: "overlay", options, relativeTo: links, target };
}

function checkNumber(lowers: readonly string[]): void {
  if (lowers.length > MOST_LAYERS) {
    throw new MiniError(`the image has ${lowers.length} layers, and overlayfs stacks ${MOST_LAYERS} at most`);
  }
}

/** The id of the host that id 0 of a user namespace is; undefined if it has none. */
const hostRoot = (mappings: readonly IdMapping[]) => mappings.find((m) => m.containerID === 0)?.hostID;

/**
 * The root filesystem of a container in a user namespace, whose layers and changes have the ids that they have inside of it.
 *
 * @throws {MiniError} for more layers than overlayfs takes, and for a user namespace without a root.
 */
export function idmappedRootfs(
  layers: Layers,
  uidMappings: readonly IdMapping[],
  gidMappings: readonly IdMapping[],
): IdmappedOverlay {
  const { lowers, upper, work, target, volatile } = layers;
  checkNumber(lowers);
  const uid = hostRoot(uidMappings), gid = hostRoot(gidMappings);
  if (uid === undefined || gid === undefined) {
    throw new MiniError(
      "a container's user namespace needs a user and a group 0, to whom the files in its root belong",
    );
  }
  const split = (path: string) =>
    [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)] as const;
  const [folder = "", upperName = ""] = split(upper ?? ""), [workFolder, workName = ""] = split(work ?? "");
  if (folder !== workFolder) throw new Error("overlay: upper and work are not in the same folder");
  return {
    kind: "idmapped overlay",
    lowers,
    ...upper === undefined ? {} : { changes: { folder, upper: upperName, work: workName } },
    volatile: volatile ?? false,
    target,
    owner: { uid, gid },
    capabilities: permittedCapabilities(),
  };
}

/** Makes a symbolic link, in place of one that an earlier look at the same container has left. */
function link(to: string, path: string): void {
  try {
    Deno.symlinkSync(to, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (Deno.readLinkSync(path) === to) return;
    Deno.removeSync(path);
    Deno.symlinkSync(to, path);
  }
}
