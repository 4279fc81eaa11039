/**
 * One file of a log while it is written: the data, and the index that says what the data are (record.ts).
 *
 * The index always ends with room for one record more, allocated before it is needed: when the disk is full, what is missing
 * can be noted even so.
 */
import { AT_FDCWD, O_CREAT, O_RDWR, O_TRUNC } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { dataPath, fileSize, indexPath, isLineOpen, recordsFromEnd, wallClock } from "./files.ts";
import { encodeRecord, isStream, Kind, openFlag, type Record, RECORD_BYTES, type Stream } from "./record.ts";

/** Bytes of a stream that come within this time of the last record are counted with it. */
const SAME_TIME_NS = 1_000_000n;
const MOST_COUNTED = 0xffffffff;

const header = (flags: number): Record => ({ kind: Kind.Header, flags, offset: 0, time: wallClock(), count: 0 });

export class LogFile {
  /** Bytes in the data file. */
  #size = 0;
  /** Bytes in the index up to the end of its last record. */
  #at = 0;
  #last: Record;
  /** What is missing at the end, while nothing comes after it. */
  #gap: { at: number; record: Record } | undefined;

  private constructor(readonly number: number, readonly data: number, readonly index: number, last: Record) {
    this.#last = last;
  }

  /** Makes a file. @param flags of its header. @throws {SyscallError} and nothing is left of it. */
  static create(folder: string, number: number, flags: number): LogFile {
    const bytes = new Uint8Array(2 * RECORD_BYTES), first = header(flags), path = indexPath(folder, number);
    encodeRecord(first, bytes);
    // The data file makes it a file of the log, so the index is whole before.
    const index = open(path, O_CREAT | O_TRUNC | O_RDWR, 0o600);
    try {
      const written = syscall("pwrite64", index, bytes, bytes.length, 0);
      if (written < bytes.length) throw new SyscallError("pwrite64", Errno.ENOSPC, path);
      const file = new LogFile(number, open(dataPath(folder, number), O_CREAT | O_RDWR, 0o600), index, first);
      file.#at = RECORD_BYTES;
      return file;
    } catch (error) {
      close(index);
      trySyscall("unlinkat", AT_FDCWD, path, 0);
      throw error;
    }
  }

  /** Continues a file whose last writer may have been killed, or cut off with the machine. @throws {SyscallError} */
  static reopen(folder: string, number: number): LogFile {
    const data = open(dataPath(folder, number), O_RDWR);
    let index: number | undefined;
    try {
      index = open(indexPath(folder, number), O_CREAT | O_RDWR, 0o600);
      const size = fileSize(data);
      // What the machine did not get to write before it was cut off is not there: the index may be ahead.
      const last = recordsFromEnd(index).find(({ record }) => record.offset <= size);
      const file = new LogFile(number, data, index, last?.record ?? header(0));
      file.#size = size;
      file.#at = last ? last.at + RECORD_BYTES : 0;
      syscall("ftruncate", index, file.#at);
      if (!last) file.#append(file.#last);
      else file.#clear(file.#at);
      if (file.#last.kind === Kind.Gap && file.#last.offset === size) {
        file.#gap = { at: file.#at - RECORD_BYTES, record: file.#last };
      }
      return file;
    } catch (error) {
      for (const fd of [data, index]) if (fd !== undefined) close(fd);
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  get last(): Record {
    return this.#last;
  }

  /** Bytes of both files, with the room at the end of the index. */
  get allBytes(): number {
    return this.#size + this.#at + RECORD_BYTES;
  }

  /** What the next file's header says: which lines go on in it. */
  openFlags(): number {
    const flag = (stream: Stream) => isLineOpen(this.data, this.index, stream, this.#size) ? openFlag(stream) : 0;
    return flag(1) | flag(2);
  }

  /** Notes of which stream the next bytes are. @returns 0 or an errno value. */
  begin(stream: Stream, time: bigint, flags = 0, count = 0): number {
    const last = this.#last, record: Record = { kind: stream, flags, offset: this.#size, time, count };
    if (this.#lastIsEmpty) {
      this.#overwrite(this.#at - RECORD_BYTES, record);
      this.#last = record;
      return 0;
    }
    const since = time - last.time;
    if (last.kind === stream && last.flags === 0 && flags === 0 && since >= 0n && since < SAME_TIME_NS) return 0;
    return this.#append(record);
  }

  /** Counts bytes that are at the end of the data now. */
  wrote(bytes: number): void {
    this.#size += bytes;
    this.#gap = undefined;
  }

  /** Notes that bytes are missing. @param errno why. @returns how many of them there was no place to note for. */
  noteGap(missing: number, errno: number): number {
    const gap = this.#gap;
    if (gap) {
      // A try to go on, which did not succeed.
      if (this.#lastIsEmpty) this.#clear(this.#at -= RECORD_BYTES);
      const count = Math.min(gap.record.count + missing, MOST_COUNTED);
      const rest = gap.record.count + missing - count;
      gap.record = this.#last = { ...gap.record, count };
      this.#overwrite(gap.at, gap.record);
      return rest;
    }
    const count = Math.min(missing, MOST_COUNTED);
    const record: Record = { kind: Kind.Gap, flags: errno & 0xff, offset: this.#size, time: wallClock(), count };
    if (this.#lastIsEmpty) {
      this.#overwrite(this.#at - RECORD_BYTES, record);
      this.#last = record;
    } else {
      this.#append(record);
      if (this.#last !== record) return missing;
    }
    this.#gap = { at: this.#at - RECORD_BYTES, record };
    return missing - count;
  }

  /** Whether the last record has no bytes, and may become another. */
  get #lastIsEmpty(): boolean {
    return isStream(this.#last.kind) && this.#last.offset === this.#size;
  }

  /** Writes a record and room for another after it. @returns 0 or an errno value; the record may be there, then without that. */
  #append(record: Record): number {
    const bytes = new Uint8Array(2 * RECORD_BYTES);
    encodeRecord(record, bytes);
    const written = trySyscall("pwrite64", this.index, bytes, bytes.length, this.#at);
    if (written >= RECORD_BYTES) {
      this.#at += RECORD_BYTES;
      this.#last = record;
    }
    if (written === bytes.length) return 0;
    return written < 0 ? -written : Errno.ENOSPC;
  }

  #overwrite(at: number, record: Record): void {
    const bytes = new Uint8Array(RECORD_BYTES);
    encodeRecord(record, bytes);
    trySyscall("pwrite64", this.index, bytes, bytes.length, at);
  }

  #clear(at: number): void {
    trySyscall("pwrite64", this.index, new Uint8Array(RECORD_BYTES), RECORD_BYTES, at);
  }

  close(): void {
    close(this.data);
    close(this.index);
  }
}
