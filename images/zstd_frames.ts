/**
 * Finds where the frames of a zstd stream end (RFC 8878). Deno's zstd stops at the end of a frame and drops what follows
 * it in the same piece of input, and takes a stream that breaks off for a whole one. Layers with many frames are common
 * (zstd:chunked, parallel compressors), so the input is cut at the frames here, and a missing end is noticed.
 */
import { MiniError } from "../ffi/errors.ts";

const MAGIC = 0xfd2fb528;
const MAGIC_BYTES = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]);
const enum State {
  Magic,
  Descriptor,
  Header,
  BlockHeader,
  Block,
  Checksum,
  SkipSize,
  Skip,
}

export class ZstdFrames {
  private state = State.Magic;
  private need = 4;
  private value = 0;
  private got = 0;
  private hasChecksum = false;
  private isLast = false;

  /** @param what names the stream in messages. */
  constructor(private readonly what: string) {}

  /** Cuts a piece of input so that no piece holds bytes of two frames; skippable frames are left out. */
  *split(bytes: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let at = 0; at < bytes.length;) {
      const before = this.state;
      const isWhole = this.got === 0;
      const count = Math.min(this.need - this.got, bytes.length - at);
      if (before !== State.Block && before !== State.Header && before !== State.Skip) {
        for (let i = 0; i < count; i++) this.value += bytes[at + i]! * 2 ** (8 * (this.got + i));
      }
      this.got += count;
      at += count;
      const isComplete = this.got === this.need;
      const hasEnded = isComplete && this.next();
      if (before === State.Magic) {
        // What begins here is known only when all four bytes are, which may have come in two pieces.
        if (this.state !== State.Descriptor) start = at;
        else if (!isWhole) {
          yield MAGIC_BYTES;
          start = at;
        }
      } else if (before === State.Skip || before === State.SkipSize) start = at;
      if (hasEnded) {
        yield bytes.subarray(start, at);
        start = at;
      }
    }
    if (start < bytes.length) yield bytes.subarray(start);
  }

  /** The input ends here. @throws {MiniError} if that is in the middle of a frame. */
  end(): void {
    if (this.state !== State.Magic || this.got > 0) {
      throw new MiniError(`${this.what} is damaged: it ends in the middle of a zstd frame`);
    }
  }

  /** A field is complete: goes to the next one. Returns whether a frame has just ended. */
  private next(): boolean {
    const value = this.value;
    const go = (state: State, need: number) => {
      this.state = state;
      this.need = need;
      this.got = this.value = 0;
    };
    switch (this.state) {
      case State.Magic:
        if (value === MAGIC) go(State.Descriptor, 1);
        else if (Math.floor(value / 16) === 0x184d2a5) go(State.SkipSize, 4);
        else throw new MiniError(`${this.what} is damaged: something that is no zstd frame follows another one`);
        return false;
      case State.Descriptor: {
        this.hasChecksum = (value & 4) !== 0;
        const isSingle = (value & 0x20) !== 0;
        const window = isSingle ? 0 : 1;
        const dictionary = [0, 1, 2, 4][value & 3]!;
        const contentSize = [isSingle ? 1 : 0, 2, 4, 8][value >> 6]!;
        const length = window + dictionary + contentSize;
        if (length > 0) go(State.Header, length);
        else go(State.BlockHeader, 3);
        return false;
      }
      case State.Header:
        go(State.BlockHeader, 3);
        return false;
      case State.BlockHeader: {
        this.isLast = (value & 1) !== 0;
        const type = (value >> 1) & 3, size = value >> 3;
        if (type === 3) throw new MiniError(`${this.what} is damaged: a zstd block has a reserved type`);
        const length = type === 1 ? 1 : size; // a run of one byte is stored as that byte
        if (length > 0) go(State.Block, length);
        else return this.endOfBlock(go);
        return false;
      }
      case State.Block:
        return this.endOfBlock(go);
      case State.Checksum:
        go(State.Magic, 4);
        return true;
      case State.SkipSize:
        if (value > 0) go(State.Skip, value);
        else go(State.Magic, 4);
        return false;
      case State.Skip:
        go(State.Magic, 4);
        return false;
    }
  }

  private endOfBlock(go: (state: State, need: number) => void): boolean {
    if (!this.isLast) go(State.BlockHeader, 3);
    else if (this.hasChecksum) go(State.Checksum, 4);
    else {
      go(State.Magic, 4);
      return true;
    }
    return false;
  }
}
