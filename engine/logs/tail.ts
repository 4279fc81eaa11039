/** The last lines of a log, without reading all of it. */
import { close } from "../../ffi/kernel.ts";
import type { Block } from "./blocks.ts";
import { dataPath, fileNumbers, fileSize, readAt, tryOpen } from "./files.ts";
import type { Gap, Position, Start } from "./reader.ts";
import type { Stream } from "./record.ts";

const CHUNK_BYTES = 64 << 10, NEWLINE = 0x0a;

/**
 * A place in a log after which there are at least so many whole lines.
 *
 * Looks for ends of lines from the end on. Of those after the place one for each stream may be of a line that begins before
 * it, so two more are looked for.
 *
 * @returns undefined when the whole log has to be read.
 */
export function findTail(folder: string, lines: number): Position | undefined {
  let missing = lines + 2;
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const number of fileNumbers(folder).reverse()) {
    const fd = tryOpen(dataPath(folder, number));
    if (fd === undefined) return undefined; // rotated away: so are those before
    try {
      for (let end = fileSize(fd); end > 0;) {
        const start = Math.max(0, end - CHUNK_BYTES);
        const bytes = buffer.subarray(0, readAt(fd, buffer.subarray(0, end - start), start));
        for (let at = bytes.length; (at = bytes.lastIndexOf(NEWLINE, at - 1)) >= 0;) {
          if (--missing === 0) return { number, offset: start + at };
          if (at === 0) break;
        }
        end = start;
      }
    } finally {
      close(fd);
    }
  }
  return undefined;
}

/** How many lines begin in a block. */
function beginnings({ bytes, begins }: Block): number {
  if (!begins) return 0;
  let count = bytes.at(-1) === NEWLINE ? 0 : 1;
  for (let at = -1; (at = bytes.indexOf(NEWLINE, at + 1)) >= 0;) count++;
  return count;
}

/** Keeps the last lines of those that it is given. */
export class LastLines {
  #kept: (Block | Gap | Start)[] = [];
  #lines = 0;
  #dropped = 0;
  constructor(readonly most: number) {}

  add(item: Block | Gap | Start): void {
    this.#kept.push(item.type === "lines" ? { ...item, bytes: item.bytes.slice() } : item);
    if (item.type !== "lines") return;
    this.#lines += beginnings(item);
    for (;;) {
      const oldest = this.#kept[this.#dropped];
      if (oldest === undefined) break;
      const lines = oldest.type === "lines" ? beginnings(oldest) : 0;
      if (this.#lines - lines < this.most) break;
      this.#lines -= lines;
      this.#dropped++;
    }
    if (this.#dropped < 1000) return;
    this.#kept.splice(0, this.#dropped);
    this.#dropped = 0;
  }

  /** The last lines. */
  *blocks(): Generator<Block | Gap | Start> {
    let excess = Math.max(0, this.#lines - this.most);
    const begun = new Set<Stream>();
    for (const item of this.#kept.slice(this.#dropped)) {
      if (item.type !== "lines") {
        yield item;
        continue;
      }
      let { bytes } = item;
      if (item.begins) {
        for (; excess > 0 && bytes.length > 0; excess--) {
          const end = bytes.indexOf(NEWLINE) + 1;
          bytes = bytes.subarray(end || bytes.length);
        }
        if (bytes.length === 0) continue;
        begun.add(item.stream);
      } else if (!begun.has(item.stream)) continue; // the rest of a line before the last ones
      yield { ...item, bytes };
    }
  }
}
