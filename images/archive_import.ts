/** A root file system in a tar archive becomes an image of one layer. */
import { AT_FDCWD, O_CREAT, O_EXCL, O_WRONLY } from "../ffi/constants.ts";
import { closeFd, openat, writeAll } from "../ffi/files.ts";
import { applyChange } from "./change.ts";
import { createHasher } from "./digest.ts";
import { examineFile, layerMediaType, makeImage } from "./make_image.ts";
import { explainFullDisk } from "./file_lock.ts";
import { hostPlatform } from "./platform.ts";
import { removeTree } from "./remove_tree.ts";
import type { Store } from "./store.ts";
import type { ContainerConfig, Platform } from "./types.ts";
import { inflate } from "./unpack_inflate.ts";
import { makeTemporary } from "./unpack_layer.ts";

export interface ImportOptions {
  /** The image's name. */
  name?: string;
  /** Lines as in a Dockerfile: `CMD ["/bin/sh"]`, `ENV A=1`. */
  changes?: readonly string[];
  /** What its history says. */
  message?: string;
  platform?: Platform;
  /** When it was made; now, if it is not given. */
  created?: string;
  /** The configuration to which the changes are applied. */
  config?: ContainerConfig;
}

/**
 * Makes an image from the bytes of a tar archive, plain or compressed. Returns its ID.
 *
 * @throws {MiniError} if the archive or a change is malformed; SyscallError, for example if the disk is full.
 */
export async function importImage(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions = {},
): Promise<string> {
  const config = structuredClone(options.config ?? {});
  for (const change of options.changes ?? []) applyChange(config, change);
  using lease = store.lease();
  const temporary = makeTemporary(store);
  try {
    const path = `${temporary.path}/archive`;
    const diffID = await spool(source, path);
    const { digest, size, start } = await examineFile(path);
    const descriptor = { mediaType: layerMediaType(start, "the archive"), digest, size };
    lease.add(digest);
    store.blobs.adopt(path, digest);
    const created = options.created ?? new Date().toISOString();
    const { os, architecture, variant } = options.platform ?? hostPlatform();
    const document = new TextEncoder().encode(JSON.stringify({
      architecture,
      ...(variant && { variant }),
      os,
      created,
      config,
      rootfs: { type: "layers", diff_ids: [diffID] },
      history: [{ created, comment: options.message ?? "Imported from -" }],
    }));
    const names = options.name === undefined ? [] : [options.name];
    const manifest = await makeImage(store, lease, document, [{ descriptor, diffID }], names);
    return store.images.resolve(manifest)!.id;
  } finally {
    removeTree(temporary.path);
    closeFd(temporary.fd);
  }
}

/** Writes the bytes to a file as they come, and computes the digest of what they are when inflated. */
async function spool(source: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  const file = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  const hasher = await createHasher();
  const written = async function* () {
    for await (const chunk of source) {
      writeAll(file, chunk);
      yield chunk;
    }
  };
  try {
    await inflate(written(), (bytes) => hasher.update(bytes), "the archive");
  } catch (error) {
    throw explainFullDisk(error, path);
  } finally {
    closeFd(file);
  }
  return hasher.digest();
}
