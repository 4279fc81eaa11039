/** A container in the foreground that has a terminal: ours is connected with it. */
import { F_DUPFD_CLOEXEC } from "../ffi/constants.ts";
import { syscall } from "../ffi/kernel.ts";
import { makeRaw, setWindowSize } from "../ffi/terminal.ts";
import {
  afterwards,
  type Ended,
  type ForegroundOptions,
  Forwarding,
  lostOutput,
  type Shown,
  terminalSize,
} from "./foreground.ts";
import type { Signals } from "./signals.ts";
import { copyIn, copyOut, End, setNonBlocking } from "./stdio.ts";

const SIGCONT = 18;

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
