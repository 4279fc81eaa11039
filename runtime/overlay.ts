/** The options of an overlay mount, within the page that mount(2) takes: Documentation/filesystems/overlayfs.rst. */
import { MiniError } from "../ffi/errors.ts";
import type { Rootfs } from "./plan.ts";

/** Layers and the folders of one container. */
export interface Layers {
  /** Absolute paths, the bottom one first. */
  readonly lowers: readonly string[];
  /** Takes the changes; without it the mount is read-only, and `work` is not used. */
  readonly upper?: string;
  readonly work?: string;
  /** An empty folder to mount on, in the container's mount namespace alone. `TARGET.links` beside it may be made. */
  readonly target: string;
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
  if (lowers.length > MOST_LAYERS) {
    throw new MiniError(`the image has ${lowers.length} layers, and overlayfs stacks ${MOST_LAYERS} at most`);
  }
  const write = (path: (folder: string) => string) =>
    [
      // The kernel wants the top one first.
      `lowerdir=${lowers.toReversed().map(path).join(":")}`,
      ...upper !== undefined && work !== undefined ? [`upperdir=${path(upper)}`, `workdir=${path(work)}`] : [],
      ...volatile ? ["volatile"] : [],
    ].join(",");
  const plain = write((folder) => folder);
  const special = [...lowers, upper ?? "", work ?? ""].some((folder) => /[,:\\]/.test(folder));
  if (!special && new TextEncoder().encode(plain).length <= PAGE) {
    return { kind: "overlay", options: plain, relativeTo: "/", target };
  }
  const links = `${target}.links`;
  Deno.mkdirSync(links, { recursive: true, mode: 0o700 });
  let count = 0;
  const options = write((folder) => {
    const name = `${count++}`;
    link(folder, `${links}/${name}`);
    return name;
  });
  return { kind: "overlay", options, relativeTo: links, target };
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
