/** What a container has changed of its image, read from its upper folder. */
import * as K from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { type FileInfo, readDirectory, statAt } from "../ffi/file_info.ts";
import { closeFd, openInRoot } from "../ffi/files.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { joinBytes } from "../images/tree_walk.ts";
import { Store } from "../images/store.ts";
import type { Containers } from "./containers.ts";
import type { ContainerRecord } from "./record.ts";
import { openView } from "./view.ts";

/**
 * What is mounted into every container. Where an image has no such folder or file, an empty one is made in the container to
 * mount on, which is no change of the container's: Docker makes them in a layer of their own.
 */
const OUR_PLACES = ["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"];
const OUR_PARENTS = ["etc"];

const NO_LINKS = K.RESOLVE_BENEATH | K.RESOLVE_NO_SYMLINKS | K.RESOLVE_NO_MAGICLINKS;
const decoder = new TextDecoder();

/** A container's changes and what is below them, open; disposing closes both. */
export class Changes implements Disposable {
  private constructor(readonly upper: number, private readonly lower: number) {}

  /** @throws {MiniError} for a container without an image: what it changes is changed in its folder itself. */
  static open(containers: Containers, { id, name, image, layers }: ContainerRecord): Changes {
    if (layers.length === 0) {
      throw new MiniError(
        `container ${name} has no image but the folder ${image}, which holds its changes with all else`,
      );
    }
    const folder = containers.folder(id), store = new Store(containers.root);
    const lower = openView({ layers: layers.map((diffID) => store.layers.path(diffID)), target: `${folder}/merged` });
    try {
      return new Changes(open(`${folder}/upper`, K.O_RDONLY | K.O_DIRECTORY), lower);
    } catch (error) {
      close(lower);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    close(this.upper);
    close(this.lower);
  }

  /** Does something with what the image has at a path, or gives undefined where it has nothing. */
  below<T>(path: Uint8Array, look: (fd: number, info: FileInfo) => T): T | undefined {
    let fd: number;
    try {
      fd = openInRoot(this.lower, path.length === 0 ? "." : path, K.O_PATH | K.O_NOFOLLOW, 0, NO_LINKS);
    } catch (error) {
      // Nothing; or a link or a file where the container has a folder now.
      const none = error instanceof SyscallError && [Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP].includes(error.errno);
      if (none) return undefined;
      throw error;
    }
    try {
      return look(fd, statAt(fd, ""));
    } finally {
      closeFd(fd);
    }
  }

  /** The names of what the image has in a folder, and the container's folder in its place has not. */
  goneFrom(path: Uint8Array): Uint8Array[] {
    const isFolder = (info: FileInfo) => (info.mode & K.S_IFMT) === K.S_IFDIR;
    const before = this.below(path, (fd, info) => isFolder(info) ? readDirectory(fd) : []) ?? [];
    const folder = openInRoot(this.upper, path, K.O_PATH | K.O_DIRECTORY, 0, NO_LINKS);
    try {
      const now = new Set(readDirectory(folder).map((name) => name.join()));
      return before.filter((name) => !now.has(name.join()));
    } finally {
      closeFd(folder);
    }
  }

  /** Whether a folder's time tells nothing, because of what we have made in it. */
  static isOurParent(path: Uint8Array): boolean {
    return OUR_PARENTS.includes(decoder.decode(path));
  }

  /** Whether an entry of the upper folder is there only because something is mounted on it. */
  isOurs(fd: number, info: FileInfo, path: Uint8Array): boolean {
    const text = decoder.decode(path), type = info.mode & K.S_IFMT;
    const isPlace = OUR_PLACES.includes(text), isParent = OUR_PARENTS.includes(text);
    if (!isPlace && !isParent || this.below(path, () => true)) return false;
    if (type !== K.S_IFDIR) return isPlace && type === K.S_IFREG && info.size === 0;
    return readDirectory(fd).every((name) => {
      if (isPlace) return false;
      const child = openInRoot(fd, name, K.O_PATH | K.O_NOFOLLOW, 0, NO_LINKS);
      try {
        return this.isOurs(child, statAt(child, ""), joinBytes(path, name));
      } finally {
        closeFd(child);
      }
    });
  }
}
