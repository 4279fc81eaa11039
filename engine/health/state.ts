/** What is known of a container's health, and what a further probe makes of it: as in Docker. */
import type { Timing } from "./config.ts";

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** What one probe said, as `inspect` shows it. */
export interface ProbeResult {
  /** RFC 3339. */
  readonly Start: string;
  readonly End: string;
  /** 0 is well; -1 where the probe could not be run, or took too long. */
  readonly ExitCode: number;
  /** The beginning of what it printed, or why it has no exit status. */
  readonly Output: string;
}

/** `State.Health` of `inspect`. */
export interface Health {
  readonly Status: HealthStatus;
  /** How many probes in a row have failed, those apart that were not to count yet. */
  readonly FailingStreak: number;
  /** The last ones, the newest at the end. */
  readonly Log: readonly ProbeResult[];
}

/** Of a container that was just started. */
export const BEGINNING: Health = { Status: "starting", FailingStreak: 0, Log: [] };

const MOST_RESULTS = 5;

/**
 * The health after a probe. One that is well is enough to be healthy; so many in a row that are not make it unhealthy, of
 * which those do not count that began while it was still to be starting and had never been well.
 *
 * @param sinceStart milliseconds from the container's start to the probe's.
 */
export function afterProbe(health: Health, result: ProbeResult, sinceStart: number, timing: Timing): Health {
  const Log = [...health.Log, result].slice(-MOST_RESULTS);
  if (result.ExitCode === 0) return { Status: "healthy", FailingStreak: 0, Log };
  if (health.Status === "starting" && sinceStart < timing.startPeriod) return { ...health, Log };
  const FailingStreak = health.FailingStreak + 1;
  return { Status: FailingStreak >= timing.retries ? "unhealthy" : health.Status, FailingStreak, Log };
}

/** How long to wait for the next probe, in milliseconds. */
export function untilNext({ Status }: Health, sinceStart: number, timing: Timing): number {
  return Status === "starting" && sinceStart < timing.startPeriod ? timing.startInterval : timing.interval;
}
