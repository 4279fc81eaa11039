/** Signals to a command that runs a container: they are the container's, and before it is there they end the command. */
import { syscall, waitingSyscall } from "../ffi/kernel.ts";
import { redirectSignal } from "../ffi/redirect_signal.ts";
import { signalNumber } from "../runtime/signals.ts";

/** Handed on to the container. */
const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT"] as const;
/** Those that end a container that is only being made. */
const ENDING: readonly string[] = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"];
const SIG_IGN = 1n;

/** Whether whoever started us set a signal to be ignored, as nohup(1) does. */
function isIgnored(signal: number): boolean {
  const action = new BigUint64Array(4); // handler, flags, restorer, mask
  syscall("rt_sigaction", signal, null, action, 8);
  return action[0] === SIG_IGN;
}

let isRedirected = false;
/** Has SIGUSR1 arrive as a signal that nobody sends: as itself it would make Deno open its inspector (redirect_signal.ts). */
function redirected(): "SIGSTKFLT" {
  const name = "SIGSTKFLT", nothing = () => {};
  if (!isRedirected) {
    for (const each of ["SIGUSR1", name] as const) Deno.addSignalListener(each, nothing);
    redirectSignal(signalNumber("SIGUSR1"), signalNumber(name));
    // The handlers that Deno installed stay.
    for (const each of ["SIGUSR1", name] as const) Deno.removeSignalListener(each, nothing);
    isRedirected = true;
  }
  return name;
}

/** Is given a signal. Returns false to have it taken as if the container was not there yet. */
export type Receive = (signal: number) => boolean | void;

/** Catches the signals from when it is made until it is disposed of. */
export class Signals implements Disposable {
  #remove: (() => void)[] = [];
  #receive: Receive | undefined;
  readonly #interruption = new AbortController();
  #interruptedBy: number | undefined;

  constructor() {
    for (const name of FORWARDED) {
      const number = signalNumber(name);
      // Under nohup a container outlives its terminal. The others are handed on even so: a shell without job control sets
      // SIGINT and SIGQUIT to be ignored for all that it starts in the background.
      const ignored = name === "SIGHUP" && isIgnored(number);
      const handler = () => {
        // It needs a handler even so: Deno's own, which comes with the first listener to any signal, would end us.
        if (ignored) return;
        if (this.#receive?.(number) ?? this.#receive !== undefined) return;
        if (ENDING.includes(name)) {
          this.#interruptedBy ??= number;
          this.#interruption.abort();
        }
      };
      const heard = name === "SIGUSR1" ? redirected() : name;
      Deno.addSignalListener(heard, handler);
      this.#remove.push(() => Deno.removeSignalListener(heard, handler));
    }
  }

  /** Aborted by the first signal that asks for an end before anybody receives signals. */
  get interruption(): AbortSignal {
    return this.#interruption.signal;
  }

  /** Its number, after all signals that were sent until now have been seen. */
  async interruptedBy(): Promise<number | undefined> {
    // Signals are seen only when nothing else is to be done: wait for a turn of the event loop. A timer would do, but the first
    // one loads what Deno has of Node, which takes longer than making the container.
    await waitingSyscall("getpid");
    return this.#interruptedBy;
  }

  /** Passes every signal on, until the body has ended. */
  async during<T>(receive: Receive, body: () => Promise<T>): Promise<T> {
    this.#receive = receive;
    try {
      return await body();
    } finally {
      this.#receive = () => {}; // what is left to be done is to clear up, and that is not interrupted
    }
  }

  [Symbol.dispose](): void {
    for (const remove of this.#remove.splice(0)) remove();
  }
}
