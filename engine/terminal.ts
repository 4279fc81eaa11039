/** The terminal of a container in the background, which its shim holds. */
import { trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import type { Containers } from "./containers.ts";

/** How often to look for a terminal that is just being made. */
const PAUSE_MS = 5;

/**
 * A descriptor of the master's side of a container's terminal, the caller's to close: pidfd_getfd(2).
 *
 * @param shim a descriptor of the container's shim. @returns undefined when that has ended.
 */
export async function takeTerminal(containers: Containers, id: string, shim: number): Promise<number | undefined> {
  for (;;) {
    // A container that is only being started is written down before it has one.
    const number = containers.running(id)?.shim?.terminal;
    if (number !== undefined) {
      const fd = trySyscall("pidfd_getfd", shim, number, 0);
      return fd < 0 ? undefined : fd;
    }
    if (await readable(shim, AbortSignal.timeout(PAUSE_MS))) return undefined;
  }
}
