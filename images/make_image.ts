/** Images that are made here rather than pulled: a configuration and layers become a manifest in the store. */
import { MiniError } from "../ffi/errors.ts";
import { createHasher } from "./digest.ts";
import type { Lease } from "./lease.ts";
import type { Store } from "./store.ts";
import { type Descriptor, MediaType, parseImageConfig } from "./types.ts";
import { detectCompression } from "./unpack_inflate.ts";

/** A layer as a blob of the store, with the digest of its plain archive. */
export interface StoredLayer {
  descriptor: Descriptor;
  diffID: string;
}

/** Digest, size and first bytes of a file, read once. */
export async function examineFile(path: string): Promise<{ digest: string; size: number; start: Uint8Array }> {
  using file = Deno.openSync(path);
  const hasher = await createHasher();
  const buffer = new Uint8Array(1024 * 1024);
  let size = 0, start = new Uint8Array();
  for (let count; (count = await file.read(buffer)) !== null;) {
    hasher.update(buffer.subarray(0, count));
    if (size === 0) start = buffer.slice(0, Math.min(count, 16));
    size += count;
  }
  return { digest: hasher.digest(), size, start };
}

/** The media type of a layer that begins with these bytes. @throws {MiniError} for a compression that is not supported. */
export function layerMediaType(start: Uint8Array, what: string): string {
  const compression = detectCompression(start);
  switch (compression) {
    case "none":
      return MediaType.ociLayer;
    case "gzip":
      return MediaType.ociLayerGzip;
    case "zstd":
      return MediaType.ociLayerZstd;
  }
  throw new MiniError(`${what} is compressed with ${compression}; only gzip, zstd and no compression are supported`);
}

/**
 * Stores configuration and manifest of an image whose layers' blobs are here, unpacks the layers, and adds the image under
 * the given names (or without one). Returns the manifest's digest.
 *
 * @throws {MiniError} if the configuration is malformed or a layer is not what it promises.
 */
export async function makeImage(
  store: Store,
  lease: Lease,
  config: Uint8Array,
  layers: readonly StoredLayer[],
  names: readonly string[],
): Promise<string> {
  const parsed = parseImageConfig(config, "the image's configuration");
  const { diff_ids } = parsed.rootfs;
  if (diff_ids.length !== layers.length) {
    throw new MiniError(`the image's configuration lists ${diff_ids.length} layers, but there are ${layers.length}`);
  }
  const id = await putLeased(store, lease, config);
  const manifest = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: id, size: config.length },
    layers: layers.map(({ descriptor: { mediaType, digest, size } }) => ({ mediaType, digest, size })),
  }));
  const digest = await putLeased(store, lease, manifest);
  lease.add(...diff_ids);
  for (const [i, diffID] of diff_ids.entries()) await store.layers.unpackBlob(diffID, layers[i]!.descriptor.digest);
  addNames(store, digest, names);
  return digest;
}

/** Stores a document that a lease keeps. Returns its digest. */
export async function putLeased(store: Store, lease: Lease, bytes: Uint8Array): Promise<string> {
  const { digestOf } = await import("./digest.ts");
  lease.add(await digestOf(bytes));
  return await store.blobs.put(bytes);
}

/** Adds an image that is complete to the table, under each of its names, or without one. */
export function addNames(store: Store, manifestDigest: string, names: readonly string[], digest?: string): void {
  for (const name of names.length > 0 ? names : [undefined]) store.images.put(name, manifestDigest, digest);
}
