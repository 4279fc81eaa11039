/** Pushing images: what the registry lacks of their blobs, then their manifests. */
import { MiniError } from "../ffi/errors.ts";
import type { FindCredentials } from "./auth_types.ts";
import { loadRegistries, type RegistriesConfig } from "./config_file.ts";
import { shortId } from "./digest.ts";
import { type Progress, silent } from "./progress.ts";
import { familiarName, familiarReference, formatReference, parseReference, type Reference } from "./reference.ts";
import { RegistryClient } from "./registry_client.ts";
import { PushTarget } from "./registry_push.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Store } from "./store.ts";
import { type Descriptor, type Index, isManifest, Limits, type Manifest, MediaType, parseDocument } from "./types.ts";

/** Blobs that are uploaded at once, as in Docker. */
const PARALLEL_BLOBS = 5;

/** How to push; everything has a default. */
export interface PushOptions {
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly config?: RegistriesConfig | undefined;
  readonly credentials?: FindCredentials | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/** An image that the registry now has. */
export interface PushResult {
  /** `docker.io/user/app:latest`. */
  readonly name: string;
  readonly digest: string;
}

/**
 * Pushes images of one repository.
 *
 * @param references with tags; they share domain and path.
 * @throws MiniError when an image or a part of it is not here, or the registry refuses it.
 */
export async function push(
  store: Store,
  references: readonly Reference[],
  options: PushOptions = {},
): Promise<PushResult[]> {
  const progress = options.progress ?? silent;
  const config = options.config ?? await loadRegistries();
  using client = new RegistryClient({ ...options, config });
  // A removal at the same time must not take away what is being read.
  using lease = store.lease();
  const jobs = references.map((reference) => ({ reference, documents: collect(store, reference) }));
  for (const { documents } of jobs) {
    for (const { digest, blobs } of documents) lease.add(digest, ...blobs.map((blob) => blob.digest));
  }
  const target = new PushTarget(client, references[0]!);
  progress.message(`The push refers to repository [${references[0]!.domain}/${references[0]!.path}]`);
  const sent = new Set<string>();
  const results: PushResult[] = [];
  for (const { reference, documents } of jobs) {
    const missing = documents.flatMap(({ blobs }) => blobs).filter(({ digest }) => !sent.has(digest));
    const blobs = [...new Map(missing.map((blob) => [blob.digest, blob])).values()];
    try {
      await pushBlobs(store, target, reference, blobs, progress, options.signal);
    } finally {
      progress.end();
    }
    for (const { digest } of blobs) sent.add(digest);
    for (const [i, { digest, mediaType, bytes }] of documents.entries()) {
      const which = i === documents.length - 1 ? reference.tag! : digest;
      await target.manifest(which, { mediaType, digest, size: bytes.length }, bytes, options.signal);
    }
    const { digest, bytes } = documents.at(-1)!;
    store.images.setDigest(formatReference(reference), digest);
    progress.message(`${reference.tag}: digest: ${digest} size: ${bytes.length}`);
    results.push({ name: formatReference(reference), digest });
  }
  return results;
}

/** A manifest or an index to put, with the blobs that must be there before. */
interface Document {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly blobs: readonly Descriptor[];
}

/**
 * What is to be put for a name, in order; the last is what the tag stands for.
 *
 * That is the index that the name was pulled as, when all that it lists is here, so that its digest stays; else the
 * manifest of the one image.
 */
function collect(store: Store, reference: Reference): Document[] {
  const full = formatReference(reference);
  const record = store.images.resolve(full);
  if (record === undefined || !store.images.namesOf(record).includes(full)) {
    throw new MiniError(`there is no image ${familiarReference(reference)} here to push`);
  }
  const own = readDocument(store, record.manifest, reference);
  const known = store.images.list().find(({ manifest }) => manifest === record.manifest)?.digests ?? [];
  for (const text of known) {
    const { digest } = parseReference(text);
    if (digest === undefined || digest === record.manifest || !store.blobs.has(digest)) continue;
    const index = readDocument(store, digest, reference);
    const children = "manifests" in index.document ? index.document.manifests : [];
    const isWhole = children.length > 0 && children.every((child) => isHere(store, child.digest, reference));
    if (!isWhole || !children.some((child) => child.digest === record.manifest)) continue;
    return [...children.map((child) => readDocument(store, child.digest, reference)), index];
  }
  for (const { digest } of own.blobs) {
    if (store.blobs.has(digest)) continue;
    throw new MiniError(
      `${familiarReference(reference)} cannot be pushed: its blob ${digest} is not here; pull the image again`,
    );
  }
  return [own];
}

function readDocument(store: Store, digest: string, reference: Reference): Document & { document: Manifest | Index } {
  const bytes = store.blobs.read(digest, Limits.manifestBytes);
  const document = parseDocument(bytes, `the manifest of ${familiarReference(reference)}`);
  const blobs = isManifest(document) ? [...document.layers, document.config] : [];
  return { digest, mediaType: document.mediaType, bytes, blobs, document };
}

/** Whether a manifest and every blob of it are here. */
function isHere(store: Store, digest: string, reference: Reference): boolean {
  if (!store.blobs.has(digest)) return false;
  const { document, blobs } = readDocument(store, digest, reference);
  return isManifest(document) && blobs.every((blob) => store.blobs.has(blob.digest));
}

async function pushBlobs(
  store: Store,
  target: PushTarget,
  reference: Reference,
  blobs: readonly Descriptor[],
  progress: Progress,
  outer: AbortSignal | undefined,
): Promise<void> {
  const sources = repositoriesByBlob(store, reference);
  const stopper = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stopper.signal]) : stopper.signal;
  const isLayer = (blob: Descriptor) =>
    blob.mediaType !== MediaType.ociConfig && blob.mediaType !== MediaType.dockerConfig;
  for (const { digest } of blobs.filter(isLayer)) progress.layer(shortId(digest), "Preparing");
  const queue = [...blobs];
  const failures: unknown[] = [];
  const drain = async () => {
    for (let next; !signal.aborted && (next = queue.shift());) {
      const { digest, size } = next;
      const id = shortId(digest);
      const line = isLayer(next) ? progress : silent; // as in Docker, the configuration has no line
      try {
        const outcome = await target.blob({
          descriptor: next,
          open: (offset) => openFrom(store.blobs.path(digest), offset),
          sources: sources.get(digest) ?? [],
          report: (bytes) => line.layer(id, "Pushing", bytes, size),
          onRetry: (_, delay) => line.layer(id, `Retrying in ${Math.ceil(delay / 1000)} seconds`),
          signal,
        });
        const words = { exists: "Layer already exists", uploaded: "Pushed" } as const;
        line.layer(id, outcome.type === "mounted" ? `Mounted from ${outcome.from}` : words[outcome.type]);
      } catch (error) {
        failures.push(error);
        stopper.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_BLOBS, queue.length) }, drain));
  if (failures.length > 0) throw failures[0];
  outer?.throwIfAborted();
}

/** For each blob the other repositories of the same registry that it was pulled from or pushed to. */
function repositoriesByBlob(store: Store, reference: Reference): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const image of store.images.list()) {
    const paths = image.digests.map(parseReference)
      .filter(({ domain, path }) => domain === reference.domain && path !== reference.path).map(({ path }) => path);
    if (paths.length === 0) continue;
    for (const { digest } of store.manifest(image).layers) {
      found.set(digest, [...new Set([...found.get(digest) ?? [], ...paths])]);
    }
  }
  return found;
}

/** A file's bytes from an offset on, read as they are asked for. */
function openFrom(path: string, offset: number): ReadableStream<Uint8Array> {
  const file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(256 * 1024);
      const count = await file.read(buffer);
      if (count !== null) return controller.enqueue(buffer.subarray(0, count));
      file.close();
      controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

/** The names of a repository that are here, for `--all-tags`. @throws MiniError when there are none. */
export function allTags(store: Store, repository: Reference): Reference[] {
  const references = store.images.list().flatMap(({ names }) => names).map(parseReference)
    .filter(({ domain, path, tag }) => domain === repository.domain && path === repository.path && tag !== undefined);
  if (references.length === 0) throw new MiniError(`there is no image of ${familiarName(repository)} here to push`);
  return references.sort((a, b) => a.tag! < b.tag! ? -1 : 1);
}
