/** A container in the foreground: its streams are ours, signals to us are its own, and it does not outlive our terminal. */
import { Errno, errnoMeaning, MiniError } from "../ffi/errors.ts";
import { O_WRONLY } from "../ffi/constants.ts";
import { close } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import type { ExitStatus } from "../ffi/exit_status.ts";
import { isTerminal, windowSize } from "../ffi/terminal.ts";
import type { Container, StartOptions } from "../runtime/container.ts";
import type { Signals } from "./signals.ts";
import { copyIn, copyOut, type End, makePipes, type Pipes } from "./stdio.ts";

const SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15;
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
  /** Those of its output streams that are not shown here. */
  readonly hidden?: readonly (1 | 2)[] | undefined;
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
      // Nothing of it is loaded without a terminal.
      finish: async (signals) => (await import("./foreground_terminal.ts")).withTerminal(container, signals, options),
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

/** The size of our terminal; undefined if we have none. */
export function terminalSize() {
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
  { unkillable, keep, hidden = [] }: ForegroundOptions,
): Promise<Ended> {
  using forwarding = new Forwarding(container);
  const stop = new AbortController();
  const timers: ReturnType<typeof setTimeout>[] = [];
  let brokenPipe = false, nothing: number | undefined;
  const copy = async (from: Pipes["output"], to: 1 | 2) => {
    const shown = hidden.includes(to) ? (nothing ??= openNothing()) : to;
    const result = await copyOut(from.fd, shown, undefined, keep && ((bytes) => keep(to, bytes)), forwarding.ended);
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
    if (nothing !== undefined) close(nothing);
  }
}

/** Where what is not shown goes. */
const openNothing = () => open("/dev/null", O_WRONLY);

/** The result or failure of one promise, once another has settled too. */
export async function afterwards<T>(main: Promise<T>, other: Promise<unknown>): Promise<T> {
  await Promise.allSettled([main, other]);
  return await main;
}
