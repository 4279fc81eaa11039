/** Runs a container in the foreground: this process is its parent and its terminal, and ends as it ends. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { start, type StartOptions } from "../runtime/container.ts";
import { isNew } from "../runtime/plan_namespaces.ts";
import type { Containers } from "./containers.ts";
import { create, type CreateOptions, type Made, type Source } from "./create.ts";
import { emitContainer, emitDie } from "./events.ts";
import { checkTerminal, startInForeground } from "./foreground.ts";
import { forgetWithVolumes } from "./forget.ts";
import { explainHost } from "./host_error.ts";
import { explainEnd, limitsEnd } from "./limits_end.ts";
import { foregroundLog } from "./log_place.ts";
import { ownerOf } from "./userns.ts";
import { Signals } from "./signals.ts";
import { type Note, surround, type Surroundings } from "./start.ts";

/**
 * Runs a container and waits for its end.
 *
 * @returns its exit status as a shell counts it, 0 if it was detached from and goes on.
 * @throws {MiniError} with status 125, 126 or 127 when it could not be run. Nothing is left behind, except the record of a
 *   container that is kept.
 */
export async function run(
  containers: Containers,
  source: Source,
  options: CreateOptions,
  note: Note,
  { detachKeys, hidden, withoutInput = false, ...watch }: Watching = {},
): Promise<number> {
  try {
    if (options.tty && options.interactive) checkTerminal();
    await containers.sweep();
    using signals = new Signals();
    let made: Made;
    try {
      made = await create(containers, source, options, signals.interruption);
    } catch (error) {
      const interruptedBy = await signals.interruptedBy();
      if (interruptedBy !== undefined) return 128 + interruptedBy;
      throw error;
    }
    const interactive = options.interactive && !withoutInput;
    return await runMade(containers, made, signals, { interactive, fresh: true, watch, detachKeys, hidden }, note);
  } catch (error) {
    throw explainHost(error, containers);
  }
}

/** Who looks at what is run, or is asked before. */
export interface Watching extends Pick<StartOptions, "explain" | "step"> {
  /** The bytes that detach from a container with a terminal, which goes on then. */
  readonly detachKeys?: readonly number[];
  /** Those of its output streams that are not shown. */
  readonly hidden?: readonly (1 | 2)[];
  /** Our standard input is not the container's, even if that has one. */
  readonly withoutInput?: boolean;
}

/** How a container is run in the foreground. */
export interface ForegroundRun {
  /** Our standard input is the container's. */
  readonly interactive: boolean;
  /** Is told what was done for it, or is asked before. */
  readonly watch?: Pick<StartOptions, "explain" | "step">;
  /** It was made by this very command: if it does not come to run, nobody has been promised anything. */
  readonly fresh: boolean;
  readonly detachKeys?: readonly number[] | undefined;
  readonly hidden?: readonly (1 | 2)[] | undefined;
}

/** Whether a container is to go on without the command that shows it: one that can be detached from, or is restarted. */
function outlivesUs({ restart, config }: Made["record"], { watch, detachKeys }: ForegroundRun): boolean {
  if (restart.name !== "no" || config.health?.onFailure === "restart") return true;
  return config.tty && config.openStdin && detachKeys !== undefined && watch?.step === undefined;
}

/**
 * Runs a container that was made and locked, and waits for its end. The lock is closed here.
 *
 * @returns its exit status as a shell counts it, 0 if it was detached from and goes on. @throws {MiniError} as `run`.
 */
export async function runMade(
  containers: Containers,
  made: Made,
  signals: Signals,
  how: ForegroundRun,
  note: Note,
): Promise<number> {
  const { interactive, fresh, watch, detachKeys = [], hidden } = how;
  if (outlivesUs(made.record, how)) {
    const { runShown } = await import("./shown.ts"), { explain } = watch ?? {};
    return await runShown(containers, made, signals, { interactive, fresh, detachKeys, explain, hidden }, note);
  }
  const { lock } = made, { id, autoRemove, config } = made.record;
  let keep = !fresh, ran = false;
  let around: Surroundings | undefined;
  using log = foregroundLog(containers, made.record);
  try {
    around = await surround(containers, made, note, fresh, signals.interruption);
    const { spec } = around, common = { ...around.options, signal: signals.interruption, ...watch };
    const foreground = await startInForeground(
      {
        terminal: config.tty,
        interactive,
        uid: ownerOf(spec),
        unkillable: !config.init && isNew(spec, "pid"),
        keep: log.keep,
        hidden,
      },
      (streams) => start(spec, { ...common, ...streams }),
    );
    const startedAt = new Date().toISOString();
    let status: number, failure: MiniError | undefined, end: { exitCode: number; error?: string };
    try {
      const { container: { pid }, input } = foreground;
      around.running(pid, input === undefined ? {} : { input });
      const interruptedBy = await signals.interruptedBy();
      if (interruptedBy !== undefined) {
        await foreground.discard();
        return 128 + interruptedBy;
      }
      if (!autoRemove) containers.change(id, (record) => begun(record, startedAt));
      emitContainer(containers.state, made.record, "start");
      void around.served?.().catch((error: Error) => note(error.message));
      ran = true;
      const health = config.health && await checkHealth(containers, id, note);
      const ended = await foreground.finish(signals).finally(() => health?.stop());
      status = shellStatus(ended.status);
      failure = ended.lost;
      end = { exitCode: status };
    } catch (error) {
      if (!(error instanceof MiniError)) {
        await foreground.discard();
        throw error;
      }
      ran = false; // it has never been more than a plan
      const interruptedBy = await signals.interruptedBy();
      if (interruptedBy !== undefined) return 128 + interruptedBy;
      failure = error;
      status = error.exitStatus ?? 125;
      end = { exitCode: status, error: error.message };
    }
    keep = !autoRemove;
    const short = limitsEnd(around.cgroup?.path);
    if (short.oomKilled !== undefined) emitContainer(containers.state, made.record, "oom");
    emitDie(containers.state, made.record, end, (Date.now() - Date.parse(startedAt)) / 1000);
    await around.release();
    around = undefined;
    if (keep) containers.ended(id, { ...end, ...short, finishedAt: new Date().toISOString() });
    const reached = explainEnd({ exitCode: status, ...short });
    if (failure) {
      const message = reached === undefined ? failure.message : `${failure.message}; ${reached}`;
      throw new MiniError(message, failure.exitStatus ?? 125, { cause: failure.cause });
    }
    if (reached !== undefined) throw new MiniError(reached, status);
    return status;
  } finally {
    await around?.release();
    if (!keep) {
      await forgetWithVolumes(containers, made.record, note, ran ? [] : made.newVolumes);
      emitContainer(containers.state, made.record, "destroy");
    } else containers.dropState(id);
    close(lock);
  }
}

/** Nothing of it is loaded where nothing is checked. */
async function checkHealth(containers: Containers, id: string, note: Note) {
  return (await import("./health/checks.ts")).startHealthChecks(containers, id, note, true);
}

/** A container that has begun to run has not ended. If somebody has asked for its end meanwhile, that stays (start.ts, `take`). */
export function begun(record: Made["record"], startedAt: string): void {
  record.startedAt = startedAt;
  delete record.end;
}
