/**
 * What runs in a worker of a pull: unpacks one layer after another, each while its blob is still being written by the
 * main isolate. The blob's own file is what lies between the two: its bytes are read from the page cache, and the network
 * never waits for the unpacking nor fills the memory.
 */
import { SyscallError } from "../ffi/errors.ts";
import { Store } from "./store.ts";

/** The name of such a worker: the program's main module sees from it what it is to do. */
export const WORKER_NAME = "mini-unpack";

/** A layer to unpack. */
export interface UnpackJob {
  /** The store's root. */
  readonly root: string;
  readonly diffID: string;
  readonly blobDigest: string;
  /** Bytes of the blob. */
  readonly size: number;
  /** A path to the very file that is being written, under any name; undefined when the blob is whole and in its place. */
  readonly partial: string | undefined;
  /** How many bytes of it there are already. */
  readonly available: number;
}

/** From the main isolate. */
export type ToWorker =
  | { readonly type: "unpack"; readonly job: UnpackJob }
  /** So many bytes of the blob are there now. */
  | { readonly type: "available"; readonly bytes: number }
  /** The rest will not come; the layer is to be given up. */
  | { readonly type: "stop" };

/** To the main isolate. */
export type FromWorker =
  /** The module has been loaded and listens. */
  | { readonly type: "ready" }
  /** So many bytes of the blob have been unpacked. */
  | { readonly type: "unpacked"; readonly bytes: number }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly error: PortableError };

/** An error in the form that passes from one isolate to another. */
export interface PortableError {
  readonly kind: "syscall" | "mini" | "defect";
  readonly message: string;
  readonly stack?: string | undefined;
  /** The failed call, or the one that caused a MiniError. */
  readonly syscall?: { readonly name: string; readonly errno: number; readonly path?: string | undefined } | undefined;
}

/** After so many bytes the main isolate is told how far the unpacking is. */
const REPORT_BYTES = 1 << 20;
const CHUNK_BYTES = 256 * 1024;

/** Serves jobs until the worker is terminated. To be called in a worker, once. */
export function serve(): void {
  const scope = globalThis as unknown as {
    onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
    postMessage(message: FromWorker): void;
  };
  let growth: Growth | undefined;
  scope.onmessage = ({ data }) => {
    if (data.type === "available") return growth?.reach(data.bytes);
    if (data.type === "stop") return growth?.stop();
    const current = growth = new Growth(data.job.available);
    unpackJob(data.job, current, (bytes) => scope.postMessage({ type: "unpacked", bytes })).then(
      () => scope.postMessage({ type: "done" }),
      (error) => scope.postMessage({ type: "failed", error: toPortable(error) }),
    );
  };
  scope.postMessage({ type: "ready" });
}

/** Unpacks one layer in this isolate. */
export async function unpackJob(job: UnpackJob, growth: Growth, report: (bytes: number) => void): Promise<void> {
  const store = new Store(job.root);
  if (job.partial === undefined) {
    await store.layers.unpackBlob(job.diffID, job.blobDigest, { signal: growth.signal });
  } else {
    await store.layers.unpack(job.diffID, follow(job, growth, report), { signal: growth.signal });
  }
}

/** The bytes of a file that grows, to its end. */
async function* follow(job: UnpackJob, growth: Growth, report: (bytes: number) => void) {
  using file = Deno.openSync(job.partial!);
  let position = 0, reported = 0;
  // One buffer serves all: each piece has been consumed when the next one is asked for.
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (position < job.size) {
    if (growth.bytes === position) await growth.beyond(position);
    growth.signal.throwIfAborted();
    const count = file.readSync(buffer.subarray(0, Math.min(CHUNK_BYTES, growth.bytes - position)));
    if (count === null) throw new Error(`the file of ${job.blobDigest} is shorter than what was written to it`);
    position += count;
    yield buffer.subarray(0, count);
    if (position - reported >= REPORT_BYTES) report(reported = position);
  }
}

/** How many bytes of a file are there, as one side tells the other. */
export class Growth {
  readonly #controller = new AbortController();
  #wake: () => void = () => {};
  constructor(public bytes: number) {}
  /** Aborted when the rest will not come. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  reach(bytes: number): void {
    this.bytes = bytes;
    this.#wake();
  }
  stop(): void {
    this.#controller.abort(new Error("the download of this layer was given up"));
    this.#wake();
  }
  /** Resolves when there are more bytes than `position`, or there will be none. */
  async beyond(position: number): Promise<void> {
    while (this.bytes <= position && !this.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

function toPortable(error: unknown): PortableError {
  const { name, message, stack, cause } = error instanceof Error ? error : new Error(String(error));
  const call = [error, cause].find((one) => one instanceof SyscallError);
  const syscall = call && { name: call.syscall, errno: call.errno, path: call.path };
  if (error instanceof SyscallError) return { kind: "syscall", message, syscall };
  return name === "MiniError" ? { kind: "mini", message, syscall } : { kind: "defect", message, stack };
}
