/** One container in the background, watched until it has ended: its output, its end. */
import { close } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { clearUpOnce } from "../clear.ts";
import type { Containers } from "../containers.ts";
import { logPlace } from "../log_place.ts";
import { LogConsumer } from "../logs/consumer.ts";
import { openHelper, openProcess } from "../process.ts";
import { takeTerminal } from "../terminal.ts";
import type { ContainerRecord, Helper } from "../record.ts";
import type { Report } from "./monitor.ts";

/**
 * Watches a container until it has ended and is cleared up.
 *
 * @throws {MiniError} when it cannot be cleared up.
 */
export async function watch(containers: Containers, id: string, report: Report): Promise<void> {
  const running = containers.running(id), record = containers.record(id);
  if (!running?.shim || !record) return;
  const shim = openHelper(running.shim);
  if (shim !== undefined) {
    const health = record.config.health && await checkHealth(containers, id, report);
    try {
      const container = openProcess(running);
      if (running.shim.reader) await untilLeft(running.shim.reader, container);
      const output = await consume(containers, record, shim, report);
      // The shim waits with its own end until nobody reads the output any more.
      if (container !== undefined) {
        await readable(container);
        close(container);
      }
      await output?.end();
      await readable(shim);
    } finally {
      await health?.stop();
      close(shim);
    }
  }
  await clear(containers, id);
}

/** A command that shows a container reads its output, until it is detached from it or has ended, or the container has. */
async function untilLeft(reader: Helper, container: number | undefined): Promise<void> {
  const fd = openHelper(reader);
  if (fd === undefined) return;
  const other = new AbortController();
  await Promise.race([readable(fd, other.signal), container === undefined || readable(container, other.signal)]);
  other.abort();
  close(fd);
}

/** Nothing of it is loaded where nothing is checked. */
async function checkHealth(containers: Containers, id: string, report: Report) {
  return (await import("../health/checks.ts")).startHealthChecks(containers, id, report);
}

/** Begins to read a container's output. What goes wrong with that is told, and the container is watched all the same. */
async function consume(
  containers: Containers,
  record: ContainerRecord,
  shim: number,
  report: Report,
): Promise<LogConsumer | undefined> {
  const tell = (error: unknown) => report(`the output of container ${record.name}: ${(error as Error).message}`);
  let terminal: number | undefined;
  try {
    if (record.config.tty) {
      terminal = await takeTerminal(containers, record.id, shim);
      if (terminal === undefined) return undefined;
    }
    const consumer = LogConsumer.open({ ...logPlace(containers, record), terminal });
    if (!consumer && terminal !== undefined) close(terminal);
    consumer?.running.catch(tell);
    return consumer;
  } catch (error) {
    if (terminal !== undefined) close(terminal);
    tell(error);
    return undefined;
  }
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
