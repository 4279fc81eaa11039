/** The streams of a process in a container as web streams. */
import { O_WRONLY } from "../ffi/constants.ts";
import { Errno, errnoMeaning, MiniError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { readable, writable } from "../ffi/reactor.ts";
import type { EmbeddedStreams } from "../engine/embedded.ts";
import { copyOut, type End, makePipes } from "../engine/stdio.ts";

/** What becomes of a stream: a web stream, nothing, or this process's own stream. */
export type Stdio = "piped" | "null" | "inherit";

/** What becomes of the three. */
export interface StdioOptions {
  /** Its standard input; `null` without it. */
  readonly stdin?: "piped" | "null";
  /** Its standard output; `piped` without it. */
  readonly stdout?: Stdio;
  /** Its standard error; `piped` without it. */
  readonly stderr?: Stdio;
}

const BUFFER_BYTES = 64 << 10;

/** Our ends of the streams of one process. */
export class Streams {
  readonly stdin: WritableStream<Uint8Array> | undefined;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  /** What is passed when the process is started. */
  readonly theirs: EmbeddedStreams;
  readonly #stop = new AbortController();
  readonly #ends: End[];
  #copies: Promise<unknown> = Promise.resolve();

  /** @param uid the host's number of the user whose streams they are. */
  constructor({ stdin = "null", stdout = "piped", stderr = "piped" }: StdioOptions, uid: number) {
    const pipes = makePipes(stdin === "piped", uid);
    let nothing: number | undefined;
    const theirEnd = (how: Stdio, fd: number) => how === "null" ? nothing ??= open("/dev/null", O_WRONLY) : fd;
    const [input, output, errors] = pipes.theirs;
    const closeNothing = () => {
      if (nothing !== undefined) close(nothing);
      nothing = undefined;
    };
    this.theirs = {
      stdio: [input, theirEnd(stdout, output), theirEnd(stderr, errors)],
      closeTheirs: () => {
        pipes.closeTheirs();
        closeNothing();
        for (const [how, end, to] of [[stdout, pipes.output, 1], [stderr, pipes.errors, 2]] as const) {
          if (how === "null") end.close();
          if (how === "inherit") {
            const copy = copyOut(end.fd, to, this.#stop.signal).finally(() => end.close());
            this.#copies = Promise.allSettled([this.#copies, copy]);
          }
        }
      },
      close: () => {
        pipes.close();
        closeNothing();
      },
    };
    this.#ends = [pipes.output, pipes.errors, ...pipes.input ? [pipes.input] : []];
    this.stdin = pipes.input && this.#writer(pipes.input);
    this.stdout = stdout === "piped" ? this.#reader(pipes.output) : undefined;
    this.stderr = stderr === "piped" ? this.#reader(pipes.errors) : undefined;
  }

  /** Resolves when what is inherited has been written. */
  get copied(): Promise<unknown> {
    return this.#copies;
  }

  /** Ends all of them; what has not been read is lost. */
  close(): void {
    this.#stop.abort();
    for (const end of this.#ends) end.close();
  }

  /** Reads only what is asked for: a process that nobody listens to waits. */
  #reader(end: End): ReadableStream<Uint8Array<ArrayBuffer>> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    return new ReadableStream({
      async pull(controller) {
        while (true) {
          if (!await readable(end.fd, signal)) return controller.close();
          const buffer = new Uint8Array(BUFFER_BYTES);
          const count = trySyscall("read", end.fd, buffer, buffer.length);
          if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
          if (count > 0) return controller.enqueue(buffer.slice(0, count));
          end.close();
          return controller.close();
        }
      },
      cancel() {
        stop.abort();
        end.close();
      },
    }, { highWaterMark: 0 });
  }

  #writer(end: End): WritableStream<Uint8Array> {
    const { signal } = this.#stop;
    return new WritableStream({
      async write(chunk) {
        for (let done = 0; done < chunk.length;) {
          if (signal.aborted) throw new MiniError("the process has ended, and with it its standard input");
          const rest = chunk.subarray(done) as Uint8Array<ArrayBuffer>;
          const count = trySyscall("write", end.fd, rest, rest.length);
          if (count >= 0) done += count;
          else if (count === -Errno.EAGAIN) await writable(end.fd, signal);
          else if (count !== -Errno.EINTR) {
            end.close();
            throw new MiniError(`the process does not read its standard input: ${errnoMeaning(-count)}`);
          }
        }
      },
      close: () => end.close(),
      abort: () => end.close(),
    });
  }
}
