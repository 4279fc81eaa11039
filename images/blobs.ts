/** Blobs: files named by the digest of their content. A blob that is there is whole, verified and on the disk. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { digestOf, parseDigest } from "./digest.ts";
import { fsyncFolder, lockFile } from "./file_lock.ts";
import type { Ingest } from "./ingest.ts";
import type { Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

export class Blobs {
  constructor(private readonly store: Store) {}

  /** Where a blob is, or would be. @throws {MiniError} for a malformed digest. */
  path(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return `${this.store.folder}/blobs/${algorithm}/${hex}`;
  }

  /** Whether the blob is here. */
  has(digest: string): boolean {
    return this.size(digest) !== undefined;
  }

  /** Bytes of the blob, or undefined if it is not here. */
  size(digest: string): number | undefined {
    try {
      return Deno.statSync(this.path(digest)).size;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** The content of a small blob. @throws {MiniError} if it is not here or has more than `maxBytes`. */
  read(digest: string, maxBytes: number): Uint8Array<ArrayBuffer> {
    const size = this.size(digest);
    if (size === undefined) throw new MiniError(`the image store has no ${digest}; pull the image again`);
    if (size > maxBytes) throw new MiniError(`${digest} has ${size} bytes, more than the ${maxBytes} allowed`);
    return Deno.readFileSync(this.path(digest));
  }

  /** The content as a stream. @throws {MiniError} if it is not here. */
  open(digest: string): ReadableStream<Uint8Array> {
    if (!this.has(digest)) throw new MiniError(`the image store has no ${digest}; pull the image again`);
    return readFile(this.path(digest));
  }

  /** Stores a small document and returns its digest. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = await digestOf(bytes);
    const ingest = await this.ingest({ mediaType: "", digest, size: bytes.length });
    if (ingest === undefined) return digest;
    await ingest.restart();
    ingest.write(bytes);
    ingest.commit();
    return digest;
  }

  /** Takes a file over as a blob: moves it here. The caller has computed its digest, and holds a lease on it. */
  adopt(path: string, digest: string): void {
    this.store.prepare();
    if (this.has(digest)) return;
    const file = Deno.openSync(path);
    try {
      file.syncSync();
    } finally {
      file.close();
    }
    const target = this.path(digest);
    Deno.renameSync(path, target);
    fsyncFolder(target.slice(0, target.lastIndexOf("/")));
  }

  /**
   * Begins to store a blob, or goes on where an interrupted command stopped: see {@linkcode Ingest.offset}. Waits while
   * another command stores the same blob. Returns undefined if the blob is here (already, or after the waiting).
   */
  async ingest(descriptor: Descriptor, signal?: AbortSignal): Promise<Ingest | undefined> {
    const { algorithm, hex } = parseDigest(descriptor.digest);
    this.store.prepare();
    if (this.has(descriptor.digest)) return undefined;
    const path = `${this.store.folder}/ingest/${algorithm}-${hex}`;
    const fd = await lockFile(path, signal);
    try {
      if (this.has(descriptor.digest)) {
        Deno.removeSync(path);
        close(fd);
        return undefined;
      }
      const { Ingest } = await import("./ingest.ts");
      return await Ingest.resume(fd, path, this.path(descriptor.digest), descriptor);
    } catch (error) {
      close(fd);
      throw error;
    }
  }
}

/** A file's content in pieces of up to 256 kB; opened when the first is asked for. */
function readFile(path: string): ReadableStream<Uint8Array> {
  let file: Deno.FsFile | undefined;
  return new ReadableStream({
    async pull(controller) {
      file ??= Deno.openSync(path);
      try {
        const buffer = new Uint8Array(256 * 1024);
        const count = await file.read(buffer);
        if (count === null) {
          file.close();
          controller.close();
        } else {
          controller.enqueue(buffer.subarray(0, count));
        }
      } catch (error) {
        file.close();
        throw error;
      }
    },
    cancel: () => file?.close(),
  }, { highWaterMark: 0 });
}
