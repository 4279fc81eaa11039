/** Runs a container in the background: made, started, and left to its shim and the monitor. */
import type { StartOptions } from "../runtime/container.ts";
import type { Containers } from "./containers.ts";
import { create, type CreateOptions, type Source } from "./create.ts";
import { startInBackground } from "./detached.ts";
import { explainHost } from "./host_error.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import type { Note } from "./start.ts";

/**
 * Makes and starts a container.
 *
 * @returns its id, as soon as its own program runs. @throws {MiniError} with status 125, 126 or 127 when it could not be run.
 */
export async function runInBackground(
  containers: Containers,
  source: Source,
  options: CreateOptions,
  note: Note,
  explain?: StartOptions["explain"],
): Promise<string> {
  try {
    await containers.sweep();
    const made = await create(containers, source, options);
    await startInBackground(containers, made, note, { explain });
    wakeMonitor(containers);
    return made.record.id;
  } catch (error) {
    throw explainHost(error, containers);
  }
}
