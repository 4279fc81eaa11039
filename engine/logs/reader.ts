/** Reads a log from its files, oldest first, while it is written and rotated: pieces of what was printed, as they came. */
import { close } from "../../ffi/kernel.ts";
import {
  changeTime,
  dataPath,
  fileNumbers,
  fileSize,
  INDEX_BYTES,
  indexPath,
  isLineOpen,
  isUnlinked,
  type Placed,
  readAt,
  recordsFromEnd,
  tryOpen,
} from "./files.ts";
import { decodeRecord, isStream, Kind, RECORD_BYTES, type Stream } from "./record.ts";

const CHUNK_BYTES = 256 << 10;

/** Bytes of one stream that came at one time. */
export interface Piece {
  readonly type: "data";
  readonly stream: Stream;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Valid until the next item is asked for. */
  readonly bytes: Uint8Array;
}

/** Bytes that could not be written. */
export interface Gap {
  readonly type: "gap";
  readonly bytes: number;
  /** Why: an errno value. */
  readonly errno: number;
  readonly time: bigint;
}

/** What comes does not follow what came before. */
export interface Start {
  readonly type: "start";
  /** Files that were removed before they were read, because the log was rotated faster. */
  readonly skippedFiles: number;
  /** Whether a stream's first bytes are the rest of a line. */
  readonly open: { readonly 1: boolean; readonly 2: boolean };
}

export type Item = Piece | Gap | Start;

/** A place in a log. */
export interface Position {
  readonly number: number;
  readonly offset: number;
}

/** Where a log ends now. */
export function endOf(folder: string): Position {
  for (;;) {
    const number = fileNumbers(folder).at(-1);
    if (number === undefined) return { number: 1, offset: 0 };
    const fd = tryOpen(dataPath(folder, number));
    if (fd === undefined) continue; // rotated away just now
    try {
      return { number, offset: fileSize(fd) };
    } finally {
      close(fd);
    }
  }
}

export class LogReader implements Disposable {
  #number = 0;
  #data = -1;
  #index = -1;
  #position = 0;
  /** The place in the index of the first record that no byte was read of. */
  #at = 0;
  /** What the bytes at `#position` are. */
  #stream: Stream = 1;
  #time = 0n;
  /** How much of the gap at `#position` was told. */
  #gapTold = 0;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  readonly #records = new Uint8Array(INDEX_BYTES);

  /** @param from where to begin; without it at the oldest byte that there is. */
  constructor(readonly folder: string, readonly from?: Position) {}

  /** The number of the file that is read; 0 before there is one. */
  get number(): number {
    return this.#number;
  }

  /**
   * What there is and was not read yet. Ends when all is read; called again, it tells what came since.
   *
   * @param until where it ends at the latest: whoever prints as fast as this reads would keep it reading for ever.
   */
  *read(until?: Position): Generator<Item> {
    if (this.#number === 0) {
      const start = this.#begin();
      if (!start) return;
      yield start;
    }
    for (;;) {
      const before = this.#position;
      if (until && (this.#number > until.number || this.#number === until.number && before >= until.offset)) return;
      yield* this.#chunk(until?.number === this.#number ? until.offset - before : undefined);
      if (this.#position > before) continue;
      const next = this.#openNext();
      if (!next) return;
      // The writer was done with this file when it made the next one: what it wrote to it by then is there now.
      do {
        const before = this.#position;
        yield* this.#chunk();
        if (this.#position === before) break;
      } while (true);
      const skippedFiles = next.number - this.#number - 1;
      this.#enter(next);
      if (skippedFiles > 0) yield { type: "start", skippedFiles, open: this.#openLines(0) };
    }
  }

  /** Opens the first file to read. */
  #begin(): Start | undefined {
    const { folder, from } = this;
    for (;;) {
      const number = fileNumbers(folder).find((number) => number >= (from?.number ?? 0));
      if (number === undefined) return undefined;
      const data = tryOpen(dataPath(folder, number));
      if (data === undefined) continue; // rotated away just now
      const isFrom = number === from?.number;
      this.#enter({ number, data });
      if (isFrom) this.#seek(from.offset);
      return {
        type: "start",
        skippedFiles: from && !isFrom ? number - from.number : 0,
        open: this.#openLines(this.#position),
      };
    }
  }

  /** The next file that there is. */
  #openNext(): { number: number; data: number } | undefined {
    let number: number | undefined = this.#number + 1;
    for (;;) {
      const data = tryOpen(dataPath(this.folder, number));
      if (data !== undefined) return { number, data };
      // The oldest file goes first: as long as ours is there, the next one is not gone but not there yet.
      if (!isUnlinked(this.#data)) return undefined;
      number = fileNumbers(this.folder).find((number) => number > this.#number);
      if (number === undefined) return undefined;
    }
  }

  #enter({ number, data }: { number: number; data: number }): void {
    this.#close();
    this.#number = number;
    this.#data = data;
    this.#index = tryOpen(indexPath(this.folder, number)) ?? -1;
    this.#position = this.#at = this.#gapTold = 0;
    this.#stream = 1;
    this.#time = changeTime(data); // until a record says it better
  }

  #seek(offset: number): void {
    this.#position = offset;
    let isFirst = true;
    for (const { record, at } of this.#index < 0 ? [] : recordsFromEnd(this.#index)) {
      if (record.offset >= offset) continue;
      if (isFirst) this.#at = at + RECORD_BYTES;
      isFirst = false;
      if (!isStream(record.kind)) continue;
      this.#stream = record.kind;
      this.#time = record.time;
      break;
    }
  }

  #openLines(offset: number): Start["open"] {
    const isOpen = (stream: Stream) => isLineOpen(this.#data, this.#index, stream, offset);
    return { 1: isOpen(1), 2: isOpen(2) };
  }

  #pass({ record, at }: Placed): void {
    this.#at = at + RECORD_BYTES;
    if (record.kind === Kind.Gap) this.#gapTold = 0;
    else this.#time = record.time;
    if (isStream(record.kind)) this.#stream = record.kind;
  }

  /** Reads some bytes, and after them what the index says of them: it was written before they were. */
  *#chunk(most = CHUNK_BYTES): Generator<Item> {
    const start = this.#position, length = readAt(this.#data, this.#buffer.subarray(0, most), start);
    const end = start + length;
    const piece = (until: number): Piece => {
      const bytes = this.#buffer.subarray(this.#position - start, until - start);
      this.#position = until;
      return { type: "data", stream: this.#stream, time: this.#time, bytes };
    };
    for (const placed of this.#nextRecords(end)) {
      const { record } = placed;
      if (record.offset > this.#position) yield piece(record.offset);
      if (record.kind === Kind.Gap && record.count > this.#gapTold) {
        yield { type: "gap", bytes: record.count - this.#gapTold, errno: record.flags, time: record.time };
        this.#gapTold = record.count;
      }
      // A record at the end may become another one, or a gap may grow, until there are bytes after it.
      if (record.offset < end) this.#pass(placed);
    }
    if (end > this.#position) yield piece(end);
  }

  /** The records that come next and begin at or before an offset. */
  *#nextRecords(until: number): Generator<Placed> {
    if (this.#index < 0) return;
    for (let from = this.#at;;) {
      const length = readAt(this.#index, this.#records, from);
      for (let at = 0; at + RECORD_BYTES <= length; at += RECORD_BYTES) {
        const record = decodeRecord(this.#records, at);
        // What is no record is the place for the next one, or damage.
        if (record && record.offset > until) return;
        if (record) yield { record, at: from + at };
      }
      if (length < this.#records.length) return;
      from += length;
    }
  }

  #close(): void {
    if (this.#data >= 0) close(this.#data);
    if (this.#index >= 0) close(this.#index);
    this.#data = this.#index = -1;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
