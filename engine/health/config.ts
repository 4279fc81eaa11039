/** How a container's health is found out: what flags and its image say together. */
import { MiniError } from "../../ffi/errors.ts";
import type { ContainerConfig as ImageSettings, HealthConfig } from "../../images/types.ts";

/** What is done about a container that has become unhealthy. */
export type OnFailure = "none" | "kill" | "restart" | "stop";

/** A container's health check, a part of its record. */
export interface Healthcheck {
  /** As Docker shows it, times in nanoseconds. */
  readonly check: HealthConfig;
  /** What runs the command of `CMD-SHELL`, if the image names another one than /bin/sh. */
  readonly shell?: readonly string[];
  readonly onFailure?: OnFailure;
}

/** `--health-…` and `--no-healthcheck`; times in milliseconds. What was not given is undefined. */
export interface HealthFlags {
  readonly none: boolean;
  readonly command?: string | undefined;
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
  readonly startPeriod?: number | undefined;
  readonly startInterval?: number | undefined;
  readonly retries?: number | undefined;
  readonly onFailure?: OnFailure | undefined;
}

const TIMES = [
  ["interval", "Interval", "health-interval"],
  ["timeout", "Timeout", "health-timeout"],
  ["startPeriod", "StartPeriod", "health-start-period"],
  ["startInterval", "StartInterval", "health-start-interval"],
] as const;

/** @throws {MiniError} for flags that do not go together, and for times that are too short. */
export function checkHealthFlags({ none, ...flags }: HealthFlags): void {
  if (none && Object.values(flags).some((value) => value !== undefined)) {
    throw new MiniError("--no-healthcheck excludes all of --health-…");
  }
  for (const [name, , flag] of TIMES) {
    const milliseconds = flags[name] ?? 0;
    if (milliseconds !== 0 && milliseconds < 1) {
      throw new MiniError(`--${flag} is at least 1ms, or 0 for what the image says`);
    }
  }
}

/**
 * The health check of a container: the image's, with what flags say instead. 0 and no command mean what the image says.
 *
 * @returns undefined where nothing was said of any. @throws {MiniError} for flags without a command to check with.
 */
export function healthcheckOf(
  flags: HealthFlags,
  image: Pick<ImageSettings, "Healthcheck" | "Shell">,
): Healthcheck | undefined {
  if (flags.none) return { check: { Test: ["NONE"] } };
  const check: HealthConfig = { ...image.Healthcheck };
  if (flags.command) check.Test = ["CMD-SHELL", flags.command];
  for (const [name, key] of TIMES) if (flags[name]) check[key] = Math.round(flags[name]! * 1e6);
  if (flags.retries) check.Retries = flags.retries;
  const isAsked = Object.values(flags).some((value) => value !== undefined && value !== false);
  if (!isAsked && image.Healthcheck === undefined) return undefined;
  const shell = image.Shell?.length ? { shell: [...image.Shell] } : {};
  const health: Healthcheck = { check, ...shell, ...flags.onFailure ? { onFailure: flags.onFailure } : {} };
  if (probeOf(health) === undefined && isAsked) {
    throw new MiniError("the flags --health-… are about a health check, and there is none: give --health-cmd as well");
  }
  return health;
}

const SHELL = ["/bin/sh", "-c"];

/** The program that tells whether a container is well; undefined where nothing is checked. @throws {MiniError} */
export function probeOf({ check: { Test: [kind, ...args] = [] }, shell = SHELL }: Healthcheck): string[] | undefined {
  switch (kind) {
    case undefined:
    case "NONE":
      return undefined;
    case "CMD":
      if (args.length > 0) return args;
      break;
    case "CMD-SHELL":
      if (args.length === 1) return [...shell, args[0]!];
      break;
  }
  throw new MiniError(
    `the image's health check ${JSON.stringify([kind, ...args]).slice(0, 100)} is none that Docker knows; ` +
      "--no-healthcheck runs a container without it",
  );
}

/** How often and how long, in milliseconds. */
export interface Timing {
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** However short an image's times are, the host has other things to do. */
const LEAST_MILLISECONDS = 10;
/** The longest time of a timer: 2^31 milliseconds are 24 days. */
const MOST_MILLISECONDS = 2 ** 31 - 1;

/** What a health check says, with Docker's defaults for what it does not. */
export function timingOf({ Interval, Timeout, StartPeriod, StartInterval, Retries }: HealthConfig): Timing {
  const milliseconds = (nanoseconds: number | undefined, otherwise: number) =>
    Math.min(Math.max(nanoseconds ? nanoseconds / 1e6 : otherwise, LEAST_MILLISECONDS), MOST_MILLISECONDS);
  return {
    interval: milliseconds(Interval, 30_000),
    timeout: milliseconds(Timeout, 30_000),
    startPeriod: StartPeriod ? milliseconds(StartPeriod, 0) : 0,
    startInterval: milliseconds(StartInterval, 5000),
    retries: Retries || 3,
  };
}
