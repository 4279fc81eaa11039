/** Waiting until something has become of a container: `mini wait`. */
import type { Containers, Found } from "./containers.ts";
import type { StoredEvent } from "./events.ts";
import { readEvents } from "./events_read.ts";
import { pause } from "./pause.ts";
import { whenEnded } from "./when_ended.ts";

/** What is waited for: that it does not run, that it ends the next time, that it is removed. */
export const WAIT_CONDITIONS = ["not-running", "next-exit", "removed"] as const;
export type WaitCondition = typeof WAIT_CONDITIONS[number];

/** How long to wait between looks whether the end of what has ended was written down. */
const PAUSE_MILLISECONDS = 10;
/** How often to look for an event that must have come. */
const MOST_LOOKS = 10;

/**
 * Waits for a container that was found after `since` (milliseconds since 1970).
 *
 * @returns its exit status as a shell counts it; 0 if it has never run.
 */
export async function waitFor(
  containers: Containers,
  found: Found,
  condition: WaitCondition,
  since: number,
): Promise<number> {
  if (condition === "not-running") return await whileRunning(containers, found, since);
  // What came before the look is no event that is waited for, and the exit status of one that has ended already.
  let status = found.running ? 0 : found.record.end?.exitCode ?? 0;
  for await (const event of readEvents(containers.state, { since })) {
    if (event.Type !== "container" || event.Actor.ID !== found.record.id) continue;
    status = exitCodeOf(event) ?? status;
    if (event.Action === (condition === "removed" ? "destroy" : "die")) break;
  }
  return status;
}

async function whileRunning(
  containers: Containers,
  { record: { id }, running }: Found,
  since: number,
): Promise<number> {
  for (;;) {
    const now = await whenEnded(containers, id);
    if (!now) return await lastStatus(containers, id, since);
    const { status, record: { end, startedAt } } = now;
    if (status === "exited" && end) return end.exitCode;
    // Not one that has run before our eyes: its owner is about to remove it.
    if (status === "created" && !startedAt && !running) return 0;
    await pause(PAUSE_MILLISECONDS);
  }
}

/** How one ended since a time that was removed at its end: nothing else tells it any more. */
export async function lastStatus(containers: Containers, id: string, since: number): Promise<number> {
  // The event may be newer than now: its time has microseconds, and is that of another process.
  for (let tries = 0;; tries++) {
    let status: number | undefined;
    for await (const event of readEvents(containers.state, { since, until: Date.now() })) {
      if (event.Type === "container" && event.Actor.ID === id) status = exitCodeOf(event) ?? status;
    }
    if (status !== undefined || tries === MOST_LOOKS) return status ?? 0;
    await pause(PAUSE_MILLISECONDS);
  }
}

function exitCodeOf({ Action, Actor }: StoredEvent): number | undefined {
  return Action === "die" ? Number(Actor.Attributes["exitCode"]) : undefined;
}
