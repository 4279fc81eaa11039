/**
 * The index of a log file: fixed-size records that say of which stream the bytes of the data file are, and when they came.
 *
 * A record counts from its offset to the next record's. It is written before the bytes it is about, so bytes without a
 * record never exist, and a record without bytes (its writer was killed in between) does no harm: the next one begins at
 * the same offset, and of those the last one counts.
 *
 *     bytes 0…7    u64  offset in the data file
 *     bytes 8…15   i64  nanoseconds since 1970, by the wall clock as it was then
 *     bytes 16…17  u16  MAGIC; anything else is the end of the index
 *     byte  18     u8   kind
 *     byte  19     u8   flags: bits of `Flag`; of a gap the errno value that was the reason
 *     bytes 20…23  u32  of a gap: how many bytes are missing; of a tail: how many bytes of it came before these
 *
 * Little-endian. The first record of a file is its header.
 */

export const RECORD_BYTES = 24;
const MAGIC = 0x4c6d;

/** Of which stream bytes are, by the number of its descriptor. */
export type Stream = 1 | 2;

export const Kind = {
  Stdout: 1,
  Stderr: 2,
  /** The first of a file. */
  Header: 3,
  /** Here bytes are missing, because they could not be written. */
  Gap: 4,
} as const;
export type Kind = typeof Kind[keyof typeof Kind];

export const Flag = {
  /** In a header: the file before ended within a line of standard output. */
  OutputOpen: 1,
  /** The same of standard error. */
  ErrorsOpen: 2,
  /** The bytes were copied from a tail file, of which `time` is the time of change. */
  Tail: 4,
} as const;

/** In a header: the flag that says that a line of this stream is not at its end. */
export const openFlag = (stream: Stream) => stream === 1 ? Flag.OutputOpen : Flag.ErrorsOpen;

export interface Record {
  readonly kind: Kind;
  readonly flags: number;
  readonly offset: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly count: number;
}

export const isStream = (kind: Kind): kind is Stream => kind === Kind.Stdout || kind === Kind.Stderr;

export function encodeRecord(record: Record, to: Uint8Array, at = 0): void {
  const view = new DataView(to.buffer, to.byteOffset + at, RECORD_BYTES);
  view.setBigUint64(0, BigInt(record.offset), true);
  view.setBigInt64(8, record.time, true);
  view.setUint16(16, MAGIC, true);
  view.setUint8(18, record.kind);
  view.setUint8(19, record.flags);
  view.setUint32(20, record.count, true);
}

/** The record at a place of an index; undefined where there is none. */
export function decodeRecord(from: Uint8Array, at: number): Record | undefined {
  if (at + RECORD_BYTES > from.length) return undefined;
  const view = new DataView(from.buffer, from.byteOffset + at, RECORD_BYTES);
  const kind = view.getUint8(18), offset = Number(view.getBigUint64(0, true));
  if (view.getUint16(16, true) !== MAGIC || kind < 1 || kind > 4 || !Number.isSafeInteger(offset)) return undefined;
  return {
    kind: kind as Kind,
    flags: view.getUint8(19),
    offset,
    time: view.getBigInt64(8, true),
    count: view.getUint32(20, true),
  };
}
