/** What people do with the images that are here: list, describe, remove, prune. Knows which containers use which image. */
import { MiniError } from "../ffi/errors.ts";
import { isDigest, shortId } from "../images/digest.ts";
import { type StoreUsage, storeUsage } from "../images/df.ts";
import { containerRoots } from "../images/gc.ts";
import { familiar, type NamedImage } from "../images/names.ts";
import { familiarName, parseReference } from "../images/reference.ts";
import { Store } from "../images/store.ts";

/** One line of `mini images`: an image under one of its names. */
export interface ImageLine {
  readonly image: NamedImage;
  /** As people write it: `alpine`; `<none>` for an image without a name. */
  readonly repository: string;
  readonly tag: string;
  /** `sha256:…` that a registry calls it; `<none>` if none does. */
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How many containers use the image. */
  readonly containers: number;
}

const NONE = "<none>";

/** Every image under every name, the newest first. */
export function imageLines(root: string): ImageLine[] {
  const store = new Store(root);
  const roots = containerRoots(store);
  return store.images.list().flatMap((image) => {
    const labels = store.config(image).config.Labels ?? {};
    const containers = roots.filter(({ imageId }) => imageId === image.id).length;
    const line = (repository: string, tag: string, digest: string): ImageLine => ({
      image,
      repository,
      tag,
      digest,
      labels,
      containers,
    });
    if (image.names.length === 0) return [line(NONE, NONE, NONE)];
    return image.names.map((name) => {
      const reference = parseReference(name);
      const { domain, path } = reference;
      const digest = image.digests.map(parseReference).find((known) => known.domain === domain && known.path === path)
        ?.digest;
      return line(familiarName(reference), reference.tag ?? NONE, digest ?? NONE);
    });
  });
}

/** There is no image of that name or id. */
export class NoSuchImage extends MiniError {
  override name = "NoSuchImage";
  constructor(text: string) {
    super(`No such image: ${text}`);
  }
}

/** Finds an image. @throws {NoSuchImage} */
export function findLocalImage(store: Store, text: string): NamedImage {
  const record = store.images.resolve(text);
  const image = record && store.images.list().find(({ manifest }) => manifest === record.manifest);
  if (image === undefined) throw new NoSuchImage(text);
  return image;
}

/** An image as `docker image inspect` shows it. */
export function describeImage(root: string, text: string): Record<string, unknown> {
  const store = new Store(root);
  const image = findLocalImage(store, text);
  const config = store.config(image);
  const { diff_ids } = config.rootfs;
  const layers = diff_ids.map((diffID) => store.layers.path(diffID));
  const manifest = store.manifest(image);
  return {
    Id: image.id,
    RepoTags: image.names.filter((name) => parseReference(name).tag !== undefined).map(familiar),
    RepoDigests: image.digests.map(familiar),
    Parent: "",
    Comment: config.history.at(-1)?.comment ?? "",
    Created: image.created,
    Author: config.author ?? "",
    Config: {
      User: "",
      Env: null,
      Cmd: null,
      Entrypoint: null,
      Volumes: null,
      WorkingDir: "",
      Labels: null,
      OnBuild: null,
      ...config.config,
    },
    Architecture: config.architecture,
    ...(config.variant && { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    GraphDriver: {
      Name: "overlay",
      // As overlayfs is told: the top layer first.
      Data: { LowerDir: layers.slice(0, -1).reverse().join(":"), UpperDir: layers.at(-1) ?? "" },
    },
    RootFS: { Type: "layers", Layers: diff_ids },
    Metadata: { LastTagTime: image.stored },
    Descriptor: { mediaType: manifest.mediaType, digest: image.manifest, size: store.blobs.size(image.manifest) },
  };
}

export interface RemoveOptions {
  /** Also an image that has several names, or that a container uses (which keeps its layers). */
  readonly force: boolean;
}

/** What was done to remove images. */
export interface Removal {
  /** IDs of the images that were untagged or deleted. */
  images: string[];
  /** Names that were taken away, as people write them. */
  untagged: string[];
  /** IDs of images, and digests of their layers, that are gone. */
  deleted: string[];
  /** Why layers stay that nothing may need any more. */
  unsure?: string | undefined;
}

/**
 * Takes away a name, and with its last name the image; an ID takes away all of the image.
 *
 * @throws {MiniError} if there is no such image, or if it is refused without force.
 */
export async function removeImage(root: string, text: string, { force }: RemoveOptions): Promise<Removal> {
  const store = new Store(root);
  const image = findLocalImage(store, text);
  const name = store.images.nameOf(text) ?? byDigest(image, text);
  if (name !== undefined && image.names.length > 1) {
    store.images.untag(name);
    return { images: [image.id], untagged: [familiar(name), ...lastOfRepository(image, name)], deleted: [] };
  }
  // One configuration may have come in several forms, compressed in different ways: to a person that is one image.
  const forms = name !== undefined ? [image] : store.images.list().filter(({ id }) => id === image.id);
  const names = forms.flatMap((form) => form.names);
  if (names.length > 1 && !force) {
    const list = names.map(familiar).join(", ");
    throw new MiniError(`the image ${shortId(image.id)} has several names (${list}): remove those, or use --force`);
  }
  const user = containerRoots(store).find(({ imageId }) => imageId === image.id);
  if (user !== undefined && !force) {
    throw new MiniError(
      `the container ${user.id.slice(0, 12)} uses the image ${text}: remove it first, or use --force`,
    );
  }
  for (const { manifest } of forms) store.images.remove(manifest);
  const untagged = [...names, ...forms.flatMap((form) => form.digests)].map(familiar);
  const { layers, unsure } = await store.gc();
  return { images: [image.id], untagged, deleted: [image.id, ...layers], unsure };
}

/** The name that `repository@digest` stands for, if there is one: the reference by which an image without a tag is known. */
function byDigest(image: NamedImage, text: string): string | undefined {
  if (!text.includes("@")) return undefined;
  const { domain, path } = parseReference(text);
  const same = image.names.filter((name) => {
    const known = parseReference(name);
    return known.domain === domain && known.path === path;
  });
  return same.length === 1 ? same[0] : undefined;
}

/** The digest that goes with the last name of its repository. */
function lastOfRepository(image: NamedImage, name: string): string[] {
  const { domain, path } = parseReference(name);
  const isSame = (other: string) => {
    const known = parseReference(other);
    return known.domain === domain && known.path === path;
  };
  if (image.names.some((other) => other !== name && isSame(other))) return [];
  return image.digests.filter(isSame).map(familiar);
}

/** What pruning did. */
export interface Pruned extends Removal {
  /** Bytes of the files that are gone. */
  bytes: number;
}

/**
 * Removes images that no container uses: those without a name, or with `all` every one; and what interrupted commands
 * have left in the store.
 */
export async function pruneImages(
  root: string,
  all: boolean,
  matches: (line: ImageLine) => boolean = () => true,
): Promise<Pruned> {
  const store = new Store(root);
  const result: Pruned = { images: [], untagged: [], deleted: [], bytes: 0 };
  const lines = Map.groupBy(imageLines(root), ({ image }) => image.manifest);
  for (const [manifest, [line]] of lines) {
    const { image, containers } = line!;
    if (containers > 0 || (image.names.length > 0 && !all) || !matches(line!)) continue;
    store.images.remove(manifest);
    result.untagged.push(...[...image.names, ...image.digests].map(familiar));
    result.images.push(image.id);
    result.deleted.push(image.id);
  }
  const { layers, bytes, unsure } = await store.gc({ allPartial: true });
  result.deleted.push(...layers);
  result.unsure = unsure;
  result.bytes = bytes;
  return result;
}

/** Numbers of `mini system df` about images. */
export interface ImagesUsage extends StoreUsage {
  /** How many images there are, and how many of them a container uses. */
  count: number;
  active: number;
}

/** How much of the disk images take. */
export function imagesUsage(root: string): ImagesUsage {
  const store = new Store(root);
  const roots = containerRoots(store);
  const used = new Set(roots.flatMap(({ imageId }) => imageId ?? []));
  const ids = new Set(store.images.list().map(({ id }) => id));
  const usage = storeUsage(store, used, new Set(roots.flatMap(({ layers }) => layers)));
  return { ...usage, count: ids.size, active: [...ids].filter((id) => used.has(id)).length };
}

/** Of each image, by its ID, the bytes of layers that other images have as well. */
export function sharedSizes(root: string): Map<string, number> {
  const store = new Store(root), owners = new Map<string, Set<string>>();
  const layersOf = new Map(store.images.list().map((image) => [image.id, store.config(image).rootfs.diff_ids]));
  for (const [id, layers] of layersOf) {
    for (const layer of layers) owners.set(layer, (owners.get(layer) ?? new Set()).add(id));
  }
  const shared = (layer: string) => owners.get(layer)!.size > 1 && store.layers.has(layer);
  return new Map(Array.from(layersOf, ([id, layers]) => [
    id,
    [...new Set(layers)].filter(shared).reduce((sum, layer) => sum + store.layers.size(layer), 0),
  ]));
}

/** What `before=` and `since=` of a filter name: the time an image was made. */
export function imageTime(root: string, text: string): string {
  return findLocalImage(new Store(root), text).created;
}

/** Whether a name matches a pattern of the `reference` filter: `alpine`, `alp*`, `*:3.*`, `ghcr.io/*\/app`. */
export function referenceMatches(line: ImageLine, pattern: string): boolean {
  const glob = (text: string) => {
    const source = [...text].map((c) =>
      c === "*" ? "[^/]*" : c === "?" ? "[^/]" : c.replace(/[.+^${}()|\\\]]/g, "\\$&")
    ).join("");
    return new RegExp(`^${source}$`);
  };
  let expression: RegExp;
  try {
    expression = glob(pattern);
  } catch {
    throw new MiniError(`the pattern ${JSON.stringify(pattern)} is malformed`);
  }
  const full = `${line.repository}:${line.tag}`;
  return expression.test(full) || expression.test(line.repository) ||
    (isDigest(line.digest) && expression.test(`${line.repository}@${line.digest}`));
}
