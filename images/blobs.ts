/** Blobs: files named by the digest of their content. A blob that is there is whole, verified and on the disk. */
import { MiniError } from "../ffi/errors.ts";
import { ftruncate, lseek, pread, startWriteback, writeAll } from "../ffi/files.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { createHasher, digestOf, type Hasher, parseDigest } from "./digest.ts";
import { fsyncFolder, lockFile } from "./file_lock.ts";
import type { Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** After so many bytes the kernel is told to begin writing them out, so that the fsync at the end is short. */
const WRITEBACK_BYTES = 8 * 1024 * 1024;

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
      return await Ingest.resume(fd, path, this.path(descriptor.digest), descriptor);
    } catch (error) {
      close(fd);
      throw error;
    }
  }
}

/** A blob on its way into the store. End it with exactly one of `commit`, `suspend` and `abort`. */
export class Ingest {
  /** Bytes stored so far: where a resumed download goes on. */
  offset = 0;
  private unsynced = 0;

  private constructor(
    private fd: number,
    private readonly path: string,
    private readonly finalPath: string,
    private readonly descriptor: Descriptor,
    private hasher: Hasher,
  ) {}

  /** Takes over the locked partial file: what it holds is read once, for the digest. */
  static async resume(fd: number, path: string, finalPath: string, descriptor: Descriptor): Promise<Ingest> {
    const ingest = new Ingest(fd, path, finalPath, descriptor, await createHasher(descriptor.digest));
    const buffer = new Uint8Array(1024 * 1024);
    for (let count; (count = pread(fd, buffer, ingest.offset)) > 0;) {
      ingest.hasher.update(buffer.subarray(0, count));
      ingest.offset += count;
    }
    if (ingest.offset > descriptor.size) await ingest.restart();
    lseek(fd, ingest.offset, 0);
    return ingest;
  }

  /** Throws away what is there and begins at byte 0, for a server that cannot send a part. */
  async restart(): Promise<void> {
    ftruncate(this.fd, 0);
    lseek(this.fd, 0, 0);
    this.offset = 0;
    this.hasher = await createHasher(this.descriptor.digest);
  }

  /**
   * Adds bytes. They are consumed before this returns.
   *
   * @throws {MiniError} if there are more than the descriptor promised; SyscallError, for example if the disk is full.
   */
  write(chunk: Uint8Array): void {
    if (this.offset + chunk.length > this.descriptor.size) {
      throw new MiniError(`${this.descriptor.digest} is longer than the ${this.descriptor.size} bytes it should have`);
    }
    writeAll(this.fd, chunk);
    this.hasher.update(chunk);
    this.offset += chunk.length;
    this.unsynced += chunk.length;
    if (this.unsynced >= WRITEBACK_BYTES) {
      startWriteback(this.fd);
      this.unsynced = 0;
    }
  }

  /**
   * Verifies size and digest, brings the blob onto the disk and gives it its name.
   *
   * @throws {MiniError} if it is not what was promised; nothing is left of it then.
   */
  commit(): void {
    const { digest, size } = this.descriptor;
    if (this.offset !== size) {
      this.suspend();
      throw new MiniError(`${digest} ended after ${this.offset} of ${size} bytes`);
    }
    const actual = this.hasher.digest();
    if (actual !== digest) {
      this.abort();
      throw new MiniError(`the content of ${digest} is wrong: it has the digest ${actual}`);
    }
    syscall("fsync", this.fd);
    Deno.renameSync(this.path, this.finalPath);
    close(this.fd);
    this.fd = -1;
    fsyncFolder(this.finalPath.slice(0, this.finalPath.lastIndexOf("/")));
  }

  /** Stops here and keeps what is there, so that the next try goes on. Does nothing after another end. */
  suspend(): void {
    if (this.fd < 0) return;
    close(this.fd);
    this.fd = -1;
  }

  /** Stops and removes what is there. Does nothing after another end. */
  abort(): void {
    if (this.fd < 0) return;
    Deno.removeSync(this.path);
    this.suspend();
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
