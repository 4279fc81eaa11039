/** What the tests of images share: layers made entry by entry, stores that vanish, trees described entry by entry. */
import { AT_FDCWD, O_DIRECTORY, O_PATH, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../ffi/constants.ts";
import { readDirectory, readlinkAt, statAt, xattrsAt } from "../ffi/file_info.ts";
import { closeFd, openat, openInRoot, showPath } from "../ffi/files.ts";
import { createHasher, digestOf } from "../images/digest.ts";
import { makeImage, putLeased, type StoredLayer } from "../images/make_image.ts";
import { removeTree } from "../images/remove_tree.ts";
import { Store } from "../images/store.ts";
import { TAR_END, type TarHeader, tarHeader, tarPadding } from "../images/tar_write.ts";
import { MediaType } from "../images/types.ts";

export const isRoot = Deno.uid() === 0;
const encoder = new TextEncoder();

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** An entry: a header, and the content of a file. */
export type Entry = [header: Partial<TarHeader> & { path: string | Uint8Array }, content?: string | Uint8Array];

/** A layer's tar archive; an entry is a file of mode 0644 unless it says otherwise. */
export function layerTar(...entries: Entry[]): Uint8Array<ArrayBuffer> {
  return concat(
    ...entries.flatMap(([header, content = ""]) => {
      const bytes = typeof content === "string" ? encoder.encode(content) : content;
      return [tarHeader({ type: "file", mode: 0o644, size: bytes.length, ...header }), bytes, tarPadding(bytes.length)];
    }),
    TAR_END,
  );
}

export async function* pieces(bytes: Uint8Array, length = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** A new temporary folder that is removed in the end, whatever is in it. */
export async function withFolder<T>(test: (path: string) => Promise<T> | T): Promise<T> {
  const path = Deno.makeTempDirSync({ prefix: "mini-test-" });
  try {
    return await test(path);
  } finally {
    removeTree(path);
  }
}

/** A store in a temporary folder. */
export function withStore<T>(test: (store: Store, root: string) => Promise<T> | T): Promise<T> {
  return withFolder((root) => test(new Store(root), root));
}

/** Unpacks one layer and returns its folder. */
export async function unpack(store: Store, tar: Uint8Array<ArrayBuffer>): Promise<string> {
  const diffID = await digestOf(tar);
  await store.layers.unpack(diffID, pieces(tar));
  return store.layers.path(diffID);
}

/** An image of these plain layers in the store. Returns the manifest's digest. */
export async function addImage(
  store: Store,
  name: string | undefined,
  layers: Uint8Array<ArrayBuffer>[],
  config: object = {},
): Promise<string> {
  using lease = store.lease();
  const stored: StoredLayer[] = [];
  for (const layer of layers) {
    const digest = await putLeased(store, lease, layer);
    stored.push({ descriptor: { mediaType: MediaType.ociLayer, digest, size: layer.length }, diffID: digest });
  }
  const document = encoder.encode(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: stored.map((layer) => layer.diffID) },
    history: [],
  }));
  return await makeImage(store, lease, document, stored, name === undefined ? [] : [name]);
}

/** Every entry of a tree as one line of everything that matters about it. */
export async function describeTree(root: string | number): Promise<Map<string, string>> {
  const top = typeof root === "number" ? root : openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  const lines = new Map<string, string>(), linked = new Map<bigint, string>();
  const walk = async (path: Uint8Array): Promise<void> => {
    const folder = openInRoot(top, path, O_RDONLY | O_DIRECTORY);
    try {
      lines.set(showPath(path), `${line(folder, "")} ${attributes(folder, ".")}`);
      for (const name of readDirectory(folder)) {
        const full = concat(path, encoder.encode("/"), name);
        const info = statAt(folder, name), type = info.mode & S_IFMT;
        if (type === S_IFDIR) {
          await walk(full);
          continue;
        }
        let text = `${line(folder, name)} ${attributes(folder, name)}`;
        if (type === S_IFLNK) text += ` -> ${showPath(readlinkAt(folder, name))}`;
        // Gigabytes of nothing would take long to read; their size and blocks say enough.
        if (type === S_IFREG) {
          text += ` ${info.size} ${info.size > 2 ** 30 ? "huge" : await contentDigest(folder, name)}`;
        }
        if (info.nlink > 1) {
          const first = linked.get(info.ino);
          if (first === undefined) linked.set(info.ino, showPath(full));
          text += ` linked with ${first ?? showPath(full)}`;
        }
        lines.set(showPath(full), text);
      }
    } finally {
      closeFd(folder);
    }
  };
  try {
    await walk(encoder.encode("."));
  } finally {
    if (typeof root === "string") closeFd(top);
  }
  return lines;
}

function line(folder: number, name: Uint8Array | string): string {
  const { mode, uid, gid, mtime, rdevMajor, rdevMinor } = statAt(folder, name);
  return `${mode.toString(8)} ${uid}:${gid} ${mtime.seconds}.${mtime.nanoseconds} ${rdevMajor}:${rdevMinor}`;
}

function attributes(folder: number, name: Uint8Array | string): string {
  return xattrsAt(folder, name).filter(([key]) => !key.startsWith("trusted.overlay.")).map(([key, value]) =>
    `${key}=${value}`
  ).join(" ");
}

async function contentDigest(folder: number, name: Uint8Array): Promise<string> {
  const fd = openInRoot(folder, name, O_PATH);
  try {
    using file = await Deno.open(`/proc/self/fd/${fd}`);
    const hasher = await createHasher();
    const buffer = new Uint8Array(1 << 20);
    for (let count; (count = file.readSync(buffer)) !== null;) hasher.update(buffer.subarray(0, count));
    return hasher.digest().slice(7, 23);
  } finally {
    closeFd(fd);
  }
}

/** Runs a program that must succeed. Returns what it printed. */
export async function runTool(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")}: exit ${code}\n${text}${new TextDecoder().decode(stderr)}`);
  }
  return text;
}
