/**
 * Loads images from what `docker save`, `podman save`, skopeo and mini write: an OCI layout, or Docker's older form
 * with manifest.json, in a tar archive or a folder.
 */
import { MiniError } from "../ffi/errors.ts";
import type { ArchiveSource } from "./archive_source.ts";
import { isDigest, parseDigest } from "./digest.ts";
import type { Lease } from "./lease.ts";
import { addNames, examineFile, layerMediaType, makeImage, putLeased, type StoredLayer } from "./make_image.ts";
import { choosePlatform, hostPlatform } from "./platform.ts";
import { parseReference } from "./reference.ts";
import type { Store } from "./store.ts";
import {
  type Descriptor,
  type Index,
  isManifest,
  Limits,
  parseDocument,
  parseImageConfig,
  parseIndex,
} from "./types.ts";

/** An image that was loaded. */
export interface LoadedImage {
  id: string;
  manifestDigest: string;
  /** The names it was given, as the archive has them. */
  names: string[];
}

interface DockerEntry {
  config: string;
  names: string[];
  layers: string[];
}

/**
 * Loads every image of an archive. `what` names it in messages.
 *
 * @throws {MiniError} if it is no archive of images, or if something in it is not what its digest says.
 */
export async function loadImages(store: Store, source: ArchiveSource, what: string): Promise<LoadedImage[]> {
  using lease = store.lease();
  const docker = readDockerList(source, what);
  const index = source.find("index.json");
  if (index !== undefined && source.find("oci-layout") !== undefined) {
    return await loadLayout(store, lease, source, parseIndex(readSmall(index), `index.json of ${what}`), docker, what);
  }
  if (docker.length === 0) {
    throw new MiniError(
      `${what} is no archive of images: it has neither manifest.json nor index.json; for a root file system use import`,
    );
  }
  const loaded: LoadedImage[] = [];
  for (const entry of docker) loaded.push(await loadDocker(store, lease, source, entry, what));
  return loaded;
}

function readSmall(path: string): Uint8Array {
  const { size } = Deno.statSync(path);
  if (size > Limits.configBytes) {
    throw new MiniError(`a document of the archive has ${size} bytes, more than the ${Limits.configBytes} allowed`);
  }
  return Deno.readFileSync(path);
}

/** manifest.json, if there is one. */
function readDockerList(source: ArchiveSource, what: string): DockerEntry[] {
  const path = source.find("manifest.json");
  if (path === undefined) return [];
  const malformed = (): never => {
    throw new MiniError(`manifest.json of ${what} is malformed`);
  };
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder().decode(readSmall(path)));
  } catch (error) {
    if (error instanceof MiniError) throw error;
    malformed();
  }
  if (!Array.isArray(list) || list.length > Limits.manifests) return malformed();
  const isStrings = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((v) => typeof v === "string");
  return list.map((item) => {
    const { Config: config, RepoTags: names, Layers: layers } = (item ?? {}) as Record<string, unknown>;
    if (typeof config !== "string" || !isStrings(layers ?? []) || !isStrings(names ?? [])) return malformed();
    return { config, names: (names ?? []) as string[], layers: (layers ?? []) as string[] };
  });
}

async function loadDocker(
  store: Store,
  lease: Lease,
  source: ArchiveSource,
  entry: DockerEntry,
  what: string,
): Promise<LoadedImage> {
  const find = (name: string) => {
    const path = source.find(name);
    if (path === undefined) throw new MiniError(`${what} lacks ${JSON.stringify(name)}, which its manifest.json names`);
    return path;
  };
  const config = readSmall(find(entry.config));
  const { rootfs: { diff_ids } } = parseImageConfig(config, `${JSON.stringify(entry.config)} of ${what}`);
  const layers: StoredLayer[] = [];
  const seen = new Map<string, Descriptor>();
  for (const [i, name] of entry.layers.entries()) {
    let descriptor = seen.get(name);
    if (descriptor === undefined) {
      const path = find(name);
      const { digest, size, start } = await examineFile(path);
      descriptor = { mediaType: layerMediaType(start, `the layer ${JSON.stringify(name)} of ${what}`), digest, size };
      await takeFile(store, lease, source, path, descriptor);
      seen.set(name, descriptor);
    }
    layers.push({ descriptor, diffID: diff_ids[i] ?? "" });
  }
  const manifestDigest = await makeImage(store, lease, config, layers, entry.names);
  return { id: store.images.resolve(manifestDigest)!.id, manifestDigest, names: entry.names };
}

async function loadLayout(
  store: Store,
  lease: Lease,
  source: ArchiveSource,
  index: Index,
  docker: DockerEntry[],
  what: string,
): Promise<LoadedImage[]> {
  const byManifest = new Map<string, LoadedImage>();
  for (const top of index.manifests) {
    if (top.platform?.os === "unknown" || top.artifactType) continue; // an attestation, no image
    const { manifest, digest } = await takeManifest(store, lease, source, top, what);
    let image = byManifest.get(manifest.digest);
    if (image === undefined) {
      byManifest.set(manifest.digest, image = await takeImage(store, lease, source, manifest, what));
    }
    const names = namesOf(top, docker, image.id).filter((name) => !image!.names.includes(name));
    addNames(store, manifest.digest, names, digest === manifest.digest ? undefined : digest);
    image.names.push(...names);
  }
  if (byManifest.size === 0) throw new MiniError(`${what} holds no image`);
  return [...byManifest.values()];
}

/** Stores a manifest, or the index and the one of its manifests that is for this machine. */
async function takeManifest(store: Store, lease: Lease, source: ArchiveSource, top: Descriptor, what: string) {
  const bytes = takeDocument(source, top, what);
  const document = parseDocument(bytes, `${top.digest} of ${what}`, top.mediaType);
  await putLeased(store, lease, bytes);
  if (isManifest(document)) return { manifest: top, digest: top.digest };
  const manifest = choosePlatform(document, hostPlatform(), what);
  await putLeased(store, lease, takeDocument(source, manifest, what));
  return { manifest, digest: top.digest };
}

async function takeImage(
  store: Store,
  lease: Lease,
  source: ArchiveSource,
  descriptor: Descriptor,
  what: string,
): Promise<LoadedImage> {
  const manifest = parseDocument(
    store.blobs.read(descriptor.digest, Limits.manifestBytes),
    `${descriptor.digest} of ${what}`,
    descriptor.mediaType,
  );
  if (!isManifest(manifest)) throw new MiniError(`${descriptor.digest} of ${what} is an index within an index`);
  const configBytes = takeDocument(source, manifest.config, what);
  const config = parseImageConfig(configBytes, `${manifest.config.digest} of ${what}`);
  const { diff_ids } = config.rootfs;
  if (diff_ids.length !== manifest.layers.length) {
    throw new MiniError(
      `an image of ${what} has ${manifest.layers.length} layers, but its configuration lists ${diff_ids.length}`,
    );
  }
  await putLeased(store, lease, configBytes);
  lease.add(...diff_ids);
  for (const [i, layer] of manifest.layers.entries()) {
    await takeFile(store, lease, source, findBlob(source, layer, what), layer);
    await store.layers.unpackBlob(diff_ids[i]!, layer.digest);
  }
  return { id: manifest.config.digest, manifestDigest: descriptor.digest, names: [] };
}

function findBlob(source: ArchiveSource, { digest }: Descriptor, what: string): string {
  const { algorithm, hex } = parseDigest(digest);
  const path = source.find(`blobs/${algorithm}/${hex}`);
  if (path === undefined) throw new MiniError(`${what} lacks the blob ${digest}`);
  return path;
}

function takeDocument(source: ArchiveSource, descriptor: Descriptor, what: string): Uint8Array {
  const bytes = readSmall(findBlob(source, descriptor, what));
  if (bytes.length !== descriptor.size) {
    throw new MiniError(`${descriptor.digest} of ${what} has ${bytes.length} bytes instead of ${descriptor.size}`);
  }
  return bytes;
}

/** Stores a file of the archive as the blob that it should be: moved if it may be, else copied. */
async function takeFile(
  store: Store,
  lease: Lease,
  source: ArchiveSource,
  path: string,
  descriptor: Descriptor,
): Promise<void> {
  lease.add(descriptor.digest);
  if (store.blobs.has(descriptor.digest)) return;
  if (source.isTemporary && descriptor.digest.startsWith("sha256:")) {
    const { digest, size } = await examineFile(path);
    if (digest !== descriptor.digest || size !== descriptor.size) {
      throw new MiniError(`the content of ${descriptor.digest} is wrong: it has the digest ${digest}`);
    }
    store.blobs.adopt(path, digest);
    return;
  }
  const ingest = await store.blobs.ingest(descriptor);
  if (ingest === undefined) return;
  try {
    await ingest.restart();
    using file = Deno.openSync(path);
    const buffer = new Uint8Array(1024 * 1024);
    for (let count; (count = await file.read(buffer)) !== null;) ingest.write(buffer.subarray(0, count));
    ingest.commit();
  } finally {
    ingest.abort();
  }
}

/** The names that an archive gives an image: containerd's annotation, OCI's if it is a whole name, and manifest.json's. */
function namesOf(top: Descriptor, docker: DockerEntry[], id: string): string[] {
  const names = new Set<string>();
  const annotations = top.annotations ?? {};
  const full = annotations["io.containerd.image.name"], short = annotations["org.opencontainers.image.ref.name"];
  if (full !== undefined) names.add(full);
  else if (short !== undefined && /[/:]/.test(short) && isName(short)) names.add(short);
  for (const entry of docker) {
    const hex = /([0-9a-f]{64})(?:\.json)?$/.exec(entry.config)?.[1];
    if (hex === undefined || !isDigest(`sha256:${hex}`) || `sha256:${hex}` !== id) continue;
    for (const name of entry.names) names.add(name);
  }
  return dedupe([...names]);
}

function isName(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (error instanceof MiniError) return false; // `latest` of a layout folder is a mark within it, no name
    throw error;
  }
}

/** `alpine:latest` and `docker.io/library/alpine:latest` are the same name. */
function dedupe(names: string[]): string[] {
  const seen = new Map<string, string>();
  for (const name of names) seen.set(JSON.stringify(parseReference(name)), name);
  return [...seen.values()];
}
