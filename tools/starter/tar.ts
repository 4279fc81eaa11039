/** Writes ustar archives that depend on nothing but their entries: owner root, time 0. See tar(5) and POSIX pax. */

export interface TarEntry {
  /** Without a leading slash; folders without a trailing one. */
  readonly path: string;
  readonly mode: number;
  /** A folder if there is neither content nor link. */
  readonly content?: Uint8Array | string;
  /** The target of a symbolic link. */
  readonly link?: string;
}

const BLOCK = 512;
const TYPE = { file: "0", symlink: "2", folder: "5" } as const;

function header(entry: TarEntry, type: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, length: number, text: string) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) throw new Error(`too long for a ustar header: ${text}`);
    block.set(bytes, at);
  };
  const number = (at: number, length: number, value: number) =>
    put(at, length, value.toString(8).padStart(length - 1, "0"));
  put(0, 100, type === TYPE.folder ? `${entry.path}/` : entry.path);
  number(100, 8, entry.mode);
  number(108, 8, 0); // owner
  number(116, 8, 0); // group
  number(124, 12, size);
  number(136, 12, 0); // time of change
  put(148, 8, " ".repeat(8)); // the checksum is taken with blanks in its place
  put(156, 1, type);
  put(157, 100, entry.link ?? "");
  put(257, 8, "ustar\x0000");
  put(148, 8, block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ");
  return block;
}

/** The archive of these entries, sorted by path, so that every folder comes before what is in it. */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries.toSorted((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0)) {
    const content = typeof entry.content === "string" ? new TextEncoder().encode(entry.content) : entry.content;
    const type = content ? TYPE.file : entry.link !== undefined ? TYPE.symlink : TYPE.folder;
    parts.push(header(entry, type, content?.length ?? 0));
    if (content) parts.push(content, new Uint8Array(-content.length & (BLOCK - 1)));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  const archive = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}
