/** A container in the foreground: its streams are ours, signals to us are its own, and it does not outlive our terminal. */
import { Errno, errnoMeaning, MiniError } from "../ffi/errors.ts";
import { F_DUPFD_CLOEXEC } from "../ffi/constants.ts";
import { close, syscall } from "../ffi/kernel.ts";
import type { ExitStatus } from "../ffi/exit_status.ts";
import { isTerminal, makeRaw, setWindowSize, windowSize } from "../ffi/terminal.ts";
import type { Container, StartOptions } from "../runtime/container.ts";
import type { Signals } from "./signals.ts";
import { copyIn, copyOut, End, makePipes, type Pipes, setNonBlocking } from "./stdio.ts";

const SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGCONT = 18;
/** The so many-th SIGINT or SIGTERM kills, since a PID 1 may ignore those before. */
const IMPATIENT_AFTER = 3;
/** How long a container has whose terminal is gone. */
const HANGUP_MILLISECONDS = 3000;
/** How long one has whose output nobody reads any more. */
const BROKEN_PIPE_MILLISECONDS = 1000;

/** How long what a program has left running may keep its streams, as in Docker. */
const LEFT_MILLISECONDS = 2000;

/** How a container in the foreground ended. */
export interface Ended {
  readonly status: ExitStatus;
  /** It has not ended: we have left it, by its detach keys or because nobody sees its output, and this is our exit status. */
  readonly left?: number;
  /** Why not all of its output could be written. A reader that has gone is no reason: that is how `| head` ends. */
  readonly lost?: MiniError;
}

/** What is shown here, as those see it who show it. */
export type Shown = Pick<Container, "pid" | "started" | "reaped" | "terminal" | "kill" | "wait">;

/** A container that was started, and that nobody waits for yet. */
export interface Foreground {
  readonly container: Container;
  /** The descriptor that its standard input is written to. */
  readonly input?: number | undefined;
  /**
   * Copies its streams and hands signals on until it has ended.
   *
   * @throws {MiniError} when it could not be made.
   */
  finish(signals: Signals): Promise<Ended>;
  /** Ends it, because it is not wanted any more. */
  discard(): Promise<void>;
}

/** Keeps what a process prints: its standard output, 1 (a terminal has nothing else), or standard error, 2. */
export type Keep = (stream: 1 | 2, bytes: Uint8Array) => Promise<void>;

/** What has to be known of a process to be its foreground. */
export interface ForegroundOptions {
  readonly terminal: boolean;
  readonly interactive: boolean;
  readonly uid: number;
  /** A PID 1 of the image's own, which the kernel protects from SIGPIPE. */
  readonly unkillable: boolean;
  /** Is given what it prints, before that is printed here. */
  readonly keep?: Keep | undefined;
}

/** Starts the process with these streams. */
export type Begin = (streams: Pick<StartOptions, "stdio" | "windowSize">) => Promise<Container>;

/**
 * Starts a process with pipes to our standard streams, or with a terminal.
 *
 * @throws {MiniError} with status 1 when our input is to be its terminal and is none.
 */
export async function startInForeground(options: ForegroundOptions, begin: Begin): Promise<Foreground> {
  const { interactive } = options;
  if (options.terminal) {
    if (interactive) checkTerminal();
    const container = await begin({ windowSize: terminalSize() });
    return {
      container,
      finish: (signals) => withTerminal(container, signals, options),
      discard: () => discard(container, () => container.terminal === undefined || close(container.terminal)),
    };
  }
  const pipes = makePipes(interactive, options.uid);
  try {
    const container = await begin({ stdio: pipes.theirs });
    pipes.closeTheirs();
    return {
      container,
      input: pipes.input?.fd,
      finish: (signals) => withPipes(container, signals, pipes, options),
      discard: () => discard(container, pipes.close),
    };
  } catch (error) {
    pipes.close();
    throw error;
  }
}

/** @throws {MiniError} with status 1 when our input is to be a container's terminal and is none. */
export function checkTerminal(): void {
  if (isTerminal(0)) return;
  throw new MiniError("standard input is not a terminal: leave out -t to pipe something into the container", 1);
}

async function discard(container: Container, closeStreams: () => void): Promise<void> {
  closeStreams();
  container.kill(SIGKILL);
  await container.wait().catch((error) => {
    if (!(error instanceof MiniError)) throw error; // why it would have failed is of no interest any more
  });
}

function terminalSize() {
  return windowSize(1) ?? windowSize(0);
}

/** Hands signals on; whoever asks for the end often enough gets it, and so does a container whose terminal is gone. */
export class Forwarding implements Disposable {
  readonly #container: Shown;
  readonly #ended = new AbortController();
  /** The one of our streams that is a terminal. */
  readonly #ours = [0, 1, 2].find(isTerminal);
  #impatience = 0;
  #killer: ReturnType<typeof setTimeout> | undefined;
  #left: ReturnType<typeof setTimeout> | undefined;

  constructor(container: Shown) {
    this.#container = container;
  }

  /** Aborted when nothing that is printed from now on is the container's. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Waits for its end. What it has left running may hold its streams for ever. @param ours our ends of them. */
  async wait(ours: readonly End[]): Promise<ExitStatus> {
    try {
      return await this.#container.wait();
    } finally {
      if (!ours.every((end) => end.isHungUp)) this.#left = setTimeout(() => this.#ended.abort(), LEFT_MILLISECONDS);
    }
  }

  /** Whether we had a terminal, and it was hung up. */
  get lostTerminal(): boolean {
    return this.#ours !== undefined && !isTerminal(this.#ours);
  }

  receive(signal: number): boolean {
    // Only what it has left running is listened to still.
    if (this.#container.reaped) {
      this.#ended.abort();
      return true;
    }
    // What is only being made has no handlers yet, and would lose the signal.
    if (!this.#container.started && [SIGHUP, SIGINT, SIGQUIT, SIGTERM].includes(signal)) {
      this.#container.kill(SIGKILL);
      return false;
    }
    if (signal === SIGHUP && this.lostTerminal) {
      this.hangUp();
      return true;
    }
    const counts = signal === SIGINT || signal === SIGTERM;
    this.#container.kill(counts && ++this.#impatience >= IMPATIENT_AFTER ? SIGKILL : signal);
    return true;
  }

  /** Tells the container that there is no terminal any more, and gives it a while to end. */
  hangUp(): void {
    this.#container.kill(SIGHUP);
    this.#killer ??= setTimeout(() => this.#container.kill(SIGKILL), HANGUP_MILLISECONDS);
  }

  [Symbol.dispose](): void {
    // Not touched if there is none: the first use of a timer loads what Deno has of Node.
    if (this.#killer !== undefined) clearTimeout(this.#killer);
    if (this.#left !== undefined) clearTimeout(this.#left);
  }
}

/** What to say about output that could not be written. */
export function lostOutput(...results: number[]): { lost?: MiniError } {
  const errno = results.find((result) => result !== 0 && result !== Errno.EPIPE);
  if (errno === undefined) return {};
  return { lost: new MiniError(`the container's output cannot be written: ${errnoMeaning(errno)}`, 125) };
}

/** Whether a process neither ignores nor handles SIGPIPE. proc(5) */
function diesOfBrokenPipe(pid: number): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const masks = [...status.matchAll(/^Sig(?:Ign|Cgt):\s*([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
    return masks.every((mask) => (mask & 1n << BigInt(SIGPIPE - 1)) === 0n);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("os error 3")) return false;
    throw error;
  }
}

async function withPipes(
  container: Container,
  signals: Signals,
  pipes: Pipes,
  { unkillable, keep }: ForegroundOptions,
): Promise<Ended> {
  using forwarding = new Forwarding(container);
  const stop = new AbortController();
  const timers: ReturnType<typeof setTimeout>[] = [];
  let brokenPipe = false;
  const copy = async (from: Pipes["output"], to: 1 | 2) => {
    const result = await copyOut(from.fd, to, undefined, keep && ((bytes) => keep(to, bytes)), forwarding.ended);
    // The container learns it as any program in a pipeline does.
    from.close();
    if (result !== Errno.EPIPE) return result;
    // Only that a PID 1 is never killed by SIGPIPE: where that is what would end it anywhere else, we do.
    timers.push(setTimeout(() => {
      if (!unkillable || !diesOfBrokenPipe(container.pid)) return;
      brokenPipe = true;
      container.kill(SIGKILL);
    }, BROKEN_PIPE_MILLISECONDS));
    return result;
  };
  try {
    return await signals.during((signal) => forwarding.receive(signal), async () => {
      const { input } = pipes;
      // The end of our input is the end of the container's. Nobody waits for it: it may never come.
      if (input) copyIn(0, input.fd, stop.signal).finally(() => input.close());
      const copying = Promise.all([copy(pipes.output, 1), copy(pipes.errors, 2)]);
      const status = await afterwards(forwarding.wait([pipes.output, pipes.errors]), copying);
      return {
        status: brokenPipe && status.signaled ? { ...status, code: SIGPIPE } : status,
        ...lostOutput(...await copying),
      };
    });
  } finally {
    stop.abort();
    for (const timer of timers) clearTimeout(timer);
    pipes.close();
  }
}

/** The result or failure of one promise, once another has settled too. */
export async function afterwards<T>(main: Promise<T>, other: Promise<unknown>): Promise<T> {
  await Promise.allSettled([main, other]);
  return await main;
}

/**
 * Copies between our terminal and a container's, which is closed at the end, and hands signals on until it has ended.
 *
 * @param interactive our standard input is a terminal, and its keys are the container's. @param detach makes what looks for
 *   detach keys among them, and calls `found`: the container is left as it is then.
 */
export async function withTerminal(
  container: Shown,
  signals: Signals,
  { interactive, keep, detach }: Pick<ForegroundOptions, "interactive" | "keep"> & {
    detach?: (found: () => void) => (keys: Uint8Array) => Uint8Array;
  },
): Promise<Ended> {
  if (container.terminal === undefined) return { status: await container.wait() }; // it failed before, and says so
  const terminal = new End(container.terminal);
  // Both of its directions are waited for at the same time, and a descriptor can be waited for once.
  const keys = new End(syscall("fcntl", terminal.fd, F_DUPFD_CLOEXEC, 0));
  setNonBlocking(terminal.fd);
  const stop = new AbortController();
  const resize = () => {
    const size = terminalSize();
    if (size && !stop.signal.aborted) setWindowSize(terminal.fd, size);
  };
  const raw = interactive ? makeRaw(0) : undefined;
  const restore = () => raw?.restore();
  // Deno.exit anywhere else, and errors that nobody catches, come by here.
  globalThis.addEventListener("unload", restore);
  Deno.addSignalListener("SIGWINCH", resize);
  using forwarding = new Forwarding(container);
  const receive = (signal: number) => {
    if (signal === SIGCONT) {
      // The shell that stopped us has given the terminal settings of its own, and perhaps another size.
      raw?.again();
      resize();
    }
    return forwarding.receive(signal);
  };
  // As when the line of a terminal is cut: what is in the container sees its own hung up, too.
  const hangUp = () => {
    stop.abort();
    forwarding.hangUp();
    terminal.close();
    keys.close();
  };
  try {
    resize();
    return await signals.during(receive, async () => {
      // Keys have no end in raw mode but one: our terminal was hung up.
      const left = Promise.withResolvers<Ended>();
      const filter = detach?.(() => {
        stop.abort();
        copying.then(() => left.resolve({ status: { code: 0, signaled: false, coreDumped: false }, left: 0 }));
      });
      if (interactive) copyIn(0, keys.fd, stop.signal, filter).then((atEnd) => atEnd && hangUp());
      const kept = keep && ((bytes: Uint8Array) => keep(1, bytes));
      const copying = copyOut(terminal.fd, 1, stop.signal, kept, forwarding.ended).then((result) => {
        if (result !== 0) hangUp(); // nobody sees it any more
        return result;
      });
      const ended = afterwards(forwarding.wait([terminal]), copying).then(async (status) => ({
        status,
        ...lostOutput(await copying),
      }));
      return await Promise.race([ended, left.promise]);
    });
  } finally {
    stop.abort();
    restore();
    globalThis.removeEventListener("unload", restore);
    Deno.removeSignalListener("SIGWINCH", resize);
    terminal.close();
    keys.close();
  }
}
