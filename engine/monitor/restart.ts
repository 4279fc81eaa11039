/** A container that has ended is started again by its restart policy. */
import { MiniError } from "../../ffi/errors.ts";
import { Store } from "../../images/store.ts";
import { Busy, type Containers } from "../containers.ts";
import { startInBackground } from "../detached.ts";
import { restartIsDue } from "../record.ts";
import { take } from "../start.ts";
import type { Report } from "./monitor.ts";

/** Starts a container again, unless that is not wanted any more. What goes wrong is in its record then. */
export async function restart(containers: Containers, id: string, report: Report): Promise<void> {
  const before = containers.record(id);
  if (!before || !restartIsDue(before)) return;
  try {
    const made = take(containers, new Store(containers.root), id, false);
    if (!restartIsDue(made.record)) return containers.settle(id, made.lock);
    await startInBackground(containers, made, report, {
      restart: (record) => {
        record.restartCount = (record.restartCount ?? 0) + 1;
      },
    });
  } catch (error) {
    if (error instanceof Busy) return; // somebody starts or removes it
    if (!(error instanceof MiniError)) throw error;
    report(`container ${before.name} was not started again: ${error.message}`);
  }
}
