/** Waits for the end of a container, seen from outside. */
import { close } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import type { Containers, Found } from "./containers.ts";
import { pause } from "./pause.ts";
import { openProcess } from "./process.ts";

/** How often to look at what nothing tells about: its end being written down, its next start. */
const PAUSE_MS = 20, LONG_PAUSE_MS = 200;

/**
 * Waits until a container has ended, and all of its output is in its log. One that its restart policy starts again has not.
 *
 * @returns the container as it is then; undefined if it was removed. Also when `signal` is aborted before.
 */
export async function whenEnded(containers: Containers, id: string, signal?: AbortSignal): Promise<Found | undefined> {
  for (;;) {
    const found = await containers.find(id);
    if (!found || signal?.aborted || found.status === "created" || found.status === "exited") return found;
    const process = found.running && openProcess(found.running);
    if (process === undefined) await pause(found.running ? PAUSE_MS : LONG_PAUSE_MS, signal);
    else {
      try {
        await readable(process, signal);
      } finally {
        close(process);
      }
    }
  }
}
