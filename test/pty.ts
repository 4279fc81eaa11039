/** A pseudo terminal that a test drives as a person would: types into it, reads what it shows, resizes it, hangs it up. */
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR, TCGETS, TIOCSPTLCK, TIOCSWINSZ } from "../ffi/constants.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { readable } from "../ffi/reactor.ts";
import { type Output, signalTo, until } from "./harness.ts";

/** How long a command may run before it is killed, which shows in its status. */
const PATIENCE_MILLISECONDS = 120_000;
/** Of x86-64 and aarch64. */
const TIOCGPTN = 0x80045430, TERMIOS_BYTES = 60;

/** A command that has the terminal as its controlling one. */
export interface Session {
  readonly pid: number;
  /** Its exit status; 128 + n for a signal. */
  readonly status: Promise<number>;
  /** Sends it a signal; nothing happens if it has ended. */
  kill(signal: Deno.Signal): void;
}

const decode = (bytes: Uint8Array<ArrayBuffer>) => new TextDecoder().decode(bytes);

export class Terminal implements AsyncDisposable {
  readonly #master: number;
  /** Held, so that it is not hung up between two commands. */
  readonly #slave: number;
  readonly path: string;
  readonly #shown: number[] = [];
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;
  readonly #sessions: Deno.ChildProcess[] = [];

  constructor(rows = 24, columns = 80) {
    this.#master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    syscall("ioctl", this.#master, TIOCSPTLCK, new Uint8Array(4));
    const number = new Uint32Array(1);
    syscall("ioctl", this.#master, TIOCGPTN, number);
    this.path = `/dev/pts/${number[0]}`;
    this.#slave = open(this.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    this.resize(rows, columns);
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 << 10);
    while (await readable(this.#master, this.#stop.signal)) {
      const count = trySyscall("read", this.#master, buffer, buffer.length);
      for (let i = 0; i < count; i++) this.#shown.push(buffer[i]!);
    }
  }

  /** Starts a command as the leader of a session with this terminal. `streams` may say otherwise: `</dev/null`. */
  start(command: readonly string[], streams = "", env: Record<string, string> = {}): Session {
    const script = `exec setsid --ctty sh -c 'exec "$@" ${streams}' sh "$@" <"$0" >"$0" 2>&1`;
    const child = new Deno.Command("sh", {
      args: ["-c", script, this.path, ...command],
      env: { TERM: "xterm", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#sessions.push(child);
    const status = (async () => {
      const timer = setTimeout(() => signalTo(child, "SIGKILL"), PATIENCE_MILLISECONDS);
      const { code } = await child.status;
      clearTimeout(timer);
      return code;
    })();
    return { pid: child.pid, status, kill: (signal) => signalTo(child, signal) };
  }

  /** Types. */
  async type(keys: string | Uint8Array<ArrayBuffer>): Promise<void> {
    let bytes = typeof keys === "string" ? new TextEncoder().encode(keys) : keys;
    await until("typing", () => {
      const written = trySyscall("write", this.#master, bytes, bytes.length);
      if (written > 0) bytes = bytes.subarray(written);
      return bytes.length === 0;
    });
  }

  /** All that it has shown so far, as bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#shown);
  }

  /** The same as text, without the shell's questions to the terminal about where its cursor is. */
  text(): string {
    return decode(this.bytes()).replaceAll("\x1b[6n", "");
  }

  /** Waits until what it has shown since `from` (an index into its bytes) matches; returns the match. */
  async shows(pattern: RegExp, from = 0): Promise<RegExpMatchArray> {
    try {
      return await until(
        `${pattern}`,
        () => decode(this.bytes().subarray(from)).replaceAll("\x1b[6n", "").match(pattern) ?? undefined,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; the terminal shows ${JSON.stringify(this.text().slice(-2000))}`);
    }
  }

  /** Types a line and waits for an answer that is shown after it. */
  async ask(line: string, answer: RegExp): Promise<RegExpMatchArray> {
    const from = this.#shown.length;
    await this.type(line);
    return await this.shows(answer, from);
  }

  resize(rows: number, columns: number): void {
    const size = new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer);
    syscall("ioctl", this.#master, TIOCSWINSZ, size);
  }

  /** Its settings, termios(3), to be compared. */
  settings(): string {
    const settings = new Uint8Array(TERMIOS_BYTES);
    syscall("ioctl", this.#slave, TCGETS, settings);
    return settings.join(" ");
  }

  #open = true;
  /** Cuts the line: what has it as its terminal gets SIGHUP. */
  async hangUp(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#stop.abort();
    await this.#reading;
    close(this.#master);
    close(this.#slave);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hangUp();
    for (const child of this.#sessions) {
      const timer = setTimeout(() => signalTo(child, "SIGKILL"), 5000);
      await child.status;
      clearTimeout(timer);
    }
  }
}

/** Runs a command in a terminal of its own until it ends. */
export async function inTerminal(command: readonly string[], streams = ""): Promise<Output> {
  await using terminal = new Terminal();
  const status = await terminal.start(command, streams).status;
  await until("the last of its output", () => {
    const before = terminal.bytes().length;
    return new Promise<boolean>((resolve) => setTimeout(() => resolve(terminal.bytes().length === before), 30));
  });
  return { status, stdout: terminal.text(), stderr: "" };
}
