/** The workers of a pull: a layer each at a time, some at once. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { isBuilt, mainModule } from "../ffi/self.ts";
import {
  type FromWorker,
  Growth,
  type PortableError,
  type ToWorker,
  type UnpackJob,
  unpackJob,
  WORKER_NAME,
} from "./pull_worker.ts";

/** A layer that is being unpacked. */
export interface Unpacking {
  /** Says how many bytes of the blob there are now. */
  available(bytes: number): void;
  /** Gives the layer up; `done` then rejects once nothing of it is left. */
  stop(): void;
  /** Resolves when the layer is in the store. */
  readonly done: Promise<void>;
}

/** A blob of at most so many bytes is unpacked sooner than a worker has started. */
const INLINE_BYTES = 512 * 1024;

/** Workers at once, however few processors there are: half of the time each waits for the disk. */
const MOST_WORKERS = 4;

/** Hands out layers to workers that start when they are needed; to be disposed of, which ends them. */
export class UnpackPool implements Disposable {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  /** @param most workers at once. */
  constructor(readonly most: number = MOST_WORKERS) {}

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
  }

  /**
   * Begins to unpack a layer, as soon as a worker is free.
   *
   * @param job as it is when a worker takes it: by then more bytes may be there, or all.
   * @param report hears how many bytes of the blob have been unpacked.
   */
  unpack(job: () => UnpackJob, report: (bytes: number) => void): Unpacking {
    const growth = new Growth(job().available);
    if (job().size <= INLINE_BYTES) {
      return {
        available: (bytes) => growth.reach(bytes),
        stop: () => growth.stop(),
        done: unpackJob(job(), growth, report),
      };
    }
    let worker: Worker | undefined;
    const tell = (message: ToWorker) => worker?.postMessage(message);
    const done = (async () => {
      worker = await this.#take();
      try {
        growth.signal.throwIfAborted();
        const ended = listen(worker, report);
        tell({ type: "unpack", job: job() });
        await ended;
      } finally {
        const free = worker;
        worker = undefined;
        this.#give(free);
      }
    })();
    return {
      available: (bytes) => tell({ type: "available", bytes }),
      stop: () => {
        growth.stop();
        tell({ type: "stop" });
      },
      done,
    };
  }

  #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(idle);
    if (this.#workers.length < this.most) {
      const worker = startWorker();
      this.#workers.push(worker);
      return new Promise((resolve, reject) => {
        worker.onmessage = () => resolve(worker); // "ready"
        worker.onerror = (event) => reject(new Error(`a worker did not start: ${event.message}`));
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(worker: Worker): void {
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#idle.push(worker);
  }
}

function startWorker(): Worker {
  // Built, all code is one module, and that module looks at the worker's name; from the source, this file's neighbour.
  const address = isBuilt() ? mainModule() : new URL("./pull_worker_main.ts", import.meta.url).href;
  return new Worker(address, { type: "module", name: WORKER_NAME });
}

/** Resolves when the worker is done with its job. */
function listen(worker: Worker, report: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "unpacked") report(data.bytes);
      else if (data.type === "done") resolve();
      else if (data.type === "failed") reject(fromPortable(data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`a worker failed: ${event.message}`));
    };
  });
}

function fromPortable({ kind, message, stack, syscall }: PortableError): Error {
  const call = syscall && new SyscallError(syscall.name, syscall.errno, syscall.path);
  if (kind === "syscall" && call) return call;
  if (kind === "mini") return new MiniError(message, undefined, call && { cause: call });
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
