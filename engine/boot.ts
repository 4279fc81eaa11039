/** What the machine's start and end mean for containers: `mini system start` and `mini system stop`. */
import { MiniError } from "../ffi/errors.ts";
import { Store } from "../images/store.ts";
import { Busy, type Containers } from "./containers.ts";
import { stop } from "./control.ts";
import { startInBackground } from "./detached.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import { type ContainerRecord, restartIsDue } from "./record.ts";
import { type Note, take } from "./start.ts";

/** Whether a container is to run again after the machine was started: as Docker's, `always` even if it was stopped by hand. */
function isWanted(record: ContainerRecord): boolean {
  const { restart, stopped, ...others } = record;
  if (restart.name === "always") return record.startedAt !== undefined;
  return stopped !== "by hand" && restartIsDue({ restart, ...others });
}

/**
 * Starts every container whose restart policy wants it back, as the machine's start does.
 *
 * @param note is told of each that could not be started. @returns the names of those that were started.
 */
export async function startWanted(containers: Containers, note: Note): Promise<string[]> {
  await containers.sweepAll();
  const started: string[] = [], store = new Store(containers.root);
  for (const { record, running } of (await containers.list(note)).reverse()) {
    if (running || !isWanted(record)) continue;
    try {
      await startInBackground(containers, take(containers, store, record.id), note);
      started.push(record.name);
    } catch (error) {
      if (error instanceof Busy) continue; // the monitor is at it
      if (!(error instanceof MiniError)) throw error;
      note(`container ${record.name} was not started: ${error.message}`);
    }
  }
  if (started.length > 0) wakeMonitor(containers);
  return started;
}

/**
 * Stops every container for the machine's end; those whose policy wants it come back with `startWanted`.
 *
 * @returns the names of those that were stopped.
 */
export async function stopAll(containers: Containers, seconds: number, note: Note): Promise<string[]> {
  const running = (await containers.list(note)).filter(({ running }) => running);
  await Promise.all(running.map((found) => stop(containers, found, seconds, undefined, "with the machine")));
  return running.map(({ record }) => record.name);
}
