/** What is written down of a container's health, for whoever asks and for the next one who checks it: `health.json`. */
import { type Containers, type Found, writeFile } from "../containers.ts";
import type { RunningState } from "../record.ts";
import { BEGINNING, type Health } from "./state.ts";
import { probeOf } from "./config.ts";

/** Health, and of which run of the container it is. */
export interface StoredHealth {
  /** PID 1 and field 22 of its /proc/PID/stat: no other run has both. */
  readonly pid: number;
  readonly pidStartTicks: number | undefined;
  /** When checking began; milliseconds since 1970. */
  readonly since: number;
  readonly health: Health;
}

const pathOf = (containers: Containers, id: string) => `${containers.folder(id)}/health.json`;

/** What is written down; undefined if there is nothing that can be read: then checking begins anew. */
export function readHealth(containers: Containers, id: string): StoredHealth | undefined {
  try {
    const stored: StoredHealth = JSON.parse(Deno.readTextFileSync(pathOf(containers, id)));
    const { Status, FailingStreak, Log } = stored.health;
    const isWhole = ["starting", "healthy", "unhealthy"].includes(Status) && typeof FailingStreak === "number" &&
      Array.isArray(Log);
    return isWhole ? stored : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError || error instanceof TypeError) {
      return undefined;
    }
    throw error;
  }
}

/** @throws {Deno.errors.NotFound} when the container has been removed. */
export function storeHealth(containers: Containers, id: string, stored: StoredHealth): void {
  writeFile(pathOf(containers, id), JSON.stringify(stored));
}

/** Whether what is written down is about this run of the container. */
export const isOfRun = (stored: StoredHealth, { pid, pidStartTicks }: RunningState): boolean =>
  stored.pid === pid && stored.pidStartTicks === pidStartTicks;

/**
 * A container's health: as it is if it runs, as it was at last if it does not.
 *
 * @returns undefined where nothing is checked.
 */
export function healthOf(containers: Containers, { record, running }: Found): Health | undefined {
  const { health } = record.config;
  if (!health || !isChecked(health)) return undefined;
  const stored = readHealth(containers, record.id);
  return stored && (!running || isOfRun(stored, running)) ? stored.health : BEGINNING;
}

/** A record that says nonsense was refused when it was made; whoever only looks is not bothered with it. */
function isChecked(health: Parameters<typeof probeOf>[0]): boolean {
  try {
    return probeOf(health) !== undefined;
  } catch {
    return false;
  }
}
