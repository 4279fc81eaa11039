/**
 * A folder tree as a tar archive, exactly: names by their bytes, owners, modes, times, attributes, hard links, devices,
 * holes. The order is that of the names' bytes, so the same tree gives the same archive. Sockets are left out: no archive
 * can hold them. Links are archived as links; none is followed, whatever changes in the tree meanwhile.
 */
import { TAR_END, tarHeader, tarPadding } from "./tar_write.ts";
import { joinBytes, type TreeEntry, type TreeSink, walkTree } from "./tree_walk.ts";
import { isRefusedAttribute } from "./unpack_xattr.ts";

/** Takes pieces of an archive; a piece is valid only until the promise is settled. */
export type Output = (bytes: Uint8Array) => void | Promise<void>;

const encoder = new TextEncoder();
const ZEROS = new Uint8Array(64 * 1024);
const HERE = encoder.encode(".");
const NOTHING = new Uint8Array();

/**
 * Writes the tree below the open folder `root` to `output`, the end mark included.
 *
 * @throws {SyscallError} if something cannot be read.
 */
export async function writeTree(root: number, output: Output): Promise<void> {
  const archive = new ArchiveWriter(output);
  await walkTree(root, archive);
  await archive.end();
}

/** Writes what a walk tells as an archive; call `end` at the end. */
export class ArchiveWriter implements TreeSink {
  /** Bytes of content still to come of the file that is being written. */
  private missing = 0;
  /** Bytes that fill it up to a whole block. */
  private padding: Uint8Array = NOTHING;

  constructor(private readonly output: Output) {}

  async entry({ pieces, ...entry }: TreeEntry): Promise<void> {
    const { type, path, size } = entry;
    const header = {
      ...entry,
      path: type === "directory" ? joinBytes(path.length === 0 ? HERE : path, NOTHING) : path,
      xattrs: entry.xattrs.filter(([attribute]) => !isRefusedAttribute(attribute)),
    };
    if (pieces === undefined) {
      this.expect(size, size);
      return await this.output(tarHeader(header));
    }
    // GNU's PAX form 1.0: the map stands before the content, in whole blocks.
    const content = pieces.reduce((sum, [, length]) => sum + length, 0);
    const map = encoder.encode([pieces.length, ...pieces.flat()].join("\n") + "\n");
    const stored = content + map.length + tarPadding(map.length).length;
    const records = [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", path],
      ["GNU.sparse.realsize", `${size}`],
    ] as const;
    this.expect(content, stored);
    await this.output(tarHeader({ ...header, path: "GNUSparseFile.0/entry", size: stored, records }));
    await this.output(map);
    await this.output(tarPadding(map.length));
  }

  private expect(content: number, stored: number): void {
    this.missing = content;
    this.padding = tarPadding(stored);
  }

  data(bytes: Uint8Array): void | Promise<void> {
    this.missing -= bytes.length;
    return this.output(bytes);
  }

  async endOfFile(): Promise<void> {
    // A file that has become shorter since its header was written.
    for (; this.missing > 0; this.missing -= ZEROS.length) await this.output(ZEROS.subarray(0, this.missing));
    if (this.padding.length > 0) await this.output(this.padding);
  }

  async end(): Promise<void> {
    await this.output(TAR_END);
  }
}
