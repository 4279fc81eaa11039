/** The options of an overlay mount, within the page that mount(2) takes: Documentation/filesystems/overlayfs.rst. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import type { Rootfs } from "./plan.ts";

/** Layers and the folders of one container. */
export interface Layers {
  /** Absolute paths, the bottom one first. */
  readonly lowers: readonly string[];
  /** Takes the changes; without it the mount is read-only, and `work` is not used. */
  readonly upper?: string;
  readonly work?: string;
  /** An empty folder to mount on, in the container's mount namespace alone. */
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
 * path with a comma, colon or backslash, which the options give a meaning) every folder is opened and stands there as its
 * descriptor's number below /proc/self/fd.
 *
 * @returns the root, and the descriptors that must be passed to the program (the caller's to close).
 * @throws {MiniError} for more layers than overlayfs takes. @throws {SyscallError} when a folder cannot be opened.
 */
export function overlayRootfs(layers: Layers): { rootfs: Rootfs; descriptors: number[] } {
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
    return { rootfs: { kind: "overlay", options: plain, relativeTo: "/", target }, descriptors: [] };
  }
  const descriptors: number[] = [];
  try {
    const options = write((folder) => {
      const fd = syscall("openat", AT_FDCWD, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
      descriptors.push(fd);
      return `${fd}`;
    });
    return { rootfs: { kind: "overlay", options, relativeTo: "/proc/self/fd", target }, descriptors };
  } catch (error) {
    descriptors.forEach(close);
    throw error;
  }
}
