/**
 * Writes a log. Bytes go from a FIFO to the data file by splice(2), which takes and writes them in one system call: whoever
 * is killed at any instant has either moved a byte or left it where it was, and the next writer goes on from there.
 *
 * There is one writer of a log at a time; its owner holds a lock (consumer.ts).
 */
import { AT_FDCWD, O_CREAT, O_RDWR, O_TRUNC, OVERLAYFS_SUPER_MAGIC, SPLICE_F_NONBLOCK } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall, waitingSyscall } from "../../ffi/kernel.ts";
import { open, readFile } from "../../ffi/open.ts";
import { bytesIn, isHungUp, nullDevice } from "./fifo.ts";
import { copyByTee } from "./tee.ts";
import {
  changeTime,
  dataPath,
  fileNumbers,
  fileSize,
  indexPath,
  isLineOpen,
  makeFolder,
  recordsFromEnd,
  tryOpen,
  wallClock,
} from "./files.ts";
import type { LogLimits } from "./options.ts";
import { encodeRecord, Flag, Kind, openFlag, type Record, RECORD_BYTES, type Stream } from "./record.ts";

/** The most that one call moves, so that other containers get their turn. */
const MOST_BYTES = 1 << 20;
/** Bytes of a stream that come within this time of the last record are counted with it. */
const SAME_TIME_NS = 1_000_000n;
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
  #number = 0;
  #data = -1;
  #index = -1;
  /** Bytes in the data file, in the index up to the end of its last record. */
  #size = 0;
  #at = 0;
  #last: Record | undefined;
  /** The gap at the end of the log, while nothing comes after it; and bytes missing that there was no place to note for. */
  #gap: { at: number; record: Record } | undefined;
  #unnoted = 0;
  #reason = 0;
  /** Until when the disk counts as slow, by performance.now(). */
  #slowUntil = 0;
  readonly #slowMs: number;
  #canSplice: boolean;
  /** On overlayfs splicing tells followers nothing before kernel 6.5. */
  #touch = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param folder for example `/var/lib/mini/containers/ID/logs`; made if it is not there. */
  constructor(
    readonly folder: string,
    readonly limits: LogLimits,
    { slowMs = SLOW_MS, canSplice = true }: WriterOptions = {},
  ) {
    this.#slowMs = slowMs;
    this.#canSplice = canSplice;
  }

  /** Opens the log for writing, at first use. A disk that is full now need not be so later. @throws {SyscallError} */
  #open(): void {
    makeFolder(this.folder);
    const numbers = fileNumbers(this.folder);
    this.#number = numbers.at(-1) ?? 1;
    if (numbers.length === 0) this.#create(1, 0);
    else this.#reopen();
    const info = new Uint8Array(120);
    this.#touch = trySyscall("fstatfs", this.#data, info) === 0 &&
      new DataView(info.buffer).getUint32(0, true) === OVERLAYFS_SUPER_MAGIC;
    if (this.#unnoted > 0) this.#noteGap(0, this.#reason);
  }

  /** Continues the newest file, whose last writer may have been killed or the machine cut off. */
  #reopen(): void {
    const { folder } = this, number = this.#number;
    this.#data = open(dataPath(folder, number), O_RDWR);
    try {
      this.#index = open(indexPath(folder, number), O_CREAT | O_RDWR, 0o600);
      this.#size = fileSize(this.#data);
      // What the machine did not get to write before it was cut off is not there: the index may be ahead.
      const last = recordsFromEnd(this.#index).find(({ record }) => record.offset <= this.#size);
      this.#at = last ? last.at + RECORD_BYTES : 0;
      syscall("ftruncate", this.#index, this.#at);
      this.#last = last?.record ?? { kind: Kind.Header, flags: 0, offset: 0, time: wallClock(), count: 0 };
      if (!last) this.#append(this.#last);
      // The place for one record more, which a full disk does not take away.
      else trySyscall("pwrite64", this.#index, new Uint8Array(RECORD_BYTES), RECORD_BYTES, this.#at);
      if (this.#last.kind === Kind.Gap && this.#last.offset === this.#size) {
        this.#gap = { at: this.#at - RECORD_BYTES, record: this.#last };
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Makes a file and writes to it from then on. @throws {SyscallError} and nothing has changed. */
  #create(number: number, flags: number): void {
    const { folder } = this;
    const header: Record = { kind: Kind.Header, flags, offset: 0, time: wallClock(), count: 0 };
    const bytes = new Uint8Array(2 * RECORD_BYTES);
    encodeRecord(header, bytes);
    // The data file makes it a file of the log, so the index is whole before.
    let data: number | undefined;
    const index = open(indexPath(folder, number), O_CREAT | O_TRUNC | O_RDWR, 0o600);
    try {
      const written = syscall("pwrite64", index, bytes, bytes.length, 0);
      if (written < bytes.length) throw new SyscallError("pwrite64", Errno.ENOSPC, indexPath(folder, number));
      data = open(dataPath(folder, number), O_CREAT | O_RDWR, 0o600);
    } finally {
      if (data === undefined) {
        close(index);
        trySyscall("unlinkat", AT_FDCWD, indexPath(folder, number), 0);
      }
    }
    this.close();
    this.#number = number;
    this.#data = data;
    this.#index = index;
    this.#size = 0;
    this.#at = RECORD_BYTES;
    this.#last = header;
    this.#gap = undefined;
  }

  /** How many bytes the file that is written may still get, with the place for another record that its index ends with. */
  #room(): number {
    return this.limits.maxBytes - this.#size - this.#at - RECORD_BYTES;
  }

  /** Begins the next file and removes the oldest one that is too many. @throws {SyscallError} and nothing has changed. */
  #rotate(): void {
    const flags = ([1, 2] as const).reduce(
      (flags, stream) => flags | (isLineOpen(this.#data, this.#index, stream, this.#size) ? openFlag(stream) : 0),
      0,
    );
    this.#retryWithSpace(() => this.#create(this.#number + 1, flags));
    for (const number of fileNumbers(this.folder)) {
      if (number <= this.#number - this.limits.maxFiles) this.#remove(number);
    }
  }

  #remove(number: number): void {
    for (const path of [dataPath(this.folder, number), indexPath(this.folder, number)]) {
      trySyscall("unlinkat", AT_FDCWD, path, 0);
    }
  }

  /** Does something again for each older file that it removes, as long as the disk is too full for it. */
  #retryWithSpace(action: () => void): void {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!(error instanceof SyscallError) || !isFull(error.errno) || !this.#removeOldest()) throw error;
      }
    }
  }

  /** Removes the oldest file if it is not the one that is written. */
  #removeOldest(): boolean {
    const oldest = fileNumbers(this.folder)[0];
    if (oldest === undefined || oldest >= this.#number) return false;
    this.#remove(oldest);
    return true;
  }

  /** Writes a record and a place for another after it. @returns 0 or an errno value; then there may be no such place. */
  #append(record: Record): number {
    const bytes = new Uint8Array(2 * RECORD_BYTES);
    encodeRecord(record, bytes);
    const written = trySyscall("pwrite64", this.#index, bytes, bytes.length, this.#at);
    if (written >= RECORD_BYTES) {
      this.#at += RECORD_BYTES;
      this.#last = record;
    }
    if (written === bytes.length) return 0;
    return written < 0 ? -written : Errno.ENOSPC;
  }

  /** Writes a record over one that is there. */
  #overwrite(at: number, record: Record): void {
    const bytes = new Uint8Array(RECORD_BYTES);
    encodeRecord(record, bytes);
    trySyscall("pwrite64", this.#index, bytes, bytes.length, at);
  }

  /** Whether the last record has no bytes, and may become another. */
  get #lastIsEmpty(): boolean {
    const last = this.#last!;
    return last.offset === this.#size && (last.kind === Kind.Stdout || last.kind === Kind.Stderr);
  }

  /** Notes of which stream the next bytes are. @returns 0 or an errno value. */
  #begin(stream: Stream, time: bigint, flags = 0, count = 0): number {
    const last = this.#last!;
    const record: Record = { kind: stream, flags, offset: this.#size, time, count };
    if (this.#lastIsEmpty) {
      this.#overwrite(this.#at - RECORD_BYTES, record);
      this.#last = record;
      return 0;
    }
    if (last.kind === stream && last.flags === 0 && flags === 0) {
      const since = time - last.time;
      if (since >= 0n && since < SAME_TIME_NS) return 0;
    }
    return this.#append(record);
  }

  /** Notes that bytes are missing. */
  #noteGap(bytes: number, errno: number): void {
    const missing = bytes + this.#unnoted;
    const gap = this.#gap;
    if (this.#data < 0) {
      this.#unnoted = missing;
      this.#reason = errno;
      return;
    }
    this.#unnoted = 0;
    if (gap) {
      if (this.#lastIsEmpty) {
        // A try to go on, which did not succeed.
        trySyscall("pwrite64", this.#index, new Uint8Array(RECORD_BYTES), RECORD_BYTES, this.#at - RECORD_BYTES);
        this.#at -= RECORD_BYTES;
      }
      const count = Math.min(gap.record.count + missing, 0xffffffff);
      this.#unnoted = gap.record.count + missing - count;
      gap.record = this.#last = { ...gap.record, count };
      this.#overwrite(gap.at, gap.record);
      return;
    }
    const count = Math.min(missing, 0xffffffff);
    const record: Record = { kind: Kind.Gap, flags: errno & 0xff, offset: this.#size, time: wallClock(), count };
    if (this.#lastIsEmpty) {
      this.#overwrite(this.#at - RECORD_BYTES, record);
      this.#last = record;
    } else {
      const at = this.#at;
      this.#append(record);
      if (this.#at === at) {
        this.#unnoted = missing;
        return;
      }
    }
    this.#unnoted = missing - count;
    this.#gap = { at: this.#at - RECORD_BYTES, record };
  }

  #wrote(bytes: number): void {
    this.#size += bytes;
    this.#gap = undefined;
    if (this.#touch) trySyscall("utimensat", this.#data, null, null, 0);
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
    const there = bytesIn(fd);
    if (there === 0) return { bytes: 0, empty: true, ended: isHungUp(fd) };
    let errno = this.#makeRoom() || this.#begin(stream, wallClock());
    if (errno === 0) {
      const result = await this.#move(fd, Math.min(this.#room(), MOST_BYTES));
      if (result > 0) {
        this.#wrote(result);
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

  /** Makes sure that there is a file with room for another record and a byte. @returns 0 or an errno value. */
  #makeRoom(): number {
    try {
      if (this.#data < 0) this.#open();
      if (this.#room() <= RECORD_BYTES) this.#rotate();
      return 0;
    } catch (error) {
      if (error instanceof SyscallError) return error.errno;
      throw error;
    }
  }

  /** Moves bytes to the end of the data file. Only this waits for a slow disk, then on a thread of its own. */
  async #move(fd: number, most: number): Promise<number> {
    if (!this.#canSplice) return copyByTee(fd, this.#data, this.#size, most);
    const before = performance.now();
    const call = before < this.#slowUntil ? waitingSyscall : trySyscall;
    const to = new BigInt64Array([BigInt(this.#size)]);
    const result = await call("splice", fd, null, this.#data, to, most, SPLICE_F_NONBLOCK);
    const after = performance.now();
    if (after - before >= this.#slowMs) this.#slowUntil = after + SLOW_FOR_MS;
    if (result !== -Errno.EINVAL) return result;
    this.#canSplice = false; // a file system that cannot
    return copyByTee(fd, this.#data, this.#size, most);
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
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.subarray(done);
      let errno = this.#makeRoom() || this.#begin(stream, wallClock());
      if (errno === 0) {
        const part = rest.subarray(0, this.#room());
        const result = trySyscall("pwrite64", this.#data, part, part.length, this.#size);
        if (result > 0) {
          this.#wrote(result);
          done += result;
          continue;
        }
        errno = -result;
      }
      if (errno === Errno.EINTR || (isFull(errno) && this.#removeOldest())) continue;
      this.#noteGap(rest.length, errno);
      return;
    }
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
      let done = this.#tailDone(stream, time);
      while (done < bytes.length) {
        let errno = this.#makeRoom() || this.#begin(stream, time, Flag.Tail, done);
        if (errno === 0) {
          const part = bytes.subarray(done, done + this.#room());
          const result = trySyscall("pwrite64", this.#data, part, part.length, this.#size);
          if (result > 0) {
            this.#wrote(result);
            done += result;
            continue;
          }
          errno = -result;
        }
        if (errno === Errno.EINTR || (isFull(errno) && this.#removeOldest())) continue;
        this.#noteGap(bytes.length - done, errno);
        break;
      }
    } finally {
      close(fd);
    }
    trySyscall("unlinkat", AT_FDCWD, path, 0);
  }

  /** How much of a tail is in the log: its last record says of which tail the last bytes are, and from where on. */
  #tailDone(stream: Stream, time: bigint): number {
    let last = this.#last, size = this.#size;
    if (last?.kind === Kind.Header && this.#number > 1) {
      // Just rotated: it is told in the file before.
      const before = this.#number - 1, index = tryOpen(indexPath(this.folder, before));
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

  close(): void {
    if (this.#data >= 0) close(this.#data);
    if (this.#index >= 0) close(this.#index);
    this.#data = this.#index = -1;
  }
}
