/** Reading what events.ts wrote: what has happened, and what happens from now on. */
import { FolderWatch } from "../ffi/inotify.ts";
import { eventsFile, olderEventsFile, type StoredEvent } from "./events.ts";

/** Which events are wanted; times in milliseconds since 1970. */
export interface EventRange {
  /** Without it all that is still known; without both only what happens from now on. */
  readonly since?: number | undefined;
  /** Without it there is no end. */
  readonly until?: number | undefined;
}

const decoder = new TextDecoder();
/** The longest time that a timer takes. */
const LONGEST_WAIT = 2 ** 31 - 1;

function tryOpen(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A file of events, read on from where the last look ended. */
class EventFile {
  readonly #file: Deno.FsFile;
  readonly inode: number | null;
  /** Bytes of a line that is not whole yet. */
  #rest = new Uint8Array();

  constructor(file: Deno.FsFile) {
    this.#file = file;
    this.inode = file.statSync().ino;
  }

  /** Passes over what is there. */
  skip(): void {
    this.#file.seekSync(0, Deno.SeekMode.End);
  }

  *read(): Generator<StoredEvent> {
    const buffer = new Uint8Array(65536);
    for (let count; (count = this.#file.readSync(buffer)) !== null;) {
      const bytes = new Uint8Array(this.#rest.length + count);
      bytes.set(this.#rest);
      bytes.set(buffer.subarray(0, count), this.#rest.length);
      const end = bytes.lastIndexOf(0x0a) + 1;
      this.#rest = bytes.slice(end);
      for (const line of decoder.decode(bytes.subarray(0, end)).split("\n")) {
        const event = parse(line);
        if (event) yield event;
      }
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** An event; undefined for a line of which a full disk kept a part. */
function parse(line: string): StoredEvent | undefined {
  try {
    const event = JSON.parse(line);
    return typeof event?.Actor?.Attributes === "object" ? event : undefined;
  } catch {
    return undefined;
  }
}

/** All events in their order, across files that were set aside. */
class EventReader implements Disposable {
  readonly #state: string;
  #file: EventFile | undefined;
  /** What was set aside before the first look. */
  #older: EventFile | undefined;

  constructor(state: string, fromNow: boolean) {
    this.#state = state;
    // In this order: what is set aside in between is the file that is open already.
    this.#file = this.#open(eventsFile(state));
    if (fromNow) this.#file?.skip();
    else this.#older = this.#open(olderEventsFile(state));
  }

  #open(path: string): EventFile | undefined {
    const file = tryOpen(path);
    return file && new EventFile(file);
  }

  /** What there is since the last call. */
  *read(): Generator<StoredEvent> {
    if (this.#older && this.#older.inode !== this.#file?.inode) yield* this.#older.read();
    this.#older?.close();
    this.#older = undefined;
    for (;;) {
      this.#file ??= this.#open(eventsFile(this.#state));
      if (!this.#file) return;
      yield* this.#file.read();
      if (inodeOf(eventsFile(this.#state)) === this.#file.inode) return;
      // Set aside: what came before that, and perhaps a whole file that was set aside after it.
      yield* this.#file.read();
      const next = this.#open(olderEventsFile(this.#state));
      if (next && next.inode !== this.#file.inode) yield* next.read();
      next?.close();
      this.#file.close();
      this.#file = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#older?.close();
  }
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * The events of a time, the oldest first; those that have not happened yet as they happen. Ends when `until` has come, and
 * without it never.
 *
 * @throws {SyscallError} when the folder cannot be watched.
 */
export async function* readEvents(state: string, { since, until }: EventRange): AsyncGenerator<StoredEvent> {
  const isOver = () => until !== undefined && Date.now() > until;
  const isWanted = ({ timeNano }: StoredEvent) =>
    (since === undefined || timeNano >= since * 1e6) && (until === undefined || timeNano <= until * 1e6);
  Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
  using watch = new FolderWatch(state);
  using reader = new EventReader(state, since === undefined && until === undefined);
  for (;;) {
    const last = isOver();
    for (const event of reader.read()) if (isWanted(event)) yield event;
    if (last) return;
    const wait = until === undefined ? undefined : Math.min(LONGEST_WAIT, Math.max(0, until - Date.now()) + 1);
    await watch.changed(wait === undefined ? undefined : AbortSignal.timeout(wait));
  }
}
