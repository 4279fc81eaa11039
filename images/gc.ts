/**
 * Garbage collection: removes blobs and layers that no image, no container and no lease needs, and what interrupted
 * commands left behind.
 *
 * It looks and decides under the store's lock, so nothing can become needed meanwhile: whoever adds an image holds a
 * lease, and whoever creates a container holds the lock in its shared form. What is to go is renamed there and removed
 * after the lock has been dropped, because removing takes time.
 */
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../ffi/constants.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { isDigest } from "./digest.ts";
import { tryLockFile } from "./file_lock.ts";
import { leasedDigests } from "./lease.ts";
import { removeTree } from "./remove_tree.ts";
import type { Store } from "./store.ts";
import { type ImageConfig, Limits, type Manifest, parseImageConfig, parseManifest } from "./types.ts";

export interface GcOptions {
  /** Remove every blob that is not complete and that nobody is writing; otherwise those a day old. */
  allPartial?: boolean;
}

export interface GcResult {
  /** How many blobs were removed. */
  blobs: number;
  /** Diff IDs of the layers that were removed. */
  layers: string[];
  /** Bytes of the files that were removed: blobs as they are, layers as Docker counts them. */
  bytes: number;
  /** Why nothing was removed of what images and containers are made of: it cannot be known what is needed. */
  unsure?: string;
}

const DAY = 24 * 60 * 60 * 1000;

/**
 * Collects garbage. While the record of a container cannot be read, which may name any layer, all blobs and layers stay.
 *
 * @throws {MiniError} if an image cannot be read: then nothing at all is removed.
 */
export function collectGarbage(store: Store, options: GcOptions = {}): GcResult {
  const result: GcResult = { blobs: 0, layers: [], bytes: 0 };
  const doomed: { path: string; lock: number }[] = [];
  {
    using _ = store.lock("exclusive");
    store.prepare();
    const needed = neededDigests(store, (sentence) => result.unsure = sentence);
    const isNeeded = (algorithm: string, hex: string) =>
      result.unsure !== undefined || needed.has(`${algorithm}:${hex}`);
    for (const algorithm of ["sha256", "sha512"]) {
      const folder = `${store.folder}/blobs/${algorithm}`;
      for (const { name } of Deno.readDirSync(folder)) {
        if (isNeeded(algorithm, name)) continue;
        result.bytes += Deno.statSync(`${folder}/${name}`).size;
        result.blobs++;
        Deno.removeSync(`${folder}/${name}`);
      }
    }
    const layers = `${store.folder}/layers`;
    for (const { name, isDirectory } of Deno.readDirSync(layers)) {
      const path = `${layers}/${name}`;
      if (name.startsWith(".tmp-")) {
        doom(path, doomed);
      } else if (isDirectory && !isNeeded(name.length === 64 ? "sha256" : "sha512", name)) {
        const diffID = `${name.length === 64 ? "sha256" : "sha512"}:${name}`;
        result.bytes += store.layers.size(diffID);
        result.layers.push(diffID);
        const aside = `${layers}/.tmp-removed-${crypto.randomUUID()}`;
        Deno.renameSync(path, aside);
        Deno.removeSync(`${path}.json`);
        doom(aside, doomed);
      }
    }
    removePartial(store, options, result);
    removeTemporary(store);
  }
  try {
    for (const { path } of doomed) removeTree(path);
  } finally {
    for (const { lock } of doomed) close(lock);
  }
  return result;
}

/** Every digest that must stay: blobs and diff IDs alike. */
function neededDigests(store: Store, damage: (sentence: string) => void): Set<string> {
  const needed = leasedDigests(store);
  const { manifests, others } = store.images.roots();
  for (const digest of others) needed.add(digest);
  for (const digest of manifests) {
    needed.add(digest);
    const manifest: Manifest = parseManifest(store.blobs.read(digest, Limits.manifestBytes), `the manifest ${digest}`);
    for (const layer of manifest.layers) needed.add(layer.digest);
    needed.add(manifest.config.digest);
    const config: ImageConfig = parseImageConfig(
      store.blobs.read(manifest.config.digest, Limits.configBytes),
      `the configuration ${manifest.config.digest}`,
    );
    for (const diffID of config.rootfs.diff_ids) needed.add(diffID);
  }
  for (const { layers, imageId } of containerRoots(store, damage)) {
    for (const diffID of layers) needed.add(diffID);
    if (imageId) needed.add(imageId);
  }
  return needed;
}

/**
 * What the containers of this root hold on to: the fields `layers` and `imageId` of `ROOT/containers/ID/container.json`.
 *
 * @param damage is told of each that cannot be read.
 */
export function containerRoots(
  store: Store,
  damage: (sentence: string) => void = () => {},
): { id: string; layers: string[]; imageId?: string }[] {
  const folder = `${store.root}/containers`;
  const roots: { id: string; layers: string[]; imageId?: string }[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  for (const { name } of entries) {
    const path = `${folder}/${name}/container.json`;
    let text: string;
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) continue;
      throw error;
    }
    const record = parseRecord(text);
    if (!record) {
      damage(
        `the record of container ${name.slice(0, 12)} is damaged, so layers that it may need stay: ` +
          `remove it with 'mini rm -f ${name.slice(0, 12)}'`,
      );
      continue;
    }
    const layers = Array.isArray(record.layers)
      ? record.layers.filter((d) => typeof d === "string" && isDigest(d))
      : [];
    const imageId = typeof record.imageId === "string" && isDigest(record.imageId) ? record.imageId : undefined;
    roots.push({ id: name, layers, ...(imageId && { imageId }) });
  }
  return roots;
}

function parseRecord(text: string): { layers?: unknown; imageId?: unknown } | undefined {
  try {
    const record = JSON.parse(text);
    return typeof record === "object" && record !== null && Array.isArray(record.layers) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Takes a folder of layers/ to be removed, unless somebody holds its lock: unpacks into it, or is removing it already. */
function doom(path: string, doomed: { path: string; lock: number }[]): void {
  const lock = trySyscall("openat", AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (lock < 0) return; // removed meanwhile
  if (trySyscall("flock", lock, LOCK_EX | LOCK_NB) === 0) doomed.push({ path, lock });
  else close(lock);
}

/** Removes blobs on their way whose writer is gone. Recent ones are kept for the next pull to go on with. */
function removePartial(store: Store, options: GcOptions, result: GcResult): void {
  const folder = `${store.folder}/ingest`;
  for (const { name } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const info = tryStat(path);
    if (info === undefined) continue; // finished meanwhile
    const { mtime, size } = info;
    const isRecent = mtime !== null && Date.now() - mtime.getTime() < DAY;
    if (isRecent && !options.allPartial && !name.startsWith("layer-")) continue;
    const fd = tryLockFile(path, false);
    if (fd === undefined) continue; // somebody is writing it
    Deno.removeSync(path);
    close(fd);
    result.bytes += size;
  }
}

/** Removes what a killed command left beside the table of names and the layers. The caller holds the lock. */
function removeTemporary(store: Store): void {
  for (const { name } of Deno.readDirSync(store.folder)) {
    if (name.startsWith("names.json.tmp-")) Deno.removeSync(`${store.folder}/${name}`);
  }
  const layers = `${store.folder}/layers`;
  for (const { name, isFile } of Deno.readDirSync(layers)) {
    if (!isFile) continue;
    const hex = name.split(".")[0]!;
    const digest = `${hex.length === 64 ? "sha256" : "sha512"}:${hex}`;
    // The description is written just before the folder gets its name, both under the store's lock.
    if (isDigest(digest) && store.layers.has(digest) && name === `${hex}.json`) continue;
    Deno.removeSync(`${layers}/${name}`);
  }
}

function tryStat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
