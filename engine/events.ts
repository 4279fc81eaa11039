/**
 * What happens to containers, images and the rest, as Docker tells it: a line of JSON for each event in STATE/events.log.
 * Whoever does something appends a line; there is nobody to ask and nothing to wait for.
 *
 * The file is set aside as events.log.1 when it has grown to its limit, so that there are never more than two. Writers hold a
 * shared flock(2) on the file while they write, and whoever sets it aside an exclusive one: nothing is ever written to a file
 * that was set aside.
 */
import type { ContainerRecord } from "./record.ts";

/** What an event is about. */
export type EventType = "container" | "image" | "volume" | "network" | "builder";

/** An event as Docker's API shows it. */
export interface StoredEvent {
  /** The action, the id and the image once more, as events about containers and images had them before there was an Actor. */
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: EventType;
  /** `start`, `exec_create: sh -c true`. */
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: "local";
  /** Seconds since 1970. */
  readonly time: number;
  /** Nanoseconds since 1970, to the microsecond: more a JavaScript number does not hold. */
  readonly timeNano: number;
}

/** What is told of an event; its time is added. */
export interface NewEvent {
  readonly type: EventType;
  readonly action: string;
  /** The id or name of what it happened to; empty for what was pruned. */
  readonly id: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A file is set aside when it has this many bytes. */
export const MOST_BYTES = 1 << 20;

/** Where the events are. */
export const eventsFile = (state: string) => `${state}/events.log`;
/** Where those before them are. */
export const olderEventsFile = (state: string) => `${state}/events.log.1`;

const encoder = new TextEncoder();
/** How far two clocks may be apart that were read one after the other. */
const SAME_MILLISECONDS = 5;
/** How often another command is waited for that sets the file aside just now; after that the line is written even so. */
const MOST_TRIES = 100;

/** Microseconds since 1970. */
function now(): number {
  const coarse = Date.now(), precise = performance.timeOrigin + performance.now();
  // The precise one does not know when the clock was set.
  return Math.floor(1000 * (Math.abs(precise - coarse) < SAME_MILLISECONDS ? precise : coarse));
}

/**
 * Tells an event. Takes some twenty microseconds, and never fails: what it tells of has happened, and that there is no room
 * for the line is no reason to say otherwise.
 *
 * @param state the folder of what runs; made if it is not there.
 */
export function emit(state: string, { type, action, id, attributes = {} }: NewEvent): void {
  const microseconds = now();
  const event: StoredEvent = {
    ...type === "container" || type === "image" ? { status: action, id } : {},
    ...type === "container" && attributes.image !== undefined ? { from: attributes.image } : {},
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: "local",
    time: Math.floor(microseconds / 1e6),
    timeNano: microseconds * 1000,
  };
  try {
    append(state, JSON.stringify(event) + "\n", MOST_BYTES);
  } catch (error) {
    if (error instanceof TypeError) throw error; // everything else is the host's reason
  }
}

/** Tells an event of an image: its id, or the name that it was fetched by, and what people call it. */
export function emitImage(state: string, action: string, id: string, name: string = id): void {
  emit(state, { type: "image", action, id, attributes: { name } });
}

/** Tells that things of a type were pruned, and how many bytes that gave back. */
export function emitPrune(state: string, type: EventType, bytes: number): void {
  emit(state, { type, action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
}

/** What is told of the container in each of its events. */
type Subject = Pick<ContainerRecord, "id" | "name" | "image"> & {
  readonly config: Pick<ContainerRecord["config"], "labels">;
};

/** Tells an event of a container, with its image, name and labels. */
export function emitContainer(
  state: string,
  { id, name, image, config }: Subject,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  emit(state, { type: "container", action, id, attributes: { ...config.labels, image, name, ...more } });
}

/** Tells that a container has come to its end, `seconds` after its start. */
export function emitDie(state: string, subject: Subject, { exitCode }: { exitCode: number }, seconds: number): void {
  const execDuration = String(Math.max(0, Math.floor(seconds)));
  emitContainer(state, subject, "die", { execDuration, exitCode: String(exitCode) });
}

/** Appends a line. @throws {Error} of Deno's when it cannot be written. */
export function append(state: string, line: string, limit: number): void {
  const bytes = encoder.encode(line);
  for (let tries = 0;; tries++) {
    // Deno's own calls and not those of ffi/: they take half the time, where a command makes only a few of them.
    const file = openLog(state);
    try {
      const free = file.tryLockSync(false) || tries >= MOST_TRIES;
      if (!free || (file.seekSync(0, Deno.SeekMode.End) >= limit && setAside(state, file))) continue;
      const count = file.writeSync(bytes);
      // A full disk took a part of it; the next event gets a line of its own even so, if only that much is free.
      if (count < bytes.length) file.writeSync(encoder.encode("\n"));
      return;
    } finally {
      file.close();
    }
  }
}

function openLog(state: string): Deno.FsFile {
  const options = { append: true, create: true, mode: 0o600 }, path = eventsFile(state);
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    return Deno.openSync(path, options);
  }
}

/** Sets the file aside, or finds that it has been. Returns false when others are writing to it: one of them, or the next, will. */
function setAside(state: string, file: Deno.FsFile): boolean {
  if (!file.tryLockSync(true)) return false;
  const path = eventsFile(state);
  try {
    if (Deno.statSync(path).ino === file.statSync().ino) Deno.renameSync(path, olderEventsFile(state));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // set aside by another just now
  }
  return true;
}
