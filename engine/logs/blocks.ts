/** Makes whole lines of the pieces of a log, as many as came together in one block. */
import type { Gap, Item, Start } from "./reader.ts";
import type { Stream } from "./record.ts";

/** A line that is not at its end is told in parts from this length on. */
const LONG_BYTES = 64 << 10;
const NEWLINE = 0x0a;

/** Lines of one stream: whole ones, or a part of one. */
export interface Block {
  readonly type: "lines";
  readonly stream: Stream;
  /** When the first byte came, nanoseconds since 1970; all of its lines came at the same time. */
  readonly time: bigint;
  /** Valid until the next block is asked for. */
  readonly bytes: Uint8Array;
  /** Whether it begins a line, and does not go on with one. */
  readonly begins: boolean;
}

interface Line {
  /** The parts of a line that has no end yet. */
  held: Uint8Array[];
  heldBytes: number;
  time: bigint;
  /** Whether a part of it was told. */
  told: boolean;
  /** Its beginning was not there: the rest is left out. */
  skip: boolean;
}

const none = (): Line => ({ held: [], heldBytes: 0, time: 0n, told: false, skip: false });

export class Blocks {
  readonly #lines = { 1: none(), 2: none() };

  /** The blocks that are whole with one item more. */
  *add(item: Item): Generator<Block | Gap | Start> {
    if (item.type !== "data") {
      yield* this.flush();
      if (item.type === "start") {
        for (const stream of [1, 2] as const) this.#lines[stream] = { ...none(), skip: item.open[stream] };
      }
      yield item;
      return;
    }
    const { stream, time } = item, line = this.#lines[stream];
    let { bytes } = item;
    const first = bytes.indexOf(NEWLINE) + 1;
    if (line.skip) {
      if (first === 0) return;
      line.skip = false;
      bytes = bytes.subarray(first);
    } else if (line.told || line.heldBytes > 0) {
      // The rest of a line that was begun before.
      if (first === 0) return yield* this.#hold(line, stream, bytes, time);
      yield this.#take(line, stream, bytes.subarray(0, first));
      line.told = false;
      bytes = bytes.subarray(first);
    }
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield { type: "lines", stream, time, bytes: bytes.subarray(0, end), begins: true };
    if (end < bytes.length) yield* this.#hold(line, stream, bytes.subarray(end), time);
  }

  /** Tells what is there of lines that have no end yet. */
  *flush(): Generator<Block> {
    for (const stream of [1, 2] as const) {
      const line = this.#lines[stream];
      if (line.heldBytes > 0) yield this.#take(line, stream);
    }
  }

  *#hold(line: Line, stream: Stream, bytes: Uint8Array, time: bigint): Generator<Block> {
    if (line.heldBytes === 0 && !line.told) line.time = time;
    line.held.push(bytes.slice());
    line.heldBytes += bytes.length;
    if (line.heldBytes >= LONG_BYTES) yield this.#take(line, stream);
  }

  /** What is held of a line, and more of it. */
  #take(line: Line, stream: Stream, more: Uint8Array = new Uint8Array(0)): Block {
    const bytes = new Uint8Array(line.heldBytes + more.length);
    let at = 0;
    for (const part of [...line.held, more]) {
      bytes.set(part, at);
      at += part.length;
    }
    const begins = !line.told;
    line.held = [];
    line.heldBytes = 0;
    line.told = true;
    return { type: "lines", stream, time: line.time, bytes, begins };
  }
}
