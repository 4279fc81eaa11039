/**
 * Reads tar archives as a stream, byte by byte exact: ustar, PAX (path, linkpath, size, uid, gid, mtime,
 * SCHILY.xattr, LIBARCHIVE.xattr), GNU (long names, base-256 numbers), old GNU and PAX sparse files.
 *
 * The archive may come from an attacker. Everything is bounded and checked; names are bytes and stay bytes; what they
 * mean is for whoever receives them. Specified in pax(1) of POSIX.1-2017 and in the GNU tar manual, appendix D.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Time } from "../ffi/files.ts";
import {
  BLOCK,
  checksumMatches,
  field,
  isZeroBlock,
  number,
  parsePax,
  paxNumber,
  type PaxRecords,
  paxTime,
} from "./tar_fields.ts";
import { OldSparse, parseSparseMap, type Segment, sparseFromPax, SparseMapText } from "./tar_sparse.ts";

export type TarType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/** One entry of an archive. Its byte fields are valid only until the call that receives them returns. */
export interface TarEntry {
  type: TarType;
  /** The name as it stands in the archive, without a terminating NUL. */
  path: Uint8Array;
  /** Where a link points. */
  linkPath: Uint8Array;
  /** The twelve permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of a file, holes included; 0 for everything else. */
  size: number;
  mtime: Time;
  /** The device, of a char or block entry. */
  major: number;
  minor: number;
  xattrs: readonly [name: string, value: Uint8Array][];
}

/** Receives what an archive holds, in its order. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** Content of the last "file" entry. What lies between two calls' offsets is a hole. Valid until this returns. */
  data(bytes: Uint8Array, offset: number): void;
  /** The content of the last "file" entry is complete. */
  endOfFile(): void;
}

/** Bytes of one PAX header or GNU long name. */
const MAX_META = 1024 * 1024;
const NO_XATTRS: readonly [string, Uint8Array][] = [];
const NO_BYTES = new Uint8Array();
const TYPES: Record<number, TarType> = {
  0x00: "file",
  0x30: "file",
  0x31: "hardlink",
  0x32: "symlink",
  0x33: "char",
  0x34: "block",
  0x35: "directory",
  0x36: "fifo",
  0x37: "file",
  0x44: "directory", // GNU dump directory; its content is a list for incremental archives
  0x53: "file", // GNU sparse
};
const enum State {
  Header,
  Meta,
  SparseExtension,
  SparseMap,
  Data,
  Padding,
  End,
}

/** A streaming reader: give it the archive's bytes in pieces of any size. */
export class TarReader {
  private state = State.Header;
  /** Bytes of the current state still to come. */
  private remaining = 0;
  private padding = 0;
  private readonly block = new Uint8Array(BLOCK);
  private filled = 0;
  private position = 0;
  private zeroBlocks = 0;
  // What describes the next entry.
  private metaType = 0;
  private meta = NO_BYTES;
  private pax: PaxRecords | undefined;
  private longName: Uint8Array | undefined;
  private longLink: Uint8Array | undefined;
  // The file being read.
  private segments: Segment[] | undefined;
  private segment = 0;
  private offset = 0;
  private wantsData = false;
  private oldSparse: OldSparse | undefined;
  private mapText: SparseMapText | undefined;
  private pending: TarEntry | undefined;

  /** @param what names the archive in messages: `the layer sha256:…`. */
  constructor(private readonly sink: TarSink, private readonly what: string) {}

  /** Reads on. @throws {MiniError} if the archive is damaged, and whatever the sink throws. */
  write(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.state) {
        case State.Header:
        case State.SparseExtension:
        case State.SparseMap: {
          let block = chunk, blockAt = at;
          if (this.filled === 0 && chunk.length - at >= BLOCK) {
            at += BLOCK;
          } else {
            const count = Math.min(BLOCK - this.filled, chunk.length - at);
            this.block.set(chunk.subarray(at, at + count), this.filled);
            this.filled += count;
            at += count;
            if (this.filled < BLOCK) break;
            this.filled = 0;
            block = this.block;
            blockAt = 0;
          }
          this.takeBlock(block, blockAt);
          this.position += BLOCK;
          break;
        }
        case State.Meta:
        case State.Data: {
          const count = Math.min(this.remaining, chunk.length - at);
          const bytes = chunk.subarray(at, at + count);
          if (this.state === State.Meta) this.meta.set(bytes, this.meta.length - this.remaining);
          else if (this.wantsData) this.takeData(bytes);
          at += count;
          this.position += count;
          this.remaining -= count;
          if (this.remaining === 0) this.endOfContent();
          break;
        }
        case State.Padding: {
          const count = Math.min(this.remaining, chunk.length - at);
          at += count;
          this.position += count;
          this.remaining -= count;
          if (this.remaining === 0) this.state = State.Header;
          break;
        }
        case State.End:
          return; // GNU tar pads with zeros, others with anything; it belongs to the digest, but says nothing
      }
    }
  }

  /** The archive ends here. @throws {MiniError} if something was still to come. */
  end(): void {
    const between = this.state === State.Header && this.filled === 0 && !this.pax && !this.longName && !this.longLink;
    // Whoever forgets the two zero blocks is forgiven, as every other reader does, and so is missing padding.
    if (!between && this.state !== State.End && this.state !== State.Padding) {
      this.damaged("it ends in the middle of an entry");
    }
  }

  private damaged(why: string): never {
    throw new MiniError(`${this.what} is damaged at byte ${this.position} of its tar archive: ${why}`);
  }

  private takeBlock(block: Uint8Array, at: number): void {
    try {
      if (this.state === State.Header) this.takeHeader(block, at);
      else if (this.state === State.SparseExtension) this.takeSparseExtension(block, at);
      else this.takeSparseMap(block, at);
    } catch (error) {
      if (error instanceof RangeError) this.damaged(error.message); // from the parsers of fields
      throw error;
    }
  }

  private takeHeader(block: Uint8Array, at: number): void {
    if (isZeroBlock(block, at)) {
      if (++this.zeroBlocks === 2) this.state = State.End;
      return;
    }
    if (this.zeroBlocks > 0) this.damaged("an entry follows its end mark");
    if (!checksumMatches(block, at)) this.damaged("a header's checksum is wrong");
    const type = block[at + 156]!;
    const size = number(block, at + 124, 12, "size");
    if (size < 0) this.damaged("a size is negative");
    switch (type) {
      case 0x78: // x: PAX records for the next entry
      case 0x4c: // L: GNU long name
      case 0x4b: // K: GNU long link
        if (size > MAX_META) this.damaged(`an extended header has ${size} bytes, more than the ${MAX_META} allowed`);
        this.metaType = type;
        this.meta = new Uint8Array(size);
        return this.content(State.Meta, size);
      case 0x67: // g: PAX records for all entries: comments, in practice; Docker passes them over too
      case 0x56: // V: the archive's label
        this.wantsData = false;
        return this.content(State.Data, size);
    }
    this.takeEntry(block, at, type, size);
  }

  private takeEntry(block: Uint8Array, at: number, typeByte: number, headerSize: number): void {
    const pax = this.pax;
    let type = TYPES[typeByte];
    if (type === undefined) {
      this.damaged(`an entry has the unknown type ${JSON.stringify(String.fromCharCode(typeByte))}`);
    }
    let path = pax?.values.get("GNU.sparse.name") ?? pax?.values.get("path") ?? this.longName;
    if (path === undefined) path = this.headerName(block, at);
    if (type === "file" && path[path.length - 1] === 0x2f) type = "directory"; // the form before POSIX
    const stored = pax?.values.has("size") ? paxNumber(pax, "size") : headerSize;
    const isFile = type === "file";
    const entry: TarEntry = {
      type,
      path,
      linkPath: pax?.values.get("linkpath") ?? this.longLink ?? field(block, at + 157, 100),
      mode: number(block, at + 100, 8, "mode") & 0o7777,
      uid: pax?.values.has("uid") ? paxNumber(pax, "uid") : number(block, at + 108, 8, "user id"),
      gid: pax?.values.has("gid") ? paxNumber(pax, "gid") : number(block, at + 116, 8, "group id"),
      size: isFile ? stored : 0,
      mtime: pax?.values.has("mtime")
        ? paxTime(pax, "mtime")
        : { seconds: number(block, at + 136, 12, "time"), nanoseconds: 0 },
      major: type === "char" || type === "block" ? number(block, at + 329, 8, "device number") : 0,
      minor: type === "char" || type === "block" ? number(block, at + 337, 8, "device number") : 0,
      xattrs: pax?.xattrs ?? NO_XATTRS,
    };
    // 0xffffffff means "leave it" to chown(2); anything beyond wraps around, perhaps to 0.
    if (!(entry.uid >= 0 && entry.uid < 0xffffffff)) this.damaged(`the user id ${entry.uid} is out of range`);
    if (!(entry.gid >= 0 && entry.gid < 0xffffffff)) this.damaged(`the group id ${entry.gid} is out of range`);
    this.pax = this.longName = this.longLink = undefined;
    this.segments = undefined;
    if (isFile && typeByte === 0x53) return this.beginOldSparse(block, at, entry, stored);
    if (isFile && pax !== undefined) {
      const sparse = sparseFromPax(pax);
      if (sparse?.kind === "map") return this.beginSparse(entry, sparse.segments, sparse.realSize, stored);
      if (sparse?.kind === "in data") {
        this.pending = { ...entry, path: path.slice(), size: sparse.realSize };
        this.mapText = new SparseMapText();
        this.remaining = stored;
        this.state = State.SparseMap;
        return;
      }
    }
    this.sink.entry(entry);
    this.wantsData = isFile;
    this.offset = 0;
    // For everything but a file a size says how much to pass over; links of the kinds below never have content.
    const hasContent = isFile || typeByte === 0x44;
    this.content(State.Data, hasContent ? stored : 0);
  }

  private headerName(block: Uint8Array, at: number): Uint8Array {
    const name = field(block, at, 100);
    const isPosix = block[at + 257] === 0x75 && block[at + 262] === 0; // "ustar\0"; GNU's own form has "ustar "
    if (!isPosix || block[at + 345] === 0) return name;
    const isStar = block[at + 508] === 0x74 && block[at + 509] === 0x61 && block[at + 510] === 0x72; // "tar"
    const prefix = field(block, at + 345, isStar ? 131 : 155);
    const full = new Uint8Array(prefix.length + 1 + name.length);
    full.set(prefix);
    full[prefix.length] = 0x2f;
    full.set(name, prefix.length + 1);
    return full;
  }

  /** Begins `size` bytes of content and the padding to the next block. */
  private content(state: State, size: number): void {
    this.remaining = size;
    this.padding = (BLOCK - size % BLOCK) % BLOCK;
    this.state = state;
    if (size === 0) this.endOfContent();
  }

  private endOfContent(): void {
    if (this.state === State.Meta) {
      try {
        this.takeMeta();
      } catch (error) {
        if (error instanceof RangeError) this.damaged(error.message);
        throw error;
      }
    } else if (this.wantsData) {
      this.sink.endOfFile();
      this.wantsData = false;
    }
    this.remaining = this.padding;
    this.state = this.padding > 0 ? State.Padding : State.Header;
  }

  private takeMeta(): void {
    if (this.metaType === 0x78) {
      this.pax = parsePax(this.meta);
      return;
    }
    const end = this.meta.indexOf(0);
    const name = end < 0 ? this.meta : this.meta.subarray(0, end);
    if (this.metaType === 0x4c) this.longName = name;
    else this.longLink = name;
  }

  private takeData(bytes: Uint8Array): void {
    if (this.segments === undefined) {
      this.sink.data(bytes, this.offset);
      this.offset += bytes.length;
      return;
    }
    while (bytes.length > 0) {
      const { offset, length } = this.segments[this.segment]!;
      const count = Math.min(length - this.offset, bytes.length);
      if (count > 0) this.sink.data(bytes.subarray(0, count), offset + this.offset);
      bytes = bytes.subarray(count);
      this.offset += count;
      if (this.offset === length) {
        this.segment++;
        this.offset = 0;
      }
    }
  }

  private beginOldSparse(block: Uint8Array, at: number, entry: TarEntry, stored: number): void {
    this.oldSparse = new OldSparse(block, at);
    this.pending = { ...entry, path: entry.path.slice(), size: this.oldSparse.realSize };
    this.remaining = stored;
    if (this.oldSparse.isExtended) this.state = State.SparseExtension;
    else this.beginSparse(this.pending, this.oldSparse.segments, this.oldSparse.realSize, stored);
  }

  private takeSparseExtension(block: Uint8Array, at: number): void {
    const sparse = this.oldSparse!;
    sparse.extend(block, at);
    if (!sparse.isExtended) this.beginSparse(this.pending!, sparse.segments, sparse.realSize, this.remaining);
  }

  private takeSparseMap(block: Uint8Array, at: number): void {
    this.remaining -= BLOCK;
    if (this.remaining < 0) throw new RangeError("the map of a sparse file is longer than the file");
    const segments = this.mapText!.add(block.subarray(at, at + BLOCK));
    if (segments) this.beginSparse(this.pending!, segments, this.pending!.size, this.remaining);
  }

  private beginSparse(entry: TarEntry, segments: Segment[], realSize: number, stored: number): void {
    this.segments = parseSparseMap(segments, realSize, stored);
    this.segment = 0;
    this.offset = 0;
    this.pending = this.oldSparse = this.mapText = undefined;
    this.sink.entry({ ...entry, size: realSize });
    this.wantsData = true;
    this.content(State.Data, stored);
  }
}
