/**
 * What happens to containers, images and the rest, as Docker tells it: a line of JSON for each event in STATE/events.log.
 * Whoever does something appends a line; there is nobody to ask and nothing to wait for.
 *
 * The file is set aside as events.log.1 when it has grown to its limit, so that there are never more than two. Writers hold a
 * shared flock(2) on the file while they write, and whoever sets it aside an exclusive one: nothing is ever written to a file
 * that was set aside.
 */
import { LOCK_EX, LOCK_NB, LOCK_SH, O_APPEND, O_CREAT, O_WRONLY } from "../ffi/constants.ts";
import { Errno, SyscallError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
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
const CLOCK_REALTIME = 0, SEEK_END = 2;
/** How often another command is waited for that sets the file aside just now; after that the line is written even so. */
const MOST_TRIES = 100;

/** Microseconds since 1970. */
function now(): number {
  const time = new BigInt64Array(2);
  trySyscall("clock_gettime", CLOCK_REALTIME, time);
  return Number(time[0]! * 1_000_000n + time[1]! / 1000n);
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
    if (!(error instanceof SyscallError)) throw error;
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

/** Appends a line. @throws {SyscallError} when it cannot be written. */
export function append(state: string, line: string, limit: number): void {
  const bytes = encoder.encode(line);
  for (let tries = 0;; tries++) {
    const fd = openLog(state);
    try {
      const free = trySyscall("flock", fd, LOCK_SH | LOCK_NB) === 0 || tries >= MOST_TRIES;
      if (!free || (trySyscall("lseek", fd, 0, SEEK_END) >= limit && setAside(state, fd))) continue;
      const count = trySyscall("write", fd, bytes, bytes.length);
      if (count < 0) throw new SyscallError("write", -count, eventsFile(state));
      // A full disk took a part of it; the next event gets a line of its own even so, if only that much is free.
      if (count < bytes.length) trySyscall("write", fd, encoder.encode("\n"), 1);
      return;
    } finally {
      close(fd);
    }
  }
}

function openLog(state: string): number {
  const flags = O_APPEND | O_CREAT | O_WRONLY, path = eventsFile(state);
  try {
    return open(path, flags, 0o600);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== Errno.ENOENT) throw error;
    try {
      Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    } catch {
      throw error; // such as a user's who must not make it
    }
    return open(path, flags, 0o600);
  }
}

/** Sets the file aside, or finds that it has been. Returns false when others are writing to it: one of them, or the next, will. */
function setAside(state: string, fd: number): boolean {
  if (trySyscall("flock", fd, LOCK_EX | LOCK_NB) < 0) return false;
  const path = eventsFile(state);
  try {
    if (Deno.statSync(path).ino === Deno.statSync(`/proc/self/fd/${fd}`).ino) {
      Deno.renameSync(path, olderEventsFile(state));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // set aside by another just now
  }
  return true;
}
