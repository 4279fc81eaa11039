/**
 * Saves images as an archive that is an OCI layout and Docker's form at once, as Docker itself writes it: whoever reads
 * either reads ours. Manifests and layers are those of the store, byte for byte, so every digest is kept.
 */
import { MiniError } from "../ffi/errors.ts";
import { parseDigest } from "./digest.ts";
import { familiar, type ImageRecord } from "./names.ts";
import { parseReference } from "./reference.ts";
import type { Store } from "./store.ts";
import type { Output } from "./tar_tree.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar_write.ts";
import { Limits, MediaType } from "./types.ts";

/** `docker-archive` is both at once; `oci-archive` leaves manifest.json out. */
export type ArchiveFormat = "docker-archive" | "oci-archive";

interface Chosen {
  image: ImageRecord;
  /** Full names under which it is saved. */
  names: string[];
}

const encoder = new TextEncoder();
const toJson = (value: unknown) => encoder.encode(JSON.stringify(value) + "\n");

/**
 * Which images the given texts mean: a name with a tag, an ID, or a repository without a tag, which means all its tags.
 *
 * @throws {MiniError} if there is no such image.
 */
export function chooseImages(store: Store, texts: readonly string[]): Chosen[] {
  const chosen = new Map<string, Chosen>();
  const add = (image: ImageRecord, name?: string) => {
    const entry = chosen.get(image.manifest) ?? { image, names: [] };
    if (name !== undefined && !entry.names.includes(name) && !name.includes("@")) entry.names.push(name);
    chosen.set(image.manifest, entry);
  };
  for (const text of texts) {
    const repository = tagsOf(store, text);
    if (repository.length > 0) {
      for (const [name, image] of repository) add(image, name);
      continue;
    }
    const image = store.images.resolve(text);
    if (image === undefined) throw new MiniError(`No such image: ${text}`);
    add(image, store.images.nameOf(text));
  }
  return [...chosen.values()];
}

/** Every tag of a repository that is named without one. */
function tagsOf(store: Store, text: string): [name: string, image: ImageRecord][] {
  let wanted;
  try {
    wanted = parseReference(text);
  } catch (error) {
    if (error instanceof MiniError) return []; // an ID
    throw error;
  }
  if (wanted.tag !== undefined || wanted.digest !== undefined) return [];
  return store.images.list().flatMap((image) =>
    image.names.filter((name) => {
      const { domain, path, tag } = parseReference(name);
      return tag !== undefined && domain === wanted.domain && path === wanted.path;
    }).map((name): [string, ImageRecord] => [name, image])
  );
}

/** What an archive of these images holds: its documents, and the digests of its blobs. */
function layOut(store: Store, chosen: readonly Chosen[], format: ArchiveFormat) {
  const blobs = new Set<string>();
  const manifests: unknown[] = [], list: unknown[] = [];
  const blobPath = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  for (const { image, names } of chosen) {
    const manifest = store.manifest(image);
    const size = store.blobs.size(image.manifest)!;
    for (const digest of [image.manifest, manifest.config.digest, ...manifest.layers.map((l) => l.digest)]) {
      blobs.add(digest);
    }
    const descriptor = { mediaType: manifest.mediaType, digest: image.manifest, size };
    if (names.length === 0) manifests.push(descriptor);
    for (const name of names) {
      const annotations = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": parseReference(name).tag ?? "",
      };
      // Podman and skopeo take the reference name for the whole name where nothing else tells it.
      if (format === "oci-archive") annotations["org.opencontainers.image.ref.name"] = name;
      manifests.push({ ...descriptor, annotations });
    }
    list.push({
      Config: blobPath(manifest.config.digest),
      RepoTags: names.length > 0 ? names.map(familiar) : null,
      Layers: manifest.layers.map((layer) => blobPath(layer.digest)),
    });
  }
  const documents: [string, Uint8Array][] = [
    ["oci-layout", toJson({ imageLayoutVersion: "1.0.0" })],
    ["index.json", toJson({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests })],
  ];
  if (format === "docker-archive") documents.push(["manifest.json", toJson(list)]);
  return { documents, blobs: [...blobs].sort() };
}

/** Writes an archive of images. @throws {MiniError} if one of them has lost a blob. */
export async function saveArchive(
  store: Store,
  chosen: readonly Chosen[],
  format: ArchiveFormat,
  output: Output,
): Promise<void> {
  using lease = store.lease();
  const { documents, blobs } = layOut(store, chosen, format);
  lease.add(...blobs); // an rmi meanwhile must not take away what is still to be written
  for (const digest of blobs) requireBlob(store, digest);
  for (const [path, bytes] of documents) {
    await output(tarHeader({ type: "file", path, mode: 0o644, size: bytes.length }));
    await output(bytes);
    await output(tarPadding(bytes.length));
  }
  for (const path of ["blobs/", ...new Set(blobs.map((digest) => `blobs/${parseDigest(digest).algorithm}/`))]) {
    await output(tarHeader({ type: "directory", path, mode: 0o755 }));
  }
  for (const digest of blobs) {
    const size = requireBlob(store, digest);
    await output(tarHeader({ type: "file", path: `blobs/${digest.replace(":", "/")}`, mode: 0o644, size }));
    for await (const bytes of store.blobs.open(digest)) await output(bytes);
    await output(tarPadding(size));
  }
  await output(TAR_END);
}

/** Writes an OCI layout folder, which is made if it is missing; what is in one already stays. */
export async function saveFolder(store: Store, chosen: readonly Chosen[], folder: string): Promise<void> {
  using lease = store.lease();
  const { documents, blobs } = layOut(store, chosen, "oci-archive");
  lease.add(...blobs);
  for (const digest of blobs) {
    requireBlob(store, digest);
    const target = `${folder}/blobs/${digest.replace(":", "/")}`;
    await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(store.blobs.path(digest), target);
    await Deno.chmod(target, 0o644);
  }
  for (const [name, bytes] of documents) await Deno.writeFile(`${folder}/${name}`, bytes);
}

function requireBlob(store: Store, digest: string): number {
  const size = store.blobs.size(digest);
  if (size === undefined) throw new MiniError(`the image store has no ${digest}; pull the image again`);
  if (size > Limits.blobBytes) throw new MiniError(`${digest} is too large for an archive`);
  return size;
}
