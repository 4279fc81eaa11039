/** How much of the disk the store takes, as du(1) counts: blocks, and a file with several names once. */
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFMT, S_IFREG } from "../ffi/constants.ts";
import { type FileInfo, readDirectory, statAt, tryStatAt } from "../ffi/file_info.ts";
import { closeFd, openat, openInRoot } from "../ffi/files.ts";
import type { Store } from "./store.ts";

/** Bytes of the content of a regular file, none of anything else: what an archive of a folder would hold, not what the disk does. */
export const contentBytes = ({ mode, size }: FileInfo) => (mode & S_IFMT) === S_IFREG ? size : 0;

/**
 * Bytes on the disk of a folder and all it holds, links not followed; 0 if it is not there.
 *
 * @param bytes what each file or folder counts. @throws {SyscallError}
 */
export function diskUsage(path: string, bytes: (info: FileInfo) => number = ({ diskBytes }) => diskBytes): number {
  if (tryStatAt(AT_FDCWD, path) === undefined) return 0;
  const root = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const seen = new Set<string>();
    let total = 0;
    const waiting: Uint8Array[] = [new TextEncoder().encode(".")];
    for (let folderPath; (folderPath = waiting.pop()) !== undefined;) {
      const folder = openInRoot(root, folderPath, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      try {
        total += bytes(statAt(folder, ""));
        for (const name of readDirectory(folder)) {
          const info = tryStatAt(folder, name);
          if (info === undefined) continue; // removed meanwhile
          if ((info.mode & S_IFMT) === S_IFDIR) {
            const below = new Uint8Array(folderPath.length + 1 + name.length);
            below.set(folderPath);
            below[folderPath.length] = 0x2f;
            below.set(name, folderPath.length + 1);
            waiting.push(below);
            continue;
          }
          if (info.nlink > 1) {
            const key = `${info.device} ${info.ino}`;
            if (seen.has(key)) continue;
            seen.add(key);
          }
          total += bytes(info);
        }
      } finally {
        closeFd(folder);
      }
    }
    return total;
  } finally {
    closeFd(root);
  }
}

/** What the store takes on the disk. */
export interface StoreUsage {
  /** All of `ROOT/images`. */
  total: number;
  /** What would be left of it if every image that no container uses were removed. */
  used: number;
}

/** Measures the store; `usedImages` are IDs of images that containers use. */
export function storeUsage(store: Store, usedImages: ReadonlySet<string>, usedLayers: ReadonlySet<string>): StoreUsage {
  const total = diskUsage(store.folder);
  const blobs = new Set<string>(), layers = new Set<string>(usedLayers);
  for (const image of store.images.list()) {
    if (!usedImages.has(image.id)) continue;
    const manifest = store.manifest(image);
    for (const digest of [image.manifest, image.id, ...manifest.layers.map((layer) => layer.digest)]) blobs.add(digest);
    for (const diffID of store.config(image).rootfs.diff_ids) layers.add(diffID);
  }
  let used = 0;
  for (const digest of blobs) used += tryStatAt(AT_FDCWD, store.blobs.path(digest))?.diskBytes ?? 0;
  for (const diffID of layers) used += diskUsage(store.layers.path(diffID));
  return { total, used };
}
