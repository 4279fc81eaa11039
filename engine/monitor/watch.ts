/** One container in the background, watched until it has ended: its output, its end. */
import { close } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { clearUpOnce } from "../clear.ts";
import type { Containers } from "../containers.ts";
import { openProcess } from "../process.ts";
import type { Report } from "./monitor.ts";

/**
 * Watches a container until it has ended and is cleared up.
 *
 * @throws {MiniError} when it cannot be cleared up.
 */
export async function watch(containers: Containers, id: string, _report: Report): Promise<void> {
  const running = containers.running(id);
  if (!running?.shim) return;
  const { pid, startTicks } = running.shim;
  const shim = openProcess({ pid, ...startTicks === undefined ? {} : { pidStartTicks: startTicks } });
  if (shim !== undefined) {
    try {
      await readable(shim);
    } finally {
      close(shim);
    }
  }
  await clear(containers, id);
}

/** Clears up after a container, unless somebody else is at it or has done it. */
async function clear(containers: Containers, id: string): Promise<void> {
  const lock = containers.take(id);
  if (!lock) return;
  try {
    await clearUpOnce(containers, id);
  } finally {
    if (lock.fd !== undefined) close(lock.fd);
  }
}
