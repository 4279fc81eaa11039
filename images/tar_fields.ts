/** The fields of tar headers and PAX records. What is malformed throws a RangeError, which the reader puts into its sentence. */
import type { Time } from "../ffi/files.ts";

/** Bytes of a block: headers, and the unit contents are padded to. */
export const BLOCK = 512;

/** Whether a block holds nothing but zeros. */
export function isZeroBlock(block: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Whether the checksum fits, counted with unsigned bytes (POSIX) or with signed ones (some old programs). */
export function checksumMatches(block: Uint8Array, at: number): boolean {
  let unsigned = 8 * 0x20, high = 0;
  for (let i = at; i < at + BLOCK; i++) {
    if (i === at + 148) i += 8; // the checksum itself counts as spaces
    const byte = block[i]!;
    unsigned += byte;
    high += byte >> 7;
  }
  const stated = number(block, at + 148, 8, "checksum");
  return stated === unsigned || stated === unsigned - 256 * high;
}

/** The text of a field up to its first NUL, as bytes. */
export function field(block: Uint8Array, at: number, length: number): Uint8Array {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return block.subarray(at, end);
}

/** A number: octal digits with spaces and NULs around them, or GNU's base-256 form. An empty field is 0. */
export function number(block: Uint8Array, at: number, length: number, what: string): number {
  const first = block[at]!;
  if (first & 0x80) return base256(block.subarray(at, at + length), what);
  let i = at, value = 0;
  const end = at + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  for (; i < end; i++) {
    const digit = block[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) {
    if (block[i] === 0) break; // what follows a NUL means nothing
    if (block[i] !== 0x20) throw new RangeError(`a ${what} is no octal number`);
  }
  return value;
}

function base256(bytes: Uint8Array, what: string): number {
  // Two's complement, big endian; the top bit is the mark of this form, the one below it the sign.
  const negative = (bytes[0]! & 0x40) !== 0;
  let value = BigInt(negative ? bytes[0]! | -0x80 : bytes[0]! & 0x7f);
  for (let i = 1; i < bytes.length; i++) value = value * 256n + BigInt(bytes[i]!);
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new RangeError(`a ${what} is out of range`);
  }
  return Number(value);
}

/** The records of one PAX header. */
export interface PaxRecords {
  /** By key, the last one wins; values are bytes. Empty values are left out: they mean "as in the header". */
  values: Map<string, Uint8Array>;
  xattrs: [name: string, value: Uint8Array][];
  /** GNU.sparse.offset and GNU.sparse.numbytes in their order, which version 0.0 repeats for each piece. */
  sparsePairs: number[];
}

const decoder = new TextDecoder();
const SPACE = 0x20, EQUALS = 0x3d, NEWLINE = 0x0a;

/** Takes `length key=value\n` records apart. @throws {RangeError} */
export function parsePax(bytes: Uint8Array): PaxRecords {
  const records: PaxRecords = { values: new Map(), xattrs: [], sparsePairs: [] };
  const xattrs = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    let length = 0, i = at;
    for (; i < bytes.length && i < at + 10 && bytes[i] !== SPACE; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) throw new RangeError("a PAX record has no valid length");
      length = length * 10 + digit;
    }
    const end = at + length;
    if (bytes[i] !== SPACE || end > bytes.length || end <= i + 1 || bytes[end - 1] !== NEWLINE) {
      throw new RangeError("a PAX record has no valid length");
    }
    const equals = bytes.indexOf(EQUALS, i + 1);
    if (equals < 0 || equals >= end) throw new RangeError("a PAX record has no =");
    const key = decoder.decode(bytes.subarray(i + 1, equals));
    addRecord(records, xattrs, key, bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  records.xattrs = [...xattrs];
  return records;
}

function addRecord(records: PaxRecords, xattrs: Map<string, Uint8Array>, key: string, value: Uint8Array): void {
  if (key.startsWith("SCHILY.xattr.")) {
    xattrs.set(key.slice("SCHILY.xattr.".length), value);
  } else if (key.startsWith("LIBARCHIVE.xattr.")) {
    const name = decodeURIComponentOrNot(key.slice("LIBARCHIVE.xattr.".length));
    // bsdtar writes both forms; SCHILY's is the one that everybody reads.
    if (!xattrs.has(name)) xattrs.set(name, base64(value));
  } else if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
    const expected = records.sparsePairs.length % 2 === 0 ? "GNU.sparse.offset" : "GNU.sparse.numbytes";
    if (key !== expected) throw new RangeError("the map of a sparse file is malformed");
    records.sparsePairs.push(decimal(value, key));
  } else if (value.length === 0) {
    records.values.delete(key);
  } else {
    if (value.includes(0) && (key === "path" || key === "linkpath" || key === "GNU.sparse.name")) {
      throw new RangeError("a name has a NUL in it");
    }
    records.values.set(key, value);
  }
}

function decodeURIComponentOrNot(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError("the name of an extended attribute is malformed");
  }
}

function base64(bytes: Uint8Array): Uint8Array {
  try {
    return Uint8Array.from(atob(decoder.decode(bytes)), (c) => c.charCodeAt(0));
  } catch {
    throw new RangeError("the value of an extended attribute is malformed");
  }
}

/** A decimal number of bytes. @throws {RangeError} */
export function decimal(bytes: Uint8Array, what: string): number {
  const text = decoder.decode(bytes);
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new RangeError(`${what} is no valid number`);
  return value;
}

/** A PAX record that is a whole number, not negative. @throws {RangeError} */
export function paxNumber(pax: PaxRecords, key: string): number {
  return decimal(pax.values.get(key)!, key);
}

/** A PAX record that is a time: decimal seconds, possibly negative and with a fraction. @throws {RangeError} */
export function paxTime(pax: PaxRecords, key: string): Time {
  const match = /^(-?)([0-9]{1,12})(?:\.([0-9]*))?$/.exec(decoder.decode(pax.values.get(key)!));
  if (!match) throw new RangeError(`${key} is no valid time`);
  const seconds = Number(match[2]), nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds, nanoseconds };
  // -1.25 is 0.75 s after -2.
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
