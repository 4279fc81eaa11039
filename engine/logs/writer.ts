/**
 * Writes a log. Bytes go from a FIFO to the data file by splice(2), which takes and writes them in one system call: whoever
 * is killed at any instant has either moved a byte or left it where it was, and the next writer goes on from there.
 *
 * There is one writer of a log at a time; its owner holds a lock (consumer.ts).
 */
import { AT_FDCWD, OVERLAYFS_SUPER_MAGIC, SPLICE_F_NONBLOCK } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, trySyscall, waitingSyscall } from "../../ffi/kernel.ts";
import { readFile } from "../../ffi/open.ts";
import { bytesIn, isHungUp, nullDevice } from "./fifo.ts";
import { LogFile } from "./file.ts";
import {
  changeTime,
  dataPath,
  fileNumbers,
  fileSize,
  indexPath,
  makeFolder,
  recordsFromEnd,
  tryOpen,
  wallClock,
} from "./files.ts";
import type { LogLimits } from "./options.ts";
import { Flag, Kind, type Record, RECORD_BYTES, type Stream } from "./record.ts";
import { copyByTee } from "./tee.ts";

/** The most that one call moves, so that other containers get their turn. */
const MOST_BYTES = 1 << 20;
/** A call that took longer waited for the disk: those of the next while are made on another thread. */
const SLOW_MS = 10, SLOW_FOR_MS = 5000;

/** What `pump` did. */
export interface Pumped {
  /** Bytes that were taken from the FIFO. */
  readonly bytes: number;
  /** Whether there was nothing left to take; otherwise more may be there. */
  readonly empty: boolean;
  /** Whether nobody has the FIFO open for writing any more. */
  readonly ended: boolean;
}

/** What tests set, to have what is rare. */
export interface WriterOptions {
  /** Milliseconds after which a disk counts as slow. */
  readonly slowMs?: number;
  /** Whether to try splice(2) at all. */
  readonly canSplice?: boolean;
}

const isFull = (errno: number) => errno === Errno.ENOSPC || errno === Errno.EDQUOT;

export class LogWriter {
  #file: LogFile | undefined;
  /** Bytes that are missing and could not be noted yet, and why. */
  #unnoted = 0;
  #reason = 0;
  readonly #slowMs: number;
  /** Until when the disk counts as slow, by performance.now(). */
  #slowUntil = 0;
  #canSplice: boolean;
  /** On overlayfs splicing tells followers nothing before kernel 6.5. */
  #touch = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param folder for example `/var/lib/mini/containers/ID/logs`; made at first use. */
  constructor(
    readonly folder: string,
    readonly limits: LogLimits,
    { slowMs = SLOW_MS, canSplice = true }: WriterOptions = {},
  ) {
    this.#slowMs = slowMs;
    this.#canSplice = canSplice;
  }

  /**
   * Moves what is in a FIFO to the log, a bounded amount. Calls are carried out one after the other.
   *
   * @param fd the FIFO, set to fail where it would wait (O_NONBLOCK).
   */
  pump(fd: number, stream: Stream): Promise<Pumped> {
    const turn = this.#turn.then(() => this.#pump(fd, stream));
    this.#turn = turn;
    return turn;
  }

  async #pump(fd: number, stream: Stream): Promise<Pumped> {
    if (bytesIn(fd) === 0) return { bytes: 0, empty: true, ended: isHungUp(fd) };
    const ready = this.#begin(stream, wallClock());
    let errno = ready.errno;
    if (ready.file) {
      const result = await this.#move(fd, ready.file, Math.min(ready.room, MOST_BYTES));
      if (result > 0) {
        this.#wrote(ready.file, result);
        return { bytes: result, empty: false, ended: false };
      }
      errno = -result;
      if (errno === 0 || errno === Errno.EAGAIN || errno === Errno.EINTR) {
        return { bytes: 0, empty: errno !== Errno.EINTR, ended: false };
      }
    }
    if (isFull(errno) && this.#removeOldest()) return { bytes: 0, empty: false, ended: false };
    const bytes = this.#discard(fd, errno);
    return { bytes, empty: bytes === 0, ended: false };
  }

  /** Moves bytes to the end of the data file. Only this waits for a slow disk, then on a thread of its own. */
  async #move(fd: number, { data, size }: LogFile, most: number): Promise<number> {
    if (!this.#canSplice) return copyByTee(fd, data, size, most);
    const before = performance.now();
    const call = before < this.#slowUntil ? waitingSyscall : trySyscall;
    const result = await call("splice", fd, null, data, new BigInt64Array([BigInt(size)]), most, SPLICE_F_NONBLOCK);
    const after = performance.now();
    if (after - before >= this.#slowMs) this.#slowUntil = after + SLOW_FOR_MS;
    if (result !== -Errno.EINVAL) return result;
    this.#canSplice = false; // a file system that cannot
    return copyByTee(fd, data, size, most);
  }

  /** Takes what is in a FIFO and throws it away: its writer must not wait for a disk that stays full. */
  #discard(fd: number, errno: number): number {
    const bytes = Math.min(bytesIn(fd), MOST_BYTES);
    // Noted first: of bytes that are told as missing and are there after all nobody loses anything.
    this.#noteGap(bytes, errno);
    return Math.max(0, trySyscall("splice", fd, null, nullDevice(), null, bytes, SPLICE_F_NONBLOCK));
  }

  /** Writes bytes that are in our memory, all of them or a note that they are missing. */
  append(stream: Stream, bytes: Uint8Array): void {
    this.#write(stream, bytes, 0, wallClock);
  }

  /**
   * Appends a file that holds what was left in a FIFO at a container's end, and removes it. Whoever is killed at any instant
   * of it is followed by somebody who calls this again, and each byte comes once.
   *
   * @param path of the file; it may be gone already.
   */
  appendTail(stream: Stream, path: string): void {
    const fd = tryOpen(path);
    if (fd === undefined) return;
    try {
      const bytes = readFile(fd, fileSize(fd)), time = changeTime(fd);
      this.#makeRoom();
      this.#write(stream, bytes, this.#tailDone(stream, time), () => time, Flag.Tail);
    } finally {
      close(fd);
    }
    trySyscall("unlinkat", AT_FDCWD, path, 0);
  }

  /** Writes what comes after the first `done` of some bytes, which are in the log already. */
  #write(stream: Stream, bytes: Uint8Array, done: number, time: () => bigint, flags = 0): void {
    while (done < bytes.length) {
      const { file, errno: why, room } = this.#begin(stream, time(), flags, flags === Flag.Tail ? done : 0);
      let errno = why;
      if (file) {
        const part = bytes.subarray(done, done + room);
        const result = trySyscall("pwrite64", file.data, part, part.length, file.size);
        if (result > 0) {
          this.#wrote(file, result);
          done += result;
          continue;
        }
        errno = -result;
      }
      if (errno === Errno.EINTR || (isFull(errno) && this.#removeOldest())) continue;
      return this.#noteGap(bytes.length - done, errno);
    }
  }

  /** How much of a tail is in the log: its last record says of which tail the last bytes are, and from where on. */
  #tailDone(stream: Stream, time: bigint): number {
    const file = this.#file;
    let last: Record | undefined = file?.last, size = file?.size ?? 0;
    if (file && last?.kind === Kind.Header && file.number > 1) {
      // Just rotated: it is told in the file before.
      const before = file.number - 1, index = tryOpen(indexPath(this.folder, before));
      const data = tryOpen(dataPath(this.folder, before));
      if (index !== undefined && data !== undefined) {
        last = recordsFromEnd(index).next().value?.record;
        size = fileSize(data);
      }
      for (const fd of [index, data]) if (fd !== undefined) close(fd);
    }
    if (last?.kind !== stream || (last.flags & Flag.Tail) === 0 || last.time !== time) return 0;
    return last.count + size - last.offset;
  }

  /** Makes sure that there is a file with room, and notes in it what comes. No file: an errno value says why. */
  #begin(
    stream: Stream,
    time: bigint,
    flags = 0,
    count = 0,
  ): { file: LogFile; errno: 0; room: number } | { file?: never; errno: number; room: 0 } {
    const errno = this.#makeRoom(), file = this.#file;
    if (!file) return { errno, room: 0 };
    if (this.#unnoted > 0) this.#noteGap(0, this.#reason);
    const noted = errno || file.begin(stream, time, flags, count);
    return noted ? { errno: noted, room: 0 } : { file, errno: 0, room: this.#room(file) };
  }

  #wrote(file: LogFile, bytes: number): void {
    file.wrote(bytes);
    if (this.#touch) trySyscall("utimensat", file.data, null, null, 0);
  }

  #noteGap(bytes: number, errno: number): void {
    const missing = bytes + this.#unnoted;
    this.#reason = errno;
    this.#unnoted = this.#file ? this.#file.noteGap(missing, errno) : missing;
  }

  /** How many bytes a file may still get. */
  #room(file: LogFile): number {
    return this.limits.maxBytes - file.allBytes;
  }

  /** Makes sure that there is a file with room for another record and a byte. @returns 0 or an errno value. */
  #makeRoom(): number {
    try {
      this.#file ??= this.#open();
      if (this.#room(this.#file) <= RECORD_BYTES) this.#rotate(this.#file);
      return 0;
    } catch (error) {
      if (error instanceof SyscallError) return error.errno;
      throw error;
    }
  }

  /** Opens the log, or makes it. @throws {SyscallError} A disk that is full now need not be so later. */
  #open(): LogFile {
    makeFolder(this.folder);
    const number = fileNumbers(this.folder).at(-1);
    const file = number === undefined ? LogFile.create(this.folder, 1, 0) : LogFile.reopen(this.folder, number);
    const info = new Uint8Array(120);
    this.#touch = trySyscall("fstatfs", file.data, info) === 0 &&
      new DataView(info.buffer).getUint32(0, true) === OVERLAYFS_SUPER_MAGIC;
    return file;
  }

  /** Begins the next file and removes the oldest one that is too many. @throws {SyscallError} and nothing has changed. */
  #rotate(full: LogFile): void {
    const number = full.number + 1, flags = full.openFlags();
    for (;;) {
      try {
        this.#file = LogFile.create(this.folder, number, flags);
        break;
      } catch (error) {
        if (!(error instanceof SyscallError) || !isFull(error.errno) || !this.#removeOldest()) throw error;
      }
    }
    full.close();
    for (const old of fileNumbers(this.folder)) if (old <= number - this.limits.maxFiles) this.#remove(old);
  }

  /** Removes the oldest file if it is not the one that is written. */
  #removeOldest(): boolean {
    const oldest = fileNumbers(this.folder)[0];
    if (oldest === undefined || this.#file === undefined || oldest >= this.#file.number) return false;
    this.#remove(oldest);
    return true;
  }

  #remove(number: number): void {
    for (const path of [dataPath(this.folder, number), indexPath(this.folder, number)]) {
      trySyscall("unlinkat", AT_FDCWD, path, 0);
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
