/**
 * The four ways in which GNU tar writes files with holes: the old header of type S, and PAX versions 0.0, 0.1 and 1.0
 * (GNU tar manual, appendix D). Malformed maps throw a RangeError.
 */
import { BLOCK, decimal, number, paxNumber, type PaxRecords } from "./tar_fields.ts";

/** A piece of a file that has content. */
export interface Segment {
  offset: number;
  length: number;
}

/** Pieces of one file; a real map has a few dozen. */
const MAX_SEGMENTS = 1_000_000;
const MALFORMED = "the map of a sparse file is malformed";

/** Checks a map: ascending, inside the file, and exactly as long as the stored content. Leaves out empty pieces. */
export function parseSparseMap(segments: Segment[], realSize: number, stored: number): Segment[] {
  let end = 0, total = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > realSize) throw new RangeError(MALFORMED);
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw new RangeError("the map of a sparse file does not fit its content");
  return segments.filter(({ length }) => length > 0);
}

/** What PAX records say of holes; undefined for an ordinary file. `in data`: version 1.0, whose map precedes the content. */
export function sparseFromPax(
  pax: PaxRecords,
): { kind: "map"; segments: Segment[]; realSize: number } | { kind: "in data"; realSize: number } | undefined {
  const { values, sparsePairs } = pax;
  if (values.has("GNU.sparse.major")) {
    const version = `${paxNumber(pax, "GNU.sparse.major")}.${
      values.has("GNU.sparse.minor") ? paxNumber(pax, "GNU.sparse.minor") : 0
    }`;
    if (version !== "1.0") throw new RangeError(`a sparse file has the unknown version ${version}`);
    if (!values.has("GNU.sparse.realsize")) throw new RangeError("a sparse file has no size");
    return { kind: "in data", realSize: paxNumber(pax, "GNU.sparse.realsize") };
  }
  const map = values.get("GNU.sparse.map");
  if (map === undefined && sparsePairs.length === 0 && !values.has("GNU.sparse.numblocks")) return undefined;
  if (!values.has("GNU.sparse.size")) throw new RangeError("a sparse file has no size");
  const numbers = map === undefined
    ? sparsePairs
    : new TextDecoder().decode(map).split(",").map((text) => decimal(new TextEncoder().encode(text), "GNU.sparse.map"));
  if (numbers.length % 2 !== 0) throw new RangeError(MALFORMED);
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) segments.push({ offset: numbers[i]!, length: numbers[i + 1]! });
  return { kind: "map", segments, realSize: paxNumber(pax, "GNU.sparse.size") };
}

/** The map of an old GNU header (type S): four pieces in the header, 21 in each block that follows. */
export class OldSparse {
  readonly segments: Segment[] = [];
  readonly realSize: number;
  isExtended: boolean;

  constructor(header: Uint8Array, at: number) {
    this.take(header, at + 386, 4);
    this.isExtended = header[at + 482] !== 0;
    this.realSize = number(header, at + 483, 12, "size");
  }

  /** Adds a block that follows the header. */
  extend(block: Uint8Array, at: number): void {
    this.take(block, at, 21);
    this.isExtended = block[at + 504] !== 0;
    if (this.segments.length > MAX_SEGMENTS) throw new RangeError("a sparse file has too many pieces");
  }

  private take(block: Uint8Array, at: number, count: number): void {
    for (let i = 0; i < count; i++, at += 24) {
      if (block[at] === 0) return;
      const offset = number(block, at, 12, "offset"), length = number(block, at + 12, 12, "size");
      if (offset < 0 || length < 0) throw new RangeError(MALFORMED);
      this.segments.push({ offset, length });
    }
  }
}

/** The map of PAX version 1.0: decimal numbers on lines, the count of pieces first, padded to a block. */
export class SparseMapText {
  private readonly numbers: number[] = [];
  private value = 0;
  private digits = 0;

  /** Adds one block; returns the map if this was its last one. */
  add(block: Uint8Array): Segment[] | undefined {
    for (let i = 0; i < BLOCK; i++) {
      const byte = block[i]!;
      if (byte !== 0x0a) {
        if (byte < 0x30 || byte > 0x39 || ++this.digits > 15) throw new RangeError(MALFORMED);
        this.value = this.value * 10 + byte - 0x30;
        continue;
      }
      if (this.digits === 0) throw new RangeError(MALFORMED);
      this.numbers.push(this.value);
      this.value = this.digits = 0;
      const count = this.numbers[0]!;
      if (count > MAX_SEGMENTS) throw new RangeError("a sparse file has too many pieces");
      if (this.numbers.length === 1 + 2 * count) return this.segments(count);
    }
    return undefined;
  }

  private segments(count: number): Segment[] {
    return Array.from(
      { length: count },
      (_, i) => ({ offset: this.numbers[1 + 2 * i]!, length: this.numbers[2 + 2 * i]! }),
    );
  }
}
