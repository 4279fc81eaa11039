/**
 * Pulling an image: names and platforms to documents, documents to layers, everything verified before the image gets
 * its name.
 */
import { MiniError } from "../ffi/errors.ts";
import type { FindCredentials } from "./auth_types.ts";
import { loadRegistries, type RegistriesConfig } from "./config_file.ts";
import { digestOf, parseDigest } from "./digest.ts";
import type { Lease } from "./lease.ts";
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform, platformMatches } from "./platform.ts";
import { type Progress, silent } from "./progress.ts";
import { pullLayer } from "./pull_layer.ts";
import { UnpackPool } from "./pull_workers.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";
import { RegistryClient } from "./registry_client.ts";
import { type FetchedManifest, PullSource } from "./registry_pull.ts";
import { retry, type RetryPolicy } from "./retry.ts";
import type { Image, Store } from "./store.ts";
import {
  type Descriptor,
  type ImageConfig,
  isManifest,
  layerCompression,
  Limits,
  type Manifest,
  parseDocument,
  parseImageConfig,
  type Platform,
} from "./types.ts";

/** Layers that are downloaded at once. */
const PARALLEL_LAYERS = 4;
/** Indexes may hold indexes; nobody nests them deeper. */
const MOST_NESTED = 3;

/** How to pull; everything has a default. */
export interface PullOptions {
  /** `linux/arm64`, as a person writes it; this machine's without. */
  readonly platform?: string | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What is known of registries; read from the environment and the configuration when missing. */
  readonly config?: RegistriesConfig | undefined;
  readonly credentials?: FindCredentials | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/** An image that has been pulled, or was here. */
export interface PullResult {
  /** `docker.io/library/alpine:latest`. */
  readonly name: string;
  readonly image: Image;
  /** What the registry calls it: the digest of the index, or of the manifest. */
  readonly digest: string;
  /** Whether the name meant something else before, or nothing. */
  readonly isNew: boolean;
}

/**
 * Pulls an image and gives it its name. Nothing is to be seen of it before every digest has matched.
 *
 * @throws MiniError, in one sentence; partial downloads stay and are gone on with the next time.
 */
export async function pull(store: Store, name: string, options: PullOptions = {}): Promise<PullResult> {
  const config = options.config ?? await loadRegistries();
  using client = new RegistryClient({ ...options, config });
  return await pullWith(client, store, withDefaultTag(parseReference(name)), options);
}

/** The same with a client that serves several pulls (`--all-tags`). */
export async function pullWith(
  client: RegistryClient,
  store: Store,
  written: Reference,
  options: PullOptions,
): Promise<PullResult> {
  const progress = options.progress ?? silent;
  // A digest says it all: a tag beside it is not looked at, as in Docker.
  const reference: Reference = written.digest === undefined
    ? written
    : { domain: written.domain, path: written.path, digest: written.digest };
  const { domain, path } = reference;
  const which = reference.digest ?? reference.tag!;
  const wanted = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  progress.message(`${which}: Pulling from ${domain === "docker.io" ? path : familiarName(reference)}`);

  const puller = new Puller(client, store, reference, options, progress);
  using lease = store.lease();
  using ending = new DisposableStack();
  ending.defer(() => progress.end());
  const top = await puller.source.manifest(which, options.signal);
  const found = await puller.findManifest(lease, top, wanted);
  const imageConfig = await puller.fetchConfig(lease, found.manifest, wanted);
  const fullName = formatReference(reference);
  const before = store.images.resolve(fullName)?.manifest;
  await puller.fetchLayers(lease, found.manifest, imageConfig, before === found.digest);

  store.images.put(fullName, found.digest, top.digest);
  const isNew = before !== found.digest;
  ending.dispose();
  progress.message(`Digest: ${top.digest}`);
  const status = isNew ? "Downloaded newer image for" : "Image is up to date for";
  progress.message(`Status: ${status} ${familiarReference(reference)}`);
  return { name: fullName, image: store.image(fullName), digest: top.digest, isNew };
}

class Puller {
  readonly source: PullSource;
  readonly #name: string;
  constructor(
    readonly client: RegistryClient,
    readonly store: Store,
    reference: Reference,
    readonly options: PullOptions,
    readonly progress: Progress,
  ) {
    this.source = new PullSource(client, reference);
    this.#name = familiarReference(reference);
  }

  /** From what the name stands for to the manifest of one image, through indexes. */
  async findManifest(
    lease: Lease,
    top: FetchedManifest,
    wanted: Platform,
  ): Promise<{ manifest: Manifest; digest: string }> {
    let fetched = top;
    for (let depth = 0; depth <= MOST_NESTED; depth++) {
      const document = parseDocument(fetched.bytes, `the manifest of ${this.#name}`, fetched.mediaType);
      await this.#keep(
        lease,
        { mediaType: document.mediaType, digest: fetched.digest, size: fetched.bytes.length },
        fetched.bytes,
      );
      if (isManifest(document)) return { manifest: document, digest: fetched.digest };
      const entry = choosePlatform(document, wanted, this.#name);
      const { digest, size } = entry;
      fetched = await this.source.manifest(digest, this.options.signal);
      if (fetched.bytes.length !== size) {
        throw new MiniError(
          `the manifest ${digest} of ${this.#name} has ${fetched.bytes.length} bytes where its index says ${size}`,
        );
      }
    }
    throw new MiniError(
      `the index of ${this.#name} holds indexes that hold indexes, deeper than ${MOST_NESTED} levels`,
    );
  }

  /** The image's configuration, which says what its layers must be when they are unpacked. */
  async fetchConfig(lease: Lease, manifest: Manifest, wanted: Platform): Promise<ImageConfig> {
    const { config: descriptor, layers } = manifest;
    const what = `the configuration of ${this.#name}`;
    if (descriptor.size > Limits.configBytes) {
      throw new MiniError(`${what} has ${descriptor.size} bytes, more than the ${Limits.configBytes} allowed`);
    }
    for (const layer of layers) layerCompression(layer.mediaType); // refuses what is no layer of an image
    lease.add(descriptor.digest);
    if (!this.store.blobs.has(descriptor.digest)) {
      const { signal } = this.options;
      const bytes = await retry(async () => {
        const { body } = await this.source.blob(descriptor, 0, signal);
        const chunks: BlobPart[] = [];
        for await (const chunk of body!) chunks.push(chunk.slice()); // the next one comes in the same buffer
        return new Uint8Array(await new Blob(chunks).arrayBuffer());
      }, { policy: this.client.retry, signal });
      await this.#keep(lease, descriptor, bytes);
    }
    const config = parseImageConfig(this.store.blobs.read(descriptor.digest, Limits.configBytes), what);
    if (config.rootfs.diff_ids.length !== layers.length) {
      throw new MiniError(
        `${what} lists ${config.rootfs.diff_ids.length} layers and its manifest ${layers.length}; the image is damaged`,
      );
    }
    if (this.options.platform !== undefined && !platformMatches(config, wanted)) {
      throw new MiniError(`${this.#name} is only for ${formatPlatform(config)}, not for ${formatPlatform(wanted)}`);
    }
    return config;
  }

  /**
   * All layers, some at once; the first failure stops the others.
   *
   * @param quiet says nothing of layers when none is missing: the very same image is here already.
   */
  async fetchLayers(lease: Lease, manifest: Manifest, config: ImageConfig, quiet: boolean): Promise<void> {
    const diffIDs = config.rootfs.diff_ids;
    lease.add(...manifest.layers.map(({ digest }) => digest), ...diffIDs);
    const isHere = (layer: Descriptor, i: number) =>
      this.store.blobs.has(layer.digest) && this.store.layers.has(diffIDs[i]!);
    if (quiet && manifest.layers.every(isHere)) return;
    // The same layer may stand in an image twice.
    const jobs = new Map(
      manifest.layers.map((layer, i) => [`${layer.digest} ${diffIDs[i]}`, [layer, diffIDs[i]!] as const]),
    );
    const queue = [...jobs.values()];
    const stopper = new AbortController();
    const { signal: outer } = this.options;
    const signal = outer ? AbortSignal.any([outer, stopper.signal]) : stopper.signal;
    using pool = new UnpackPool();
    const { store, source, progress } = this;
    const context = { store, source, progress, pool, signal, retry: this.client.retry };
    const failures: unknown[] = [];
    const drain = async () => {
      for (let next; !signal.aborted && (next = queue.shift());) {
        try {
          await pullLayer(context, ...next);
        } catch (error) {
          failures.push(error);
          stopper.abort(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_LAYERS, queue.length) }, drain));
    if (failures.length > 0) throw failures[0];
    outer?.throwIfAborted();
  }

  /** Stores a document under the digest that it was asked for by. */
  async #keep(lease: Lease, descriptor: Descriptor, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { digest } = descriptor;
    const actual = await digestOf(bytes, parseDigest(digest).algorithm);
    if (actual !== digest) {
      throw new MiniError(
        `${this.source.current} sent something else than ${digest} of ${this.#name}: it has the digest ${actual}`,
      );
    }
    lease.add(digest);
    const ingest = await this.store.blobs.ingest({ ...descriptor, size: bytes.length }, this.options.signal);
    if (ingest === undefined) return;
    try {
      await ingest.restart();
      ingest.write(bytes);
      ingest.commit();
    } catch (error) {
      ingest.abort();
      throw error;
    }
  }
}
