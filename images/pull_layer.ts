/** One layer of a pull: its blob into the store, and at the same time its files. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import type { Ingest } from "./ingest.ts";
import { shortId } from "./digest.ts";
import type { Progress } from "./progress.ts";
import type { Unpacking, UnpackPool } from "./pull_workers.ts";
import type { PullSource } from "./registry_pull.ts";
import { RegistryError } from "./registry_error.ts";
import { retry, type RetryPolicy } from "./retry.ts";
import type { Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** What all layers of a pull share. */
export interface LayerContext {
  readonly store: Store;
  readonly source: PullSource;
  readonly pool: UnpackPool;
  readonly progress: Progress;
  readonly retry: RetryPolicy;
  /** Aborted by the caller, and when another layer has failed. */
  readonly signal: AbortSignal;
}

/** After so many bytes the unpacking side is told that there are more. */
const TELL_BYTES = 256 * 1024;

/**
 * Brings a layer into the store. The caller has put both digests into its lease.
 *
 * @throws whatever went wrong; what has been downloaded stays for the next attempt unless it was wrong or the disk is full.
 */
export async function pullLayer(context: LayerContext, descriptor: Descriptor, diffID: string): Promise<void> {
  const { store, progress, pool, signal } = context;
  const { digest, size } = descriptor;
  const id = shortId(digest);
  if (store.layers.has(diffID) && store.blobs.has(digest)) return progress.layer(id, "Already exists");
  progress.layer(id, "Waiting");
  const ingest = await store.blobs.ingest(descriptor, signal);
  if (ingest !== undefined) {
    progress.layer(id, "Pulling fs layer");
    const resumed = ingest.offset > 0;
    try {
      await downloadAndUnpack(context, descriptor, diffID, ingest);
    } catch (error) {
      // What an earlier command left may be the reason; without it, it is worth one more attempt.
      if (!(error instanceof WrongContent) || !(resumed || context.source.distrust())) throw error;
      const again = await store.blobs.ingest(descriptor, signal);
      if (again) await downloadAndUnpack(context, descriptor, diffID, again);
    }
  }
  // The blob was here, or another command has brought it meanwhile: its files may still be missing.
  if (!store.layers.has(diffID)) {
    progress.layer(id, "Extracting", 0, size);
    const job = { root: store.root, diffID, blobDigest: digest, size, partial: undefined, available: size };
    const unpacking = pool.unpack(() => job, (bytes) => progress.layer(id, "Extracting", bytes, size));
    await withSignal(unpacking, signal);
  }
  progress.layer(id, "Pull complete");
}

/** The digest of what came is not the one that was asked for. */
class WrongContent extends MiniError {}

async function downloadAndUnpack(
  context: LayerContext,
  descriptor: Descriptor,
  diffID: string,
  ingest: Ingest,
): Promise<void> {
  const { store, pool, progress } = context;
  const { digest, size } = descriptor;
  const id = shortId(digest);
  let isDownloaded = false, reading = -1;
  // The unpacking begins with the first bytes; until then it is not known whether there will be any.
  let unpacking: Unpacking | undefined;
  const stopper = new AbortController();
  const begin = () => {
    if (unpacking || store.layers.has(diffID)) return;
    reading = ingest.openForReading();
    const job = () => ({
      root: store.root,
      diffID,
      blobDigest: digest,
      size,
      partial: isDownloaded ? undefined : `/proc/self/fd/${reading}`,
      available: ingest.offset,
    });
    unpacking = pool.unpack(job, (bytes) => isDownloaded && progress.layer(id, "Extracting", bytes, size));
    // A broken archive ends the download; its error is thrown below.
    unpacking.done.catch((error) => stopper.abort(error));
  };
  let told = 0;
  const grown = () => {
    begin();
    progress.layer(id, "Downloading", ingest.offset, size);
    if (ingest.offset - told < TELL_BYTES && ingest.offset < size) return;
    unpacking?.available(told = ingest.offset);
  };
  try {
    const signal = AbortSignal.any([context.signal, stopper.signal]);
    await download({ ...context, signal }, descriptor, ingest, grown);
    progress.layer(id, "Verifying Checksum");
    await flush(ingest.path);
    commit(ingest, descriptor, context.source);
    isDownloaded = true;
    progress.layer(id, "Download complete");
    if (unpacking) {
      progress.layer(id, "Extracting", 0, size);
      await withSignal(unpacking, context.signal);
    }
  } catch (error) {
    // A full disk is not to stay full of what cannot be used.
    if (isDiskFull(error)) ingest.abort();
    else ingest.suspend();
    unpacking?.stop();
    await unpacking?.done.catch(() => {/* it was told to stop, or its own error is the one that is thrown */});
    if (!(error instanceof SyscallError) || !isDiskFull(error)) throw error;
    throw new MiniError(`the disk of ${store.folder} is full; nothing of the layer ${digest} was kept`, undefined, {
      cause: error,
    });
  } finally {
    if (reading >= 0) close(reading);
  }
}

/** Brings a file onto the disk without holding up the other layers; the commit's own fsync(2) then has nothing to wait for. */
async function flush(path: string): Promise<void> {
  try {
    using file = await Deno.open(path);
    await file.syncData();
  } catch (error) {
    throw new MiniError(`cannot write ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

function isDiskFull(error: unknown): boolean {
  const call = error instanceof MiniError ? error.cause : error;
  return call instanceof SyscallError && [Errno.ENOSPC, Errno.EDQUOT].includes(call.errno);
}

function commit(ingest: Ingest, { digest }: Descriptor, source: PullSource): void {
  try {
    ingest.commit();
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
    throw new WrongContent(`${source.current} sent something else than ${digest}: ${error.message}`, undefined, {
      cause: error,
    });
  }
}

/** Reads the blob's missing bytes, going on where a connection broke off. */
async function download(
  { source, signal, progress, retry: policy }: LayerContext,
  descriptor: Descriptor,
  ingest: Ingest,
  grown: () => void,
): Promise<void> {
  if (ingest.offset > 0) grown();
  const id = shortId(descriptor.digest);
  await retry(async () => {
    if (ingest.offset === descriptor.size) return;
    const { body, restart } = await source.blob(descriptor, ingest.offset, signal);
    if (body === undefined) {
      throw new RegistryError(`${source.current} has no more than ${ingest.offset} bytes of ${descriptor.digest}`);
    }
    // Where a registry cannot send a part, what is here already is passed over: the digest at the end covers both.
    let skip = restart ? ingest.offset : 0;
    for await (const chunk of body) {
      signal.throwIfAborted();
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      ingest.write(skip > 0 ? chunk.subarray(skip) : chunk);
      skip = 0;
      grown();
    }
  }, {
    policy,
    signal,
    progress: () => ingest.offset,
    onRetry: (_, delay) => progress.layer(id, `Retrying in ${Math.ceil(delay / 1000)} seconds`),
  });
}

/** Waits for the unpacking, and stops it when the signal says so. */
async function withSignal(unpacking: Unpacking, signal: AbortSignal): Promise<void> {
  const stop = () => unpacking.stop();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await unpacking.done;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
