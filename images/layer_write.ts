/**
 * A container's changes as a layer: the upper folder of an overlay becomes an archive as the OCI image specification has it,
 * in which a file that was removed is told by a file `.wh.NAME`, and a folder of which nothing from below is left by
 * `.wh..wh..opq` in it. https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md
 */
import { MiniError } from "../ffi/errors.ts";
import { ArchiveWriter, type Output } from "./tar_tree.ts";
import { joinBytes, type TreeEntry, type TreeSink, type WalkOptions, walkTree } from "./tree_walk.ts";
import { shortPath } from "./unpack_path.ts";

const encoder = new TextEncoder(), latin1 = new TextDecoder("latin1");
const WHITEOUT = encoder.encode(".wh."), OPAQUE = encoder.encode(".wh..wh..opq");

/** What an entry of an upper folder stands for. */
export type Change =
  /** It is no more what was below, or is new. */
  | "changed"
  /** What was below is removed. */
  | "removed";

/** Understands what the entries of an upper folder say, in the order of a walk: overlayfs.rst, "whiteouts and opaque directories". */
export class UpperFolder {
  private readonly whiteouts = new Set<string>();

  /** @throws {MiniError} for a folder that only points to where its content is, which our own mounts never make. */
  changeOf(entry: TreeEntry): Change {
    const { type, path, linkPath, major, minor, xattrs } = entry;
    if (xattrs.some(([name]) => /\.overlay\.(redirect|metacopy)$/.test(name))) {
      throw new MiniError(
        `the changes cannot be read: ${shortPath(path)} refers to another file (overlayfs' redirect_dir or metacopy)`,
      );
    }
    // The kernel makes all whiteouts of a folder as names of one and the same device.
    const isWhiteout = type === "char" && major === 0 && minor === 0 ||
      type === "hardlink" && this.whiteouts.has(latin1.decode(linkPath));
    if (!isWhiteout) return "changed";
    this.whiteouts.add(latin1.decode(path));
    return "removed";
  }
}

/** Whether nothing of a folder's lower layers shows through it. */
export function isOpaque({ type, xattrs }: TreeEntry): boolean {
  return type === "directory" &&
    xattrs.some(([name, value]) => /^(trusted|user)\.overlay\.opaque$/.test(name) && latin1.decode(value) === "y");
}

export interface LayerOptions extends Pick<WalkOptions, "leaveOut"> {
  /** Whether the root's own owner, mode and attributes are a change. */
  readonly withRoot: (root: TreeEntry) => boolean;
}

/**
 * Writes the changes below the open upper folder as an archive.
 *
 * @throws {MiniError} for a file whose name an archive would take for something else. @throws {SyscallError}
 */
export async function writeLayer(upper: number, output: Output, { withRoot, leaveOut }: LayerOptions): Promise<void> {
  const archive = new ArchiveWriter(output), changes = new UpperFolder();
  const sink: TreeSink = {
    async entry(entry) {
      const { path } = entry, slash = path.lastIndexOf(0x2f);
      const name = path.subarray(slash + 1);
      if (WHITEOUT.every((byte, i) => name[i] === byte)) {
        throw new MiniError(`a layer cannot hold ${shortPath(path)}: with that name it would remove another file`);
      }
      if (changes.changeOf(entry) === "removed") {
        const marked = new Uint8Array([...WHITEOUT, ...name]);
        return await archive.entry(emptyFile(entry, joinBytes(path.subarray(0, Math.max(slash, 0)), marked)));
      }
      if (path.length > 0 || withRoot(entry)) await archive.entry(entry);
      if (isOpaque(entry)) await archive.entry(emptyFile(entry, joinBytes(path, OPAQUE)));
    },
    data: (bytes) => archive.data(bytes),
    endOfFile: () => archive.endOfFile(),
  };
  await walkTree(upper, sink, { ...(leaveOut && { leaveOut }) });
  await archive.end();
}

/** What marks a removal, at the time at which it happened. */
const emptyFile = ({ mtime }: TreeEntry, path: Uint8Array): TreeEntry => ({
  type: "file",
  path,
  linkPath: new Uint8Array(),
  mode: 0o600,
  uid: 0,
  gid: 0,
  size: 0,
  mtime,
  major: 0,
  minor: 0,
  xattrs: [],
});
