/** A process in a container, as the program that started it sees it. */
import { type ExitStatus as KernelStatus, shellStatus } from "../ffi/exit_status.ts";
import { MiniError } from "../ffi/errors.ts";
import type { Container } from "../runtime/container.ts";
import { signalName, signalNumber } from "../runtime/signals.ts";
import type { Streams } from "./streams.ts";

/** How a process ended. */
export interface ExitStatus {
  /** Whether it ended by itself with status 0. */
  readonly success: boolean;
  /** Its exit status as a shell counts it: 128 + n for a signal. */
  readonly code: number;
  /** `SIGKILL` …, if a signal ended it. */
  readonly signal?: string;
}

/** How a process ended, and all that it wrote. */
export interface Output extends ExitStatus {
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** A process in a container. `await using` ends it, if it still runs, when the block is left. */
export class Process implements AsyncDisposable {
  readonly #container: Container;
  readonly #streams: Streams;
  readonly #status: Promise<ExitStatus>;

  /** @param ended its end, after everything was cleared up. @param signal kills it when aborted. */
  constructor(container: Container, streams: Streams, ended: Promise<KernelStatus>, signal?: AbortSignal) {
    this.#container = container;
    this.#streams = streams;
    const kill = () => this.kill("SIGKILL");
    signal?.addEventListener("abort", kill);
    if (signal?.aborted) kill();
    this.#status = this.#end(ended).finally(() => signal?.removeEventListener("abort", kill));
    // Nobody has to wait for it.
    this.#status.catch(() => {});
  }

  async #end(ended: Promise<KernelStatus>): Promise<ExitStatus> {
    const status = await ended;
    await this.#streams.copied;
    return {
      success: !status.signaled && status.code === 0,
      code: shellStatus(status),
      ...status.signaled ? { signal: signalName(status.code) } : {},
    };
  }

  /** Its number on the host. */
  get pid(): number {
    return this.#container.pid;
  }

  /** Its end, once nothing is left of it: mounts, cgroup, network, files. */
  get status(): Promise<ExitStatus> {
    return this.#status;
  }

  /** @throws {TypeError} if its standard input was not asked for with `stdin: "piped"`. */
  get stdin(): WritableStream<Uint8Array> {
    return piped(this.#streams.stdin, "stdin");
  }

  /** What it prints. A process that nobody reads from waits when some 64 kB lie there. @throws {TypeError} if it is not piped. */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return piped(this.#streams.stdout, "stdout");
  }

  /** Its errors; as `stdout`. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return piped(this.#streams.stderr, "stderr");
  }

  /** Sends it a signal; nothing happens if it has ended. @throws {MiniError} for a name of no signal. */
  kill(signal = "SIGTERM"): void {
    const number = signalNumber(signal);
    if (!this.#container.reaped) this.#container.kill(number);
  }

  /** Its end, and all that it has written to what is piped; empty for what is not. */
  async output(): Promise<Output> {
    const { stdout, stderr } = this.#streams;
    const [out, errors, status] = await Promise.all([collect(stdout), collect(stderr), this.#status]);
    return { ...status, stdout: out, stderr: errors };
  }

  /** What it has written to its standard output, as text. @throws {MiniError} with its errors if it fails. */
  async text(): Promise<string> {
    const { success, code, stdout, stderr } = await this.output();
    const text = (bytes: Uint8Array<ArrayBuffer>) => new TextDecoder().decode(bytes);
    if (!success) throw new MiniError(`the process ended with status ${code}: ${text(stderr).trim()}`, code);
    return text(stdout);
  }

  /** Kills it if it still runs, waits until nothing is left of it, and ends its streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#status.catch((error) => {
      if (!(error instanceof MiniError)) throw error; // why it failed has been told to whoever asked
    });
    this.#streams.close();
  }
}

function piped<T>(stream: T | undefined, name: string): T {
  if (!stream) throw new TypeError(`${name} of this process is not "piped"`);
  return stream;
}

async function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined): Promise<Uint8Array<ArrayBuffer>> {
  return stream ? new Uint8Array(await new Response(stream).arrayBuffer()) : new Uint8Array();
}
