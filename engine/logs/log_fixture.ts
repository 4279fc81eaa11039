/** What the tests of logs share: a FIFO like a container's, and a log's content in one piece. */
import { AT_FDCWD, O_NONBLOCK, O_RDONLY, O_RDWR, S_IFIFO } from "../../ffi/constants.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { readLog, type ReadOptions } from "./read.ts";
import type { Stream } from "./record.ts";

const encoder = new TextEncoder();

/** A FIFO that is open for writing, as a container and its shim have it. */
export class Fifo implements Disposable {
  readonly #ours: number;
  /** The consumer's end. */
  readonly fd: number;
  constructor(readonly path: string) {
    syscall("mknodat", AT_FDCWD, path, S_IFIFO | 0o600, 0);
    this.#ours = open(path, O_RDWR | O_NONBLOCK);
    this.fd = open(path, O_RDONLY | O_NONBLOCK);
  }
  /** Writes what fits in. @returns the bytes that did. */
  write(text: string | Uint8Array): number {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    return syscall("write", this.#ours, bytes, bytes.length);
  }
  [Symbol.dispose](): void {
    close(this.#ours);
    close(this.fd);
  }
}

/** A folder that is removed after the test. */
export function withFolder(body: (folder: string) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync({ prefix: "mini-logs-" });
    try {
      await body(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

/** One entry of what was read: the stream and the text, or what is missing. */
export type Told = [Stream, string] | ["gap", number] | ["skipped", number];

/** What of a log is read; blocks of one stream that follow each other are one entry. */
export async function told(folder: string, options: ReadOptions = {}): Promise<Told[]> {
  const entries: Told[] = [];
  const decoder = new TextDecoder();
  for await (const item of readLog(folder, options)) {
    if (item.type === "gap") entries.push(["gap", item.bytes]);
    else if (item.type === "start") { if (item.skippedFiles > 0) entries.push(["skipped", item.skippedFiles]); }
    else {
      const last = entries.at(-1), text = decoder.decode(item.bytes);
      if (last?.[0] === item.stream) last[1] += text;
      else entries.push([item.stream, text]);
    }
  }
  return entries;
}
