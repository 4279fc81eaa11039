/**
 * `mini monitor`: what needs JavaScript while nobody watches. One process for all containers in the background, started on
 * need, gone when there is nothing left to watch. All it knows is on disk: killed at any moment, the next one goes on.
 */
import { O_CREAT, O_RDWR } from "../../ffi/constants.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { open, tryLock } from "../../ffi/open.ts";
import { readable } from "../../ffi/reactor.ts";
import { ownNamespace } from "../../ffi/user_namespace.ts";
import type { Containers } from "../containers.ts";
import { hasNames } from "../network_names.ts";
import { hasNetworks, networksOf } from "../network_view.ts";
import { type ContainerRecord, restartIsDue } from "../record.ts";
import { isAlive } from "../process.ts";
import { restartDelay, STEADY_MILLISECONDS } from "../restart.ts";
import { listenForWakes, MONITOR_LOCK, tellMonitor } from "./wake.ts";
import type { TableKeeper } from "./firewall.ts";
import type { NameService } from "./names.ts";
import { watch } from "./watch.ts";

/** How long a monitor with nothing to watch stays, so that a loop of short containers does not start one each time. */
const LINGER_MILLISECONDS = 300;

/** How long at most until it is tried again to clear up after a container. */
const RETRY_MILLISECONDS = 5000;

/** Tells what went wrong with a container that nobody is waiting for. */
export type Report = (sentence: string) => void;

/** Watches containers until there is none left. @returns at once if there is a monitor already. */
export async function monitor(containers: Containers, report: Report): Promise<void> {
  const lock = await becomeTheOne(containers);
  if (lock === undefined) return;
  try {
    while (await new Monitor(containers, report).run());
  } finally {
    close(lock);
  }
}

/** The lock of the one monitor; undefined when another one has it and has been told to look. */
async function becomeTheOne(containers: Containers): Promise<number | undefined> {
  const lock = open(`${containers.state}/${MONITOR_LOCK}`, O_CREAT | O_RDWR, 0o600);
  while (!tryLock(lock)) {
    if (tellMonitor(containers)) {
      close(lock);
      return undefined;
    }
    // It is just coming or going.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return lock;
}

class Monitor {
  /** What is being watched, or about to be started again. */
  readonly #busy = new Map<string, Promise<void>>();
  #names: NameService | undefined;
  #tables: TableKeeper | undefined;
  /** How often it was tried in vain to clear up after a container. */
  readonly #tries = new Map<string, number>();
  /** How often in a row a container did not last. */
  readonly #streak = new Map<string, number>();

  readonly report: Report;

  constructor(readonly containers: Containers, report: Report) {
    this.report = (sentence) => {
      try {
        report(sentence);
      } catch {
        // Where it would be told there is no room for it, and the containers go on.
      }
    };
  }

  /** Watches. @returns whether there is something to watch that came in the last moment. */
  async run(): Promise<boolean> {
    const wakes = listenForWakes(this.containers.state);
    try {
      await this.containers.sweepAll();
      this.#look();
      for (const record of this.containers.records(this.report)) this.#considerRestart(record);
      for (;;) {
        await this.#lookForNetworks();
        const idle = this.#busy.size === 0 && !this.#names?.size;
        const signal = idle ? AbortSignal.timeout(LINGER_MILLISECONDS) : this.#someEnd();
        if (await readable(wakes, signal)) {
          trySyscall("read", wakes, new Uint8Array(4096), 4096);
          this.#look();
        } else if (idle) break;
      }
    } finally {
      close(wakes);
      await this.#tables?.close();
    }
    // Whoever wrote just before has found a monitor, and counts on it.
    return this.containers.active().some((id) => this.#isOurs(id) || this.#isNamed(id));
  }

  /** Aborted when the number of busy ones changes. */
  #someEnd(): AbortSignal {
    const controller = new AbortController();
    Promise.race([...this.#busy.values(), ...this.#names?.size ? [this.#names.someEnd] : []])
      .then(() => controller.abort());
    return controller.signal;
  }

  /** Cares for what containers in networks need. Nothing of it is loaded before there is one. */
  async #lookForNetworks(): Promise<void> {
    const active = this.containers.active();
    if (!this.#names && active.some((id) => this.#isNamed(id))) {
      this.#names = new (await import("./names.ts")).NameService(this.containers, this.report);
    }
    // An ordinary user's networks have no part in the firewall.
    if (!this.#tables && !ownNamespace() && active.some((id) => hasNetworks(this.containers, id))) {
      this.#tables = new (await import("./firewall.ts")).TableKeeper(this.containers, this.report);
    }
    this.#names?.look();
  }

  /** Whether it needs us for names, in the background or not. */
  #isNamed(id: string): boolean {
    const networks = networksOf(this.containers, id);
    return networks !== undefined && hasNames(networks);
  }

  #isOurs(id: string): boolean {
    return this.containers.running(id)?.shim !== undefined;
  }

  /** Watches what is there and not watched. */
  #look(): void {
    for (const id of this.containers.active()) {
      if (this.#busy.has(id) || !this.#isOurs(id)) continue;
      this.#keepBusy(id, () => watch(this.containers, id, this.report));
    }
  }

  #keepBusy(id: string, work: () => Promise<void>): void {
    const done = work()
      .catch((error) => this.report(`container ${id.slice(0, 12)}: ${(error as Error).message}`))
      .then(() => this.#whileNotCleared(id))
      .catch((error) => this.report((error as Error).message))
      .then(() => {
        this.#busy.delete(id);
        this.#goOn(id);
      });
    this.#busy.set(id, done);
  }

  /**
   * Waits a little, longer each time, while a container that has ended is not cleared up: somebody else is at it, or the disk
   * is full. Then it is looked at again.
   */
  async #whileNotCleared(id: string): Promise<void> {
    const shim = this.containers.running(id)?.shim, tries = this.#tries.get(id) ?? 0;
    if (!shim || isAlive({ pid: shim.pid, ...shim.startTicks !== undefined && { pidStartTicks: shim.startTicks } })) {
      this.#tries.delete(id);
      return;
    }
    this.#tries.set(id, tries + 1);
    await new Promise((resolve) => setTimeout(resolve, Math.min(2 ** tries, RETRY_MILLISECONDS)));
  }

  /** What comes after one thing was done about a container. */
  #goOn(id: string): void {
    try {
      this.#look();
      const record = this.containers.record(id);
      if (record) this.#considerRestart(record);
    } catch (error) {
      this.report(`container ${id.slice(0, 12)}: ${(error as Error).message}`);
    }
  }

  #considerRestart(record: ContainerRecord): void {
    const { id, startedAt, end } = record;
    if (!restartIsDue(record) || this.#busy.has(id)) return;
    const lasted = Date.parse(end!.finishedAt) - Date.parse(startedAt ?? end!.finishedAt);
    const streak = lasted >= STEADY_MILLISECONDS ? 0 : this.#streak.get(id) ?? 0;
    this.#streak.set(id, streak + 1);
    this.#keepBusy(id, async () => {
      await new Promise((resolve) => setTimeout(resolve, restartDelay(streak)));
      const { restart } = await import("./restart.ts");
      await restart(this.containers, id, this.report);
    });
  }
}
