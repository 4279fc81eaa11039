/** `mini diff`: what a container has added, changed and deleted, path by path. */
import * as K from "../ffi/constants.ts";
import { compareBytes, type FileInfo, xattrsOf } from "../ffi/file_info.ts";
import { isOpaque, UpperFolder } from "../images/layer_write.ts";
import { joinBytes, type TreeEntry, type TreeSink, walkTree } from "../images/tree_walk.ts";
import { isRefusedAttribute } from "../images/unpack_xattr.ts";
import { Changes } from "./changes.ts";
import type { Containers, Found } from "./containers.ts";

/** Added, changed, deleted. */
export type Kind = "A" | "C" | "D";

export interface FileChange {
  readonly kind: Kind;
  /** Absolute, by its bytes. */
  readonly path: Uint8Array;
}

/**
 * The changes of a container, in the order of their paths. Of a folder that is deleted only the folder is told; a folder in
 * which something has changed has changed itself.
 *
 * @throws {MiniError} for a container without an image.
 */
export async function containerChanges(containers: Containers, { record }: Found): Promise<FileChange[]> {
  using changes = Changes.open(containers, record);
  const found = new Map<string, FileChange>(), upper = new UpperFolder();
  let opaque: Uint8Array | undefined;
  const add = (kind: Kind, path: Uint8Array) => {
    found.set(path.join(), { kind, path: absolute(path) });
    // What it lies in has changed with it, even a folder that looks as it did.
    for (let slash = path.lastIndexOf(0x2f); slash > 0; slash = path.lastIndexOf(0x2f, slash - 1)) {
      const parent = path.slice(0, slash);
      if (!found.has(parent.join())) found.set(parent.join(), { kind: "C", path: absolute(parent) });
    }
  };
  const sink: TreeSink = {
    entry(entry) {
      const path = entry.path.slice();
      if (path.length === 0) return;
      if (upper.changeOf(entry) === "removed") {
        if (changes.below(path, () => true)) add("D", path);
        return;
      }
      const isSame = changes.below(path, (fd, info) => isUntouched(entry, fd, info));
      if (isSame === undefined) add("A", path);
      else if (!isSame) add("C", path);
      // Of an opaque folder nothing of the image's shows, nor of those below it.
      if (opaque && !isBelow(path, opaque)) opaque = undefined;
      if (isOpaque(entry)) opaque ??= path;
      if (!opaque || entry.type !== "directory") return;
      for (const name of changes.goneFrom(path)) add("D", joinBytes(path, name));
    },
  };
  await walkTree(changes.upper, sink, { leaveOut: (fd, info, path) => changes.isOurs(fd, info, path) });
  return [...found.values()].sort((a, b) => compareBytes(a.path, b.path));
}

const isBelow = (path: Uint8Array, folder: Uint8Array) =>
  folder.every((byte, i) => path[i] === byte) && (path.length === folder.length || path[folder.length] === 0x2f);
const absolute = (path: Uint8Array) => new Uint8Array([0x2f, ...path]);

/** Whether a folder is in the upper folder only because of what it holds. Any other file is there because it was opened to be changed. */
function isUntouched({ type, path, mode, uid, gid, mtime, xattrs }: TreeEntry, fd: number, before: FileInfo): boolean {
  const own = (all: TreeEntry["xattrs"]) =>
    all.filter(([name]) => !isRefusedAttribute(name)).map(([name, value]) => `${name}=${value.join()}`).join();
  const sameTime = before.mtime.seconds === mtime.seconds && before.mtime.nanoseconds === mtime.nanoseconds;
  return type === "directory" && before.mode === (K.S_IFDIR | mode) && before.uid === uid && before.gid === gid &&
    (sameTime || Changes.isOurParent(path)) &&
    own(xattrs) === own(xattrsOf(fd));
}
