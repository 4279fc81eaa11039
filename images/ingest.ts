/** A blob that comes into the store, in parts if need be: written, verified, and only then given its name. */
import { O_RDONLY } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { ftruncate, lseek, pread, startWriteback, writeAll } from "../ffi/files.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { createHasher, type Hasher } from "./digest.ts";
import { fsyncFolder } from "./file_lock.ts";
import type { Descriptor } from "./types.ts";

/** After so many bytes the kernel is told to begin writing them out, so that the fsync at the end is short. */
const WRITEBACK_BYTES = 8 * 1024 * 1024;

/** A blob on its way into the store. End it with exactly one of `commit`, `suspend` and `abort`. */
export class Ingest {
  /** Bytes stored so far: where a resumed download goes on. */
  offset = 0;
  private unsynced = 0;

  private constructor(
    private fd: number,
    /** Where it is until it is committed. */
    readonly path: string,
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
   * Another descriptor of the file, for reading what has been written; the caller's to close. It stays that file whatever
   * becomes of its name: as soon as the blob has its final one, another command may take the old one for a file of its own,
   * only to learn that the blob is here.
   *
   * @throws {SyscallError}
   */
  openForReading(): number {
    return open(`/proc/self/fd/${this.fd}`, O_RDONLY);
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
