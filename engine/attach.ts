/** Attaching to a container that runs: what it prints from now on, and what is typed. */
import { O_NONBLOCK, O_WRONLY } from "../ffi/constants.ts";
import { Errno, errnoMeaning, MiniError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { readable } from "../ffi/reactor.ts";
import { isTerminal, makeRaw, type RawMode, setWindowSize, windowSize } from "../ffi/terminal.ts";
import type { Containers, Found } from "./containers.ts";
import { DetachKeys } from "./detach_keys.ts";
import { emitContainer } from "./events.ts";
import { logPlace, watchForeground } from "./log_place.ts";
import { followLog } from "./logs/read.ts";
import { endOf } from "./logs/reader.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import { pause } from "./pause.ts";
import { isAlive, openHelper, openProcess } from "./process.ts";
import { Signals } from "./signals.ts";
import { copyIn, setNonBlocking, writeOut } from "./stdio.ts";
import { STREAMS } from "./streams.ts";
import { takeTerminal } from "./terminal.ts";
import { lastStatus } from "./wait.ts";

const SIGHUP = 1, SIGPIPE = 13, SIGCONT = 18;
/** How often to look whether the end of a container that has ended is written down. */
const PAUSE_MS = 10;

export interface AttachOptions {
  /** Our standard input is the container's, if it was made with -i. */
  readonly input: boolean;
  /** Signals to us are sent to a container without a terminal. */
  readonly forwardSignals: boolean;
  /** The bytes that detach from one with a terminal. */
  readonly detachKeys: readonly number[];
}

/** How it ended: as the container did, with its exit status as a shell counts it; or we were detached. */
export type Attached = { readonly status: number } | "detached";

/**
 * Shows what a container prints until it ends, or until we are detached from it.
 *
 * @throws {MiniError} when it does not run, or its input cannot be ours.
 */
export async function attach(containers: Containers, found: Found, options: AttachOptions): Promise<Attached> {
  const { record, running, status } = found, { name, config } = record;
  if (status === "paused") throw new MiniError(`container ${name} is paused: continue it with 'mini unpause ${name}'`);
  if (status === "restarting") {
    throw new MiniError(`container ${name} waits for its next start: try again when it runs`);
  }
  const process = running && openProcess(running);
  if (!running || process === undefined) {
    throw new MiniError(`container ${name} is not running: start it with 'mini start -a ${name}'`);
  }
  const input = options.input && config.openStdin;
  try {
    if (config.tty && input && !isTerminal(0)) {
      throw new MiniError("standard input is not a terminal: give --no-stdin to see only what the container prints", 1);
    }
    using session = new Session(containers, found, process, options);
    if (config.tty) await session.openTerminal();
    // Whoever showed it may have been killed, and nobody reads what it prints since.
    if (running.shim) wakeMonitor(containers);
    emitContainer(containers.state, record, "attach");
    const attached = await session.run(input);
    if (attached === "detached") emitContainer(containers.state, record, "detach");
    return attached;
  } finally {
    close(process);
  }
}

function sameFile(one: string, other: string): boolean {
  try {
    const [a, b] = [Deno.statSync(one), Deno.statSync(other)];
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return false; // it has just ended, or closed it
  }
}

class Session implements Disposable {
  readonly #since = Date.now();
  readonly #logFolder: string;
  /** Where its output was when we came. */
  readonly #from: ReturnType<typeof endOf>;
  readonly #stop = new AbortController();
  readonly #ended = new AbortController();
  readonly #signals = new Signals();
  #terminal: number | undefined;
  #keys: number | undefined;
  #raw: RawMode | undefined;
  #result = Promise.withResolvers<Attached>();

  constructor(
    readonly containers: Containers,
    readonly found: Found,
    readonly process: number,
    readonly options: AttachOptions,
  ) {
    const { record, running } = found;
    this.#logFolder = (running!.shim ? logPlace(containers, record) : watchForeground(containers, record)).logFolder;
    this.#from = endOf(this.#logFolder);
  }

  async openTerminal(): Promise<void> {
    const { shim: helper } = this.found.running!;
    // A terminal whose keys nobody types in the foreground has nobody to type them here.
    const shim = helper && openHelper(helper);
    if (shim === undefined) return;
    try {
      this.#terminal = await takeTerminal(this.containers, this.found.record.id, shim);
    } finally {
      close(shim);
    }
    if (this.#terminal !== undefined) setNonBlocking(this.#terminal);
  }

  async run(input: boolean): Promise<Attached> {
    Deno.addSignalListener("SIGWINCH", this.#resize);
    globalThis.addEventListener("unload", this.#restore);
    return await this.#signals.during((signal) => this.#receive(signal), async () => {
      if (this.#terminal !== undefined) {
        if (input) this.#raw = makeRaw(0);
        this.#redraw();
      }
      const copying = this.#copyOut();
      // What it has printed at its end is shown.
      this.#waitForEnd().then(async (ended) => {
        await copying;
        if (ended) this.#result.resolve(ended);
      }).catch(this.#result.reject);
      copying.catch(this.#result.reject);
      if (input) this.#copyIn().catch(this.#result.reject);
      return await this.#result.promise;
    });
  }

  /** Waits until the container has ended, and all of its output is in its log. @returns undefined if we have ended before. */
  async #waitForEnd(): Promise<Attached | undefined> {
    const { containers, found: { record: { id }, running } } = this;
    if (!await readable(this.process, this.#stop.signal)) return undefined;
    for (;;) {
      const now = await containers.find(id);
      if (now?.running?.pid !== running!.pid) {
        const status = now?.record.end?.exitCode ?? await lastStatus(containers, id, this.#since);
        this.#ended.abort();
        return { status };
      }
      await pause(PAUSE_MS);
    }
  }

  async #copyOut(): Promise<void> {
    for await (const item of followLog(this.#logFolder, this.#from, this.#ended.signal)) {
      // What was rotated away before we could read it is missing; whoever wants all of it reads the log.
      if (item.type !== "data") continue;
      const errno = await writeOut(item.stream, item.bytes);
      if (errno === Errno.EPIPE) return this.#result.resolve({ status: 128 + SIGPIPE });
      if (errno !== 0) throw new MiniError(`the container's output cannot be written: ${errnoMeaning(errno)}`);
    }
  }

  async #copyIn(): Promise<void> {
    const { signal } = this.#stop;
    if (this.#terminal === undefined) {
      this.#keys = this.#openInput();
      if (this.#keys !== undefined) await copyIn(0, this.#keys, signal);
      return;
    }
    const keys = new DetachKeys(this.options.detachKeys, () => this.#result.resolve("detached"));
    // Its only end in raw mode: our terminal was hung up.
    if (await copyIn(0, this.#terminal, signal, keys.filter)) this.#result.resolve({ status: 128 + SIGHUP });
  }

  /** Where its standard input is written to; undefined if it has none, or has come to its end. */
  #openInput(): number | undefined {
    const { shim, owner, input } = this.found.running!;
    if (shim) {
      return open(`${this.containers.stateFolder(this.found.record.id)}/${STREAMS.stdin}`, O_WRONLY | O_NONBLOCK);
    }
    if (owner === undefined || input === undefined) return undefined;
    const process = trySyscall("pidfd_open", owner, 0);
    if (process < 0) return undefined;
    try {
      // It ends with its owner: while it runs, that process is no other.
      const fd = isAlive(this.found.running!) ? trySyscall("pidfd_getfd", process, input, 0) : -1;
      if (fd < 0) return undefined;
      // Whose input has come to its end may have given the number to something else.
      if (sameFile(`/proc/self/fd/${fd}`, `/proc/${this.found.running!.pid}/fd/0`)) return fd;
      close(fd);
      return undefined;
    } finally {
      close(process);
    }
  }

  #receive(signal: number): boolean {
    if (signal === SIGCONT && this.#raw) {
      // The shell that stopped us has given the terminal settings of its own, and perhaps another size.
      this.#raw.again();
      this.#resize();
    } else if (this.options.forwardSignals && !this.found.record.config.tty) {
      trySyscall("pidfd_send_signal", this.process, signal, null, 0);
    } else if (signal !== SIGCONT) this.#result.resolve({ status: 128 + signal });
    return true;
  }

  readonly #resize = () => {
    const size = windowSize(1) ?? windowSize(0);
    if (size && this.#terminal !== undefined) setWindowSize(this.#terminal, size);
  };

  /** Has the program draw what it shows: it does when the size of its terminal changes. */
  #redraw(): void {
    const size = windowSize(1) ?? windowSize(0);
    if (!size || this.#terminal === undefined) return;
    setWindowSize(this.#terminal, { rows: size.rows + 1, columns: size.columns + 1 });
    setWindowSize(this.#terminal, size);
  }

  readonly #restore = () => this.#raw?.restore();

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#ended.abort();
    this.#restore();
    globalThis.removeEventListener("unload", this.#restore);
    Deno.removeSignalListener("SIGWINCH", this.#resize);
    this.#signals[Symbol.dispose]();
    for (const fd of [this.#terminal, this.#keys]) if (fd !== undefined) close(fd);
  }
}
