/** `mini logs`: what a container has printed, its standard output to ours and its standard error to ours. */
import { Errno, errnoMeaning, MiniError } from "../ffi/errors.ts";
import { F_GETFL, O_ACCMODE, O_WRONLY } from "../ffi/constants.ts";
import { trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { Containers } from "../engine/containers.ts";
import { isLogged, logPlace } from "../engine/log_place.ts";
import { waitUntilTaken } from "../engine/logs/pending.ts";
import { readLog, type ReadOptions } from "../engine/logs/read.ts";
import type { ContainerRecord } from "../engine/record.ts";
import { whenEnded } from "../engine/when_ended.ts";
import type { Invocation } from "./command.ts";
import { BROKEN_PIPE, write, writeBytes } from "./output.ts";
import { parseMomentNanoseconds } from "./times.ts";

/** How long to wait for what was printed already and is on its way to the log. */
const PENDING_MS = 500;

export default async function ({ flags, args, globals }: Invocation): Promise<number> {
  const moment = (name: string) => {
    const text = flags.string(name);
    return text === undefined ? undefined : parseMomentNanoseconds(text, `--${name}`);
  };
  const since = moment("since"), until = moment("until"), tail = readTail(flags.string("tail"));
  const containers = new Containers(globals.root, globals.state);
  const { record, running } = await containers.get(args[0]!);
  if (record.log.driver === "none") {
    throw new MiniError(
      `container ${record.name} keeps no log (--log-driver none); 'mini attach ${record.name}' shows what it prints from now on`,
    );
  }
  if (running && !running.shim && !isLogged(record)) {
    throw new MiniError(
      `container ${record.name} runs in the foreground and is removed at its end, so no log of it is kept; ` +
        `'mini attach ${record.name}' shows what it prints from now on`,
    );
  }
  const place = logPlace(containers, record);
  await waitUntilTaken(place.stateFolder, PENDING_MS);
  const stop = new AbortController();
  const options: ReadOptions = { since, until, tail, ...flags.boolean("follow") ? { follow: stop.signal } : {} };
  if (options.follow) follow(containers, record.id, until, stop);
  const details = flags.boolean("details") ? `${detailsOf(record)} ` : "";
  for await (const item of readLog(place.logFolder, options)) {
    if (item.type === "gap") note(`${item.bytes} bytes were lost: ${reason(item.errno)}`);
    else if (item.type === "start") {
      if (item.skippedFiles > 0) note(`files that were rotated away before they were read: ${item.skippedFiles}`);
    } else {
      const to = item.stream === 1 ? Deno.stdout : Deno.stderr;
      const prefix = `${flags.boolean("timestamps") ? `${rfc3339(item.time)} ` : ""}${details}`;
      writeBytes(prefix === "" ? item.bytes : prefixed(item.bytes, prefix, item.begins), to);
    }
  }
  return 0;
}

const note = (text: string) => write(`[mini: ${text}]\n`, Deno.stderr);

const reason = (errno: number) => errno === Errno.ENOSPC ? "the disk was full" : errnoMeaning(errno);

/** `all`, or a number; as in Docker a negative one means all, too. */
function readTail(text = "all"): number | undefined {
  if (text === "all") return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw new MiniError(`--tail is a number of lines, or all, not '${text}'`);
  return Number(text) < 0 ? undefined : Number(text);
}

/** In UTC with all nine digits, as Docker prints it. */
function rfc3339(time: bigint): string {
  const seconds = time / 1_000_000_000n, rest = time - seconds * 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${String(rest).padStart(9, "0")}Z`;
}

/** Ends following when the container ends, when the time has come that was asked for, or when nobody reads it any more. */
function follow(containers: Containers, id: string, until: bigint | undefined, stop: AbortController): void {
  const end = () => stop.abort();
  whenEnded(containers, id, stop.signal).then(end);
  // As Docker does, although lines of that time may still be under way: they are told the next time.
  if (until !== undefined) {
    const milliseconds = Number(until / 1_000_000n) - Date.now();
    if (milliseconds <= 0) end();
    else if (milliseconds < 2 ** 31) setTimeout(end, milliseconds);
  }
  // Otherwise it is noticed when something is written, which may be much later.
  if (isPipeOut(1)) readable(1, stop.signal).then((gone) => gone && Deno.exit(BROKEN_PIPE));
}

/** Whether a descriptor is a pipe that can only be written: all that can happen to it is that its reader goes. */
const isPipeOut = (fd: number) =>
  Deno.statSync(`/proc/self/fd/${fd}`).isFifo && (trySyscall("fcntl", fd, F_GETFL, 0) & O_ACCMODE) === O_WRONLY;

/** What the container was given of what `--log-opt labels=` and `env=` name, in Docker's form. */
function detailsOf({ log, config }: ContainerRecord): string {
  const variables = config.env.map((text): [string, string] => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const given = { labels: new Map(Object.entries(config.labels)), env: new Map(variables) };
  const pairs = (["labels", "env"] as const).flatMap((option) =>
    (log.options[option] ?? "").split(",").map((name) => name.trim()).flatMap((name) => {
      const value = given[option].get(name);
      return value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`];
    })
  );
  return pairs.sort().join(",");
}

const NEWLINE = 0x0a;

/** A text before each line. */
function prefixed(bytes: Uint8Array, prefix: string, begins: boolean): Uint8Array {
  const before = new TextEncoder().encode(prefix);
  let lines = 0;
  for (let at = -1; (at = bytes.indexOf(NEWLINE, at + 1)) >= 0;) lines++;
  const result = new Uint8Array(bytes.length + (lines + 1) * before.length);
  let length = 0;
  for (let at = 0, first = true; at < bytes.length; first = false) {
    if (begins || !first) {
      result.set(before, length);
      length += before.length;
    }
    const end = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
    result.set(bytes.subarray(at, end), length);
    length += end - at;
    at = end;
  }
  return result.subarray(0, length);
}
