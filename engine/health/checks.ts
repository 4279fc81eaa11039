/**
 * Checks a container's health as long as it runs: by the monitor for one in the background, by `mini run` for one in the
 * foreground. Probes come one after the other and never pile up: the next one's time begins with the end of the last.
 */
import { MiniError } from "../../ffi/errors.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { isFrozen } from "../../runtime/cgroup.ts";
import type { Containers, Found } from "../containers.ts";
import { pidfdOf, stop } from "../control.ts";
import { emitContainer } from "../events.ts";
import { isAlive, isEnding } from "../process.ts";
import { type OnFailure, probeOf, type Timing, timingOf } from "./config.ts";
import { isOfRun, readHealth, type StoredHealth, storeHealth } from "./file.ts";
import { runProbe } from "./probe.ts";
import { afterProbe, BEGINNING, untilNext } from "./state.ts";

/** How often to look whether a container that is paused goes on. */
const PAUSED_MILLISECONDS = 250;
/** How long a container may take that is stopped because it is unhealthy. */
const STOP_SECONDS = 10, SIGKILL = 9;

/** Told of what goes wrong, in a sentence. */
type Report = (sentence: string) => void;

/** The checks of one run of a container. */
export interface HealthChecks {
  /** Ends them, a probe that runs as well. */
  stop(): Promise<void>;
}

/**
 * Begins to check a container that has just been started, or goes on where another process left off.
 *
 * @param foreground its command is its parent: it can only be stopped, not started again.
 * @returns undefined for a container of which nothing is checked.
 */
export function startHealthChecks(
  containers: Containers,
  id: string,
  report: Report,
  foreground = false,
): HealthChecks | undefined {
  const record = containers.record(id), health = record?.config.health;
  const args = health && probeOf(health);
  if (!record || !health || !args) return undefined;
  const onFailure = health.onFailure === "restart" && foreground ? "stop" : health.onFailure ?? "none";
  const ending = new AbortController();
  const done = new Checks(containers, id, { args, timing: timingOf(health.check), onFailure }, ending.signal, report)
    .run().catch((error) => report(`the health of container ${record.name}: ${(error as Error).message}`));
  return {
    stop: async () => {
      ending.abort();
      await done;
    },
  };
}

/** What is done, how often, and what comes of it. */
interface What {
  readonly args: readonly string[];
  readonly timing: Timing;
  readonly onFailure: OnFailure;
}

class Checks {
  constructor(
    readonly containers: Containers,
    readonly id: string,
    readonly what: What,
    readonly signal: AbortSignal,
    readonly report: Report,
  ) {}

  async run(): Promise<void> {
    const { args, timing } = this.what;
    let found = this.#look(), stored = found && this.#begin(found);
    while (found && stored) {
      await pause(untilNext(stored.health, Date.now() - stored.since, timing), this.signal);
      while ((found = this.#look()) && isPaused(found)) await pause(PAUSED_MILLISECONDS, this.signal);
      if (!found) return;
      const sinceStart = Date.now() - stored.since;
      const result = await runProbe(this.containers, found, args, timing.timeout, this.signal);
      // What was said by one that was killed, or by one that stood still, says nothing of the container.
      found = this.#look();
      if (!found) return;
      if (isPaused(found)) continue;
      const before = stored.health.Status;
      stored = { ...stored, health: afterProbe(stored.health, result, sinceStart, timing) };
      if (!this.#store(stored)) return;
      if (stored.health.Status === before) continue;
      emitContainer(this.containers.state, found.record, `health_status: ${stored.health.Status}`);
      if (stored.health.Status === "unhealthy" && this.#act(found)) return;
    }
  }

  /** The container, as long as this run of it lasts and is to be checked. */
  #look(): Found | undefined {
    if (this.signal.aborted) return undefined;
    const record = this.containers.record(this.id), running = this.containers.running(this.id);
    if (!record || !running || running.status !== "running" || !isAlive(running)) return undefined;
    // What is killed with it says nothing of its health.
    if (isEnding(running.pid)) return undefined;
    return { record, running, status: "running" };
  }

  #begin({ running }: Found): StoredHealth | undefined {
    const stored = readHealth(this.containers, this.id);
    if (stored && isOfRun(stored, running!)) return stored;
    const { pid, pidStartTicks } = running!;
    const fresh: StoredHealth = { pid, pidStartTicks, since: Date.now(), health: BEGINNING };
    return this.#store(fresh) ? fresh : undefined;
  }

  /** @returns false when the container has been removed. */
  #store(stored: StoredHealth): boolean {
    try {
      storeHealth(this.containers, this.id, stored);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Does what is to be done about a container that has become unhealthy. @returns whether this is the end of its run. */
  #act(found: Found): boolean {
    const { onFailure } = this.what;
    if (onFailure === "none") return false;
    // Nobody waits for it here: the end of the container waits for us.
    this.#carryOut(found, onFailure).catch((error) => {
      if (!(error instanceof MiniError)) throw error;
      this.report(`container ${found.record.name} is unhealthy, and cannot be helped: ${error.message}`);
    });
    return true;
  }

  async #carryOut(found: Found, what: "kill" | "restart" | "stop"): Promise<void> {
    if (what === "stop") return await stop(this.containers, found, STOP_SECONDS);
    if (what === "restart") {
      const { restartContainer } = await import("../lifecycle.ts");
      return await restartContainer(this.containers, found, STOP_SECONDS, undefined, this.report);
    }
    // Not by hand: its restart policy may start it again.
    const fd = pidfdOf(found);
    if (fd === undefined) return;
    // Told before it is done: what becomes of it, others tell at once.
    emitContainer(this.containers.state, found.record, "kill", { signal: String(SIGKILL) });
    trySyscall("pidfd_send_signal", fd, SIGKILL, null, 0);
    close(fd);
  }
}

const isPaused = ({ running }: Found) => running?.cgroup !== undefined && isFrozen(running.cgroup);

/** Waits, or until it is told not to. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
