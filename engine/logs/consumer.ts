/**
 * Moves a detached container's output from where it is printed, the FIFOs `stdout` and `stderr` in its state folder or its
 * terminal, to its log. There is one consumer at a time: it holds the lock `logs.lock` there, from before its first byte
 * until all is drained after the container's end. Whoever waits for that lock (the shim does) then has the rest.
 */
import { O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, SPLICE_F_NONBLOCK } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { open, tryLock } from "../../ffi/open.ts";
import { readable } from "../../ffi/reactor.ts";
import { pause } from "../pause.ts";
import { STREAMS } from "../streams.ts";
import { enlarge } from "./fifo.ts";
import type { LogLimits } from "./options.ts";
import type { Stream } from "./record.ts";
import { LogWriter } from "./writer.ts";

/** The lock of whoever takes bytes from a container's FIFOs. */
export const lockPath = (stateFolder: string) => `${stateFolder}/${STREAMS.reader}`;

/** A container that prints much gets FIFOs of this size; what unprivileged users may have, too (pipe(7)). */
const LARGE_BYTES = 1 << 20, MUCH_BYTES = 16 << 10;
/** How much is taken from a terminal at once. */
const TERMINAL_BYTES = 64 << 10;
/** A terminal that nothing in the container has open may be opened again, which no event tells of. */
const TERMINAL_PAUSE_MS = 250;

export interface ConsumerOptions {
  /** The container's folder of state, with its FIFOs. */
  readonly stateFolder: string;
  /** Where the log is, or is to be. */
  readonly logFolder: string;
  readonly limits: LogLimits;
  /** The container's terminal, the master's side; closed with the consumer. */
  readonly terminal?: number | undefined;
}

export class LogConsumer {
  readonly #stop = new AbortController();
  readonly #open: number[];
  readonly #writer: LogWriter;
  readonly #sources: readonly { fd: number; stream: Stream }[];
  readonly #terminal: number | undefined;
  readonly #running: Promise<unknown>;

  /**
   * Begins to consume.
   *
   * @returns undefined if somebody else does, another monitor or the shim at the end, or if the container was removed.
   * @throws {SyscallError} when a FIFO or the log cannot be opened.
   */
  static open(options: ConsumerOptions): LogConsumer | undefined {
    let lock: number | undefined;
    try {
      lock = open(lockPath(options.stateFolder), O_CREAT | O_RDWR, 0o600);
      if (tryLock(lock)) return new LogConsumer(options, lock);
      close(lock);
    } catch (error) {
      if (lock !== undefined) close(lock);
      const gone = error instanceof Deno.errors.NotFound ||
        (error instanceof SyscallError && error.errno === Errno.ENOENT);
      if (!gone) throw error;
    }
    return undefined;
  }

  private constructor({ stateFolder, logFolder, limits, terminal }: ConsumerOptions, lock: number) {
    this.#open = [lock];
    this.#terminal = terminal;
    const opened = (name: string, flags: number) => {
      const fd = open(`${stateFolder}/${name}`, flags | O_NONBLOCK);
      this.#open.unshift(fd);
      return fd;
    };
    try {
      this.#sources = terminal === undefined
        ? [{ fd: opened(STREAMS.stdout, O_RDONLY), stream: 1 }, { fd: opened(STREAMS.stderr, O_RDONLY), stream: 2 }]
        : [{ fd: opened(STREAMS.stdout, O_RDWR), stream: 1 }];
      this.#writer = new LogWriter(logFolder, limits);
    } catch (error) {
      for (const fd of this.#open.slice(0, -1)) close(fd); // the lock is the caller's
      throw error;
    }
    this.#running = terminal === undefined
      ? Promise.all(this.#sources.map(({ fd, stream }) => this.#copy(fd, stream)))
      : this.#copyTerminal(terminal, this.#sources[0]!.fd);
  }

  /** Rejects when something failed that should not. */
  get running(): Promise<unknown> {
    return this.#running;
  }

  async #copy(fd: number, stream: Stream): Promise<void> {
    let large = false;
    while (await readable(fd, this.#stop.signal)) {
      const { bytes, ended } = await this.#writer.pump(fd, stream);
      // Nobody has it open for writing, the shim neither: nothing more comes.
      if (ended) return;
      if (!large && bytes >= MUCH_BYTES) {
        large = true;
        enlarge(fd, LARGE_BYTES);
      }
    }
  }

  /** By way of the FIFO, which outlives us if we are killed in between. */
  async #copyTerminal(terminal: number, fifo: number): Promise<void> {
    enlarge(fifo, LARGE_BYTES); // it holds a page, at least, of each turn
    await this.#drain(fifo, 1);
    while (await readable(terminal, this.#stop.signal)) {
      const taken = this.#stage(terminal, fifo);
      if (taken === -Errno.EIO || taken === 0) {
        await pause(TERMINAL_PAUSE_MS, this.#stop.signal);
      }
      await this.#drain(fifo, 1);
    }
  }

  #stage(terminal: number, fifo: number): number {
    return trySyscall("splice", terminal, null, fifo, null, TERMINAL_BYTES, SPLICE_F_NONBLOCK);
  }

  async #drain(fd: number, stream: Stream): Promise<void> {
    while (!(await this.#writer.pump(fd, stream)).empty);
  }

  /** The container has ended: takes what is left, then gives up the lock. */
  async end(): Promise<void> {
    await this.#settle();
    try {
      for (const { fd, stream } of this.#sources) {
        await this.#drain(fd, stream);
        while (this.#terminal !== undefined && this.#stage(this.#terminal, fd) > 0) await this.#drain(fd, stream);
      }
    } finally {
      this.#close();
    }
  }

  /** Stops at once, and leaves what is there to the next consumer. */
  async abandon(): Promise<void> {
    await this.#settle();
    this.#close();
  }

  async #settle(): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => {}); // told by `running`
  }

  #close(): void {
    this.#writer.close();
    if (this.#terminal !== undefined) close(this.#terminal);
    for (const fd of this.#open) close(fd); // the lock as the last
  }
}

/**
 * Appends what a container's shim left in `tail.stdout` and `tail.stderr` to the log. Called by whoever clears up after the
 * container, before its state folder is removed; calling it again after a crash continues where it stopped.
 *
 * @throws {SyscallError} when the log cannot be opened.
 */
export function appendTails({ stateFolder, logFolder, limits }: ConsumerOptions): void {
  const { stdout, stderr } = STREAMS.tails;
  const writer = new LogWriter(logFolder, limits);
  try {
    writer.appendTail(1, `${stateFolder}/${stdout}`);
    writer.appendTail(2, `${stateFolder}/${stderr}`);
  } finally {
    writer.close();
  }
}
