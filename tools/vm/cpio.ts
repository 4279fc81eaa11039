/** Archives in the form "newc" of cpio(5), which the kernel unpacks as its first root. */

/** A file or folder of an archive, the folders that it is in before it. */
export interface Entry {
  /** Without a leading slash. */
  readonly path: string;
  /** A file's content; without it a folder. */
  readonly content?: Uint8Array | string;
  readonly executable?: boolean;
}

const S_IFDIR = 0o040000, S_IFREG = 0o100000;
const encoder = new TextEncoder();

/** The archive of these entries. */
export function cpio(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array) => {
    const padding = -bytes.length & 3;
    chunks.push(bytes, new Uint8Array(padding));
    length += bytes.length + padding;
  };
  const write = (inode: number, path: string, mode: number, content: Uint8Array) => {
    const name = encoder.encode(`${path}\0`);
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = encoder.encode(`070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`);
    const head = new Uint8Array(header.length + name.length);
    head.set(header);
    head.set(name, header.length);
    push(head);
    push(content);
  };
  entries.forEach(({ path, content, executable }, i) => {
    const bytes = typeof content === "string" ? encoder.encode(content) : content ?? new Uint8Array();
    const mode = content === undefined ? S_IFDIR | 0o755 : S_IFREG | (executable ? 0o755 : 0o644);
    write(i + 1, path, mode, bytes);
  });
  write(0, "TRAILER!!!", 0, new Uint8Array());
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
