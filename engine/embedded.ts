/** Runs a container for a program that has mini as its library: it is a child of this process, and nothing waits for signals. */
import { close } from "../ffi/kernel.ts";
import { type ExitStatus, shellStatus } from "../ffi/exit_status.ts";
import { type Container, start, type StartOptions } from "../runtime/container.ts";
import type { Containers } from "./containers.ts";
import type { Made } from "./create.ts";
import { emitContainer, emitDie } from "./events.ts";
import { forgetWithVolumes } from "./forget.ts";
import { limitsEnd } from "./limits_end.ts";
import { begun } from "./run.ts";
import { type Note, surround, type Surroundings } from "./start.ts";
import { ownerOf } from "./userns.ts";

/** The streams of a process that is to be started. */
export interface EmbeddedStreams {
  readonly stdio: NonNullable<StartOptions["stdio"]>;
  /** Once it has been started. */
  closeTheirs(): void;
  /** If it could not be. */
  close(): void;
}

/** A container whose own program runs. */
export interface Embedded {
  readonly container: Container;
  /** How it ended, after everything that was made for it has been taken down. */
  readonly ended: Promise<ExitStatus>;
}

/**
 * Starts a container that was made and locked by this process, and returns when its own program runs. The lock is closed when
 * it has ended.
 *
 * @param open makes its streams, for a user with that id on the host.
 * @throws {MiniError} when it could not be started. Nothing is left of it then.
 */
export async function startEmbedded(
  containers: Containers,
  made: Made,
  open: (uid: number) => EmbeddedStreams,
  note: Note,
  signal?: AbortSignal,
): Promise<Embedded> {
  const { lock, record } = made, { id, autoRemove } = record;
  let around: Surroundings | undefined, streams: EmbeddedStreams | undefined;
  const forget = async (volumes?: readonly string[]) => {
    await forgetWithVolumes(containers, record, note, volumes);
    emitContainer(containers.state, record, "destroy");
    close(lock);
  };
  let container: Container;
  try {
    around = await surround(containers, made, note, true, signal);
    streams = open(ownerOf(around.spec));
    container = await start(around.spec, { ...around.options, stdio: streams.stdio, ...signal ? { signal } : {} });
    streams.closeTheirs();
    around.running(container.pid);
    // Whoever waits is told why it could not be made.
    if (!await container.begun()) await container.wait();
  } catch (error) {
    streams?.close();
    await around?.release();
    await forget(made.newVolumes);
    throw error;
  }
  const { cgroup } = around, startedAt = new Date();
  if (!autoRemove) containers.change(id, (now) => begun(now, startedAt.toISOString()));
  emitContainer(containers.state, record, "start");
  void around.served?.().catch((error: Error) => note(error.message));
  const health = record.config.health &&
    (await import("./health/checks.ts")).startHealthChecks(containers, id, note, true);

  const end = async () => {
    try {
      return await container.wait();
    } finally {
      await health?.stop();
    }
  };
  const clear = async (status: ExitStatus): Promise<ExitStatus> => {
    const exitCode = shellStatus(status), short = limitsEnd(cgroup?.path);
    if (short.oomKilled !== undefined) emitContainer(containers.state, record, "oom");
    emitDie(containers.state, record, { exitCode }, (Date.now() - startedAt.getTime()) / 1000);
    await around!.release();
    if (autoRemove) await forget();
    else {
      containers.ended(id, { exitCode, ...short, finishedAt: new Date().toISOString() });
      containers.dropState(id);
      close(lock);
    }
    return status;
  };
  return { container, ended: end().then(clear) };
}
