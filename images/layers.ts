/**
 * Unpacked layers: folders named by diff ID (the digest of the layer's plain tar archive). A layer that is there is
 * whole, verified and on the disk, and is never written again; containers stack it with overlayfs.
 */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { parseDigest } from "./digest.ts";
import { lockFile, tryLockFile } from "./file_lock.ts";
import type { Store } from "./store.ts";
import type { UnpackOptions } from "./unpack_layer.ts";

/** What is known of an unpacked layer, kept beside its folder. */
export interface LayerInfo {
  /** Bytes of its files (a hard link counts nothing), which is how Docker counts. */
  size: number;
  /** Entries of the archive. */
  entries: number;
}

export class Layers {
  constructor(private readonly store: Store) {}

  /** The folder of a layer: where it is, or would be. @throws {MiniError} for a malformed digest. */
  path(diffID: string): string {
    return `${this.store.folder}/layers/${parseDigest(diffID).hex}`;
  }

  /** Whether the layer is here. */
  has(diffID: string): boolean {
    try {
      return Deno.statSync(this.path(diffID)).isDirectory;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** What is known of a layer. @throws {MiniError} if it is not here. */
  info(diffID: string): LayerInfo {
    try {
      return JSON.parse(Deno.readTextFileSync(`${this.path(diffID)}.json`));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new MiniError(`the layer ${diffID} is not in the image store; pull the image again`);
    }
  }

  /** Bytes of a layer's files. */
  size(diffID: string): number {
    return this.info(diffID).size;
  }

  /**
   * Unpacks a layer from the bytes of its archive, plain or compressed (gzip and zstd are recognised by their first
   * bytes). Nothing is to be seen of it unless the plain bytes have the digest `diffID`. Consumes all of `source`, even
   * if the layer turns out to be here already. Runs in any isolate.
   *
   * @throws {MiniError} if the archive is not what was promised; SyscallError, for example if the disk is full.
   */
  async unpack(
    diffID: string,
    source: AsyncIterable<Uint8Array>,
    options: UnpackOptions = {},
  ): Promise<LayerInfo> {
    const lock = tryLockFile(this.lockPath(diffID)); // a hint to unpackBlob of others; two at once are merely a waste
    try {
      const { unpackLayer } = await import("./unpack_layer.ts");
      return await unpackLayer(this.store, diffID, source, options);
    } finally {
      if (lock !== undefined) this.unlock(diffID, lock);
    }
  }

  /**
   * Unpacks a layer from a blob of the store, unless it is here. Waits while another command unpacks it.
   *
   * @throws {MiniError} as {@linkcode unpack} does.
   */
  async unpackBlob(diffID: string, blobDigest: string, options: UnpackOptions = {}): Promise<LayerInfo> {
    if (this.has(diffID)) return this.info(diffID);
    const lock = await lockFile(this.lockPath(diffID), options.signal);
    try {
      if (this.has(diffID)) return this.info(diffID);
      const { unpackLayer } = await import("./unpack_layer.ts");
      return await unpackLayer(this.store, diffID, this.store.blobs.open(blobDigest), options);
    } finally {
      this.unlock(diffID, lock);
    }
  }

  private lockPath(diffID: string): string {
    this.store.prepare();
    return `${this.store.folder}/ingest/layer-${parseDigest(diffID).hex}`;
  }

  private unlock(diffID: string, lock: number): void {
    Deno.removeSync(this.lockPath(diffID)); // still locked by us; whoever opened it meanwhile sees that the name is gone
    close(lock);
  }
}
