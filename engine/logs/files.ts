/** The files of a log: `N.data` holds what was printed, `N.index` what is known of it (record.ts); the highest N is written. */
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { AT_EMPTY_PATH, AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { decodeRecord, isStream, Kind, openFlag, type Record, RECORD_BYTES, type Stream } from "./record.ts";

export const dataPath = (folder: string, number: number) => `${folder}/${number}.data`;
export const indexPath = (folder: string, number: number) => `${folder}/${number}.index`;

/** Makes the folder of a log; not its parents: those of a container that is just being removed are not made again. @throws {SyscallError} */
export function makeFolder(folder: string): void {
  const result = trySyscall("mkdirat", AT_FDCWD, folder, 0o700);
  if (result < 0 && result !== -Errno.EEXIST) throw new SyscallError("mkdirat", -result, folder);
}

/**
 * Makes an empty log where there is none yet. Whoever follows it then has its file open, and can read it to its end even if
 * the container is removed in between; the writer goes on with it.
 *
 * @returns false if the container is gone. @throws {SyscallError} on any other failure.
 */
export function makeLog(folder: string): boolean {
  try {
    makeFolder(folder);
    if (fileNumbers(folder).length > 0) return true;
    // The index first: a data file has one.
    for (const path of [indexPath(folder, 1), dataPath(folder, 1)]) close(open(path, O_CREAT | O_RDWR, 0o600));
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return false;
    throw error;
  }
}

/** The numbers of a log's files, the oldest first; none if the folder is not there. */
export function fileNumbers(folder: string): number[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => /^([1-9]\d{0,14})\.data$/.exec(name)?.[1])
      .filter((number) => number !== undefined).map(Number).sort((a, b) => a - b);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Opens a file for reading; undefined if it is gone. @throws {SyscallError} on any other failure. */
export function tryOpen(path: string): number | undefined {
  try {
    return open(path, O_RDONLY);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}

/** The size of an open file in bytes. */
export const fileSize = (fd: number) => syscall("lseek", fd, 0, 2 /* SEEK_END */);

/** Reads into a buffer from an offset on, as much as there is. @returns the bytes read. @throws {SyscallError} */
export function readAt(fd: number, buffer: Uint8Array, offset: number): number {
  let done = 0;
  while (done < buffer.length) {
    const count = syscall("pread64", fd, buffer.subarray(done), buffer.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** A record and where it is in its index. */
export interface Placed {
  readonly record: Record;
  readonly at: number;
}

/** How much of an index is read at once. */
export const INDEX_BYTES = 1024 * RECORD_BYTES;

/**
 * The records of an index from the last one back. What is no record is passed over: the place at the end that is kept for
 * the next one, and what a machine that was cut off has left.
 */
export function* recordsFromEnd(indexFd: number): Generator<Placed> {
  const buffer = new Uint8Array(INDEX_BYTES), size = fileSize(indexFd);
  for (let end = size - size % RECORD_BYTES; end > 0;) {
    const start = Math.max(0, end - INDEX_BYTES);
    const bytes = buffer.subarray(0, readAt(indexFd, buffer.subarray(0, end - start), start));
    for (let at = bytes.length - RECORD_BYTES; at >= 0; at -= RECORD_BYTES) {
      const record = decodeRecord(bytes, at);
      if (record) yield { record, at: start + at };
    }
    end = start;
  }
}

/** Whether a line of a stream is not at its end at an offset of a data file. @param indexFd -1 if there is no index. */
export function isLineOpen(dataFd: number, indexFd: number, stream: Stream, offset: number): boolean {
  let end = offset, header: Record | undefined;
  for (const { record } of indexFd < 0 ? [] : recordsFromEnd(indexFd)) {
    if (record.kind === Kind.Header) header = record;
    if (record.offset >= end) continue; // nothing of it, or what comes after
    if ((isStream(record.kind) ? record.kind : 1) === stream) return byteAt(dataFd, end - 1) !== 0x0a;
    end = record.offset;
  }
  if (header) return (header.flags & openFlag(stream)) !== 0;
  // A damaged index: bytes that no record is about are taken for standard output.
  return end > 0 && stream === 1 && byteAt(dataFd, end - 1) !== 0x0a;
}

function byteAt(fd: number, offset: number): number | undefined {
  const byte = new Uint8Array(1);
  return readAt(fd, byte, offset) === 1 ? byte[0] : undefined;
}

const clock = new BigInt64Array(2);
/** The wall clock, in nanoseconds since 1970. */
export function wallClock(): bigint {
  trySyscall("clock_gettime", 0, clock);
  return clock[0]! * 1_000_000_000n + clock[1]!;
}

/** When a file's content was changed last, in nanoseconds since 1970. @throws {SyscallError} */
export function changeTime(fd: number): bigint {
  const info = new Uint8Array(256), view = new DataView(info.buffer);
  syscall("statx", fd, "", AT_EMPTY_PATH, 0x40, /* STATX_MTIME */ info);
  return view.getBigInt64(112, true) * 1_000_000_000n + BigInt(view.getUint32(120, true));
}

/** Whether an open file has no name any more. @throws {SyscallError} */
export function isUnlinked(fd: number): boolean {
  const info = new Uint8Array(256);
  syscall("statx", fd, "", AT_EMPTY_PATH, 0x4, /* STATX_NLINK */ info);
  return new DataView(info.buffer).getUint32(16, true) === 0;
}
