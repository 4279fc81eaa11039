/** What of a log is asked for: the last lines, those of a time, and those that are still to come. */
import { FolderWatch } from "../../ffi/inotify.ts";
import { type Block, Blocks } from "./blocks.ts";
import { makeLog } from "./files.ts";
import { endOf, type Gap, type Item, LogReader, type Position, type Start } from "./reader.ts";
import { findTail, LastLines } from "./tail.ts";

export interface ReadOptions {
  /** Only lines that came at or after this time, and before or at that one; nanoseconds since 1970. */
  readonly since?: bigint | undefined;
  readonly until?: bigint | undefined;
  /** Only so many lines at the end of those. */
  readonly tail?: number | undefined;
  /** Aborted when the container has ended and all of its output is in the log. Without it reading ends at the log's end. */
  readonly follow?: AbortSignal | undefined;
  /** Where to begin; `tail` and the oldest line have no meaning then. */
  readonly from?: Position | undefined;
}

/** The lines that are asked for, in the order in which they came. @throws {SyscallError} when the log cannot be read. */
export async function* readLog(folder: string, options: ReadOptions): AsyncGenerator<Block | Gap | Start> {
  const { tail, follow } = options;
  using watch = follow ? watchLog(folder) : undefined;
  const anyTime = options.since === undefined && options.until === undefined;
  // Times need not be in order, the clock may have been set: what is asked for by time is looked for everywhere.
  const from = options.from ?? (tail !== undefined && anyTime ? findTail(folder, tail) : undefined);
  using reader = new LogReader(folder, from);
  const end = tail !== undefined || !follow ? endOf(folder) : undefined;
  const blocks = new Blocks(), chosen = new Chosen(options);
  if (tail !== undefined && !options.from) {
    const last = new LastLines(tail);
    const add = (block: Block | Gap | Start) => chosen.has(block) && last.add(block);
    for (const item of reader.read(end)) for (const block of blocks.add(item)) add(block);
    for (const block of blocks.flush()) add(block);
    yield* last.blocks();
  }
  for (;;) {
    const stopping = follow?.aborted ?? true;
    for (const item of reader.read(follow ? undefined : end)) {
      for (const block of blocks.add(item)) if (chosen.has(block)) yield block;
    }
    // What has no end of line yet is a prompt, or somebody counting.
    for (const block of blocks.flush()) if (chosen.has(block)) yield block;
    if (stopping || !watch) return;
    await watch.changed(follow);
  }
}

/**
 * What is printed from a place on, as it comes and whether lines are whole or not, until `ended` is aborted and all is told.
 *
 * @throws {SyscallError} when the log cannot be read.
 */
export async function* followLog(folder: string, from: Position, ended: AbortSignal): AsyncGenerator<Item> {
  using watch = watchLog(folder);
  using reader = new LogReader(folder, from);
  for (;;) {
    const stopping = ended.aborted;
    yield* reader.read();
    if (stopping || !watch) return;
    await watch.changed(ended);
  }
}

/** To be called before anything is read: what comes in between is told then. @returns undefined if the container is gone. */
function watchLog(folder: string): FolderWatch | undefined {
  return makeLog(folder) ? new FolderWatch(folder) : undefined;
}

/** Decides by the time of a line's beginning; the rest of it goes with that. */
class Chosen {
  readonly #line = { 1: true, 2: true };
  constructor(readonly options: ReadOptions) {}

  has(item: Block | Gap | Start): boolean {
    if (item.type === "start") return true;
    const { since, until } = this.options;
    if (item.type === "lines" && !item.begins) return this.#line[item.stream];
    const fits = (since === undefined || item.time >= since) && (until === undefined || item.time <= until);
    if (item.type === "lines") this.#line[item.stream] = fits;
    return fits;
  }
}
