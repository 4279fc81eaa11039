/** Starts a container in the background: its output goes through FIFOs to the monitor, and a shim is its parent. */
import { F_DUPFD_CLOEXEC, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, S_IFIFO } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { windowSize } from "../ffi/terminal.ts";
import type { Tail } from "../ffi/shim.ts";
import type { StartOptions } from "../runtime/container.ts";
import { startDetached } from "../runtime/detached.ts";
import { type Cgroup, cgroupTree, openCgroup } from "../runtime/cgroup.ts";
import { OWN_CGROUP } from "./cgroups.ts";
import { STATUS_FILE } from "./clear.ts";
import type { Containers } from "./containers.ts";
import type { Made } from "./create.ts";
import { emitContainer, emitDie } from "./events.ts";
import { explainEnd, limitsEnd } from "./limits_end.ts";
import { forgetWithVolumes } from "./forget.ts";
import type { Helper } from "./record.ts";
import { startTicks } from "./process.ts";
import { STREAMS } from "./streams.ts";
import { begun } from "./run.ts";
import { ownerOf } from "./userns.ts";
import { type Note, surround, type Surroundings } from "./start.ts";

/** The descriptors for one start, all ours to close. */
interface Streams {
  /** What becomes 0, 1 and 2 of the container; without a terminal only. */
  readonly theirs?: readonly [number, number, number];
  /** Where its input is written to that comes to an end: nobody else holds it. */
  readonly input?: number;
  /** What the shim keeps. */
  readonly hold: readonly number[];
  readonly tails: readonly Tail[];
  close(): void;
}

/**
 * Makes the FIFOs. Each is held open for reading and writing by the shim, so that a container never meets a stream that is
 * closed, and nothing is lost while nobody reads.
 */
function makeStreams(folder: string, terminal: boolean, input: "held" | "once" | "none", uid: number): Streams {
  const withInput = input !== "none";
  const fds: number[] = [];
  const opened = (path: string, flags: number) => {
    const fd = open(path, flags);
    fds.push(fd);
    return fd;
  };
  const fifo = (name: string) => {
    const path = `${folder}/${name}`;
    syscall("mknodat", 0, path, S_IFIFO | 0o600, 0);
    // A user other than root may open /dev/stdout, which is a check of permissions.
    if (uid !== 0) Deno.chownSync(path, uid, 0);
    return opened(path, O_RDWR | O_NONBLOCK);
  };
  try {
    const tail = (name: "stdout" | "stderr") => ({ fifo: fifo(name), file: `${folder}/${STREAMS.tails[name]}` });
    const tails = terminal ? [tail("stdout")] : [tail("stdout"), tail("stderr")];
    const hold = tails.map((t) => t.fifo);
    const closeAll = () => fds.forEach(close);
    if (terminal) return { hold, tails, close: closeAll };
    if (withInput) {
      const held = fifo(STREAMS.stdin);
      if (input === "held") hold.push(held);
    }
    return {
      ...input === "once" ? { input: opened(`${folder}/${STREAMS.stdin}`, O_WRONLY | O_NONBLOCK) } : {},
      theirs: [
        withInput ? opened(`${folder}/${STREAMS.stdin}`, O_RDONLY) : opened("/dev/null", O_RDONLY),
        opened(`${folder}/${STREAMS.stdout}`, O_WRONLY),
        opened(`${folder}/${STREAMS.stderr}`, O_WRONLY),
      ],
      hold,
      tails,
      close: closeAll,
    };
  } catch (error) {
    fds.forEach(close);
    throw error;
  }
}

/** How a container is started in the background. */
export interface BackgroundOptions {
  /** Its restart policy starts it: what is written down of that. */
  readonly restart?: (record: Made["record"]) => void;
  readonly explain?: StartOptions["explain"];
  /**
   * This very process shows it in the foreground and holds the lock of its reader, of which it lets go when this is called: the
   * container could not be started. The end of its input is the container's.
   */
  readonly shown?: () => void;
  /** Has it given up while it is being made. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a container that was made and locked, and returns when its own program runs. The lock goes to its shim.
 *
 * @returns for a container that is shown and has an input without a terminal: the descriptor to write to, the caller's to close.
 * @throws {MiniError} with status 125, 126 or 127 when it could not be started; its record says why.
 */
export async function startInBackground(
  containers: Containers,
  made: Made,
  note: Note,
  { restart, explain, shown, signal }: BackgroundOptions = {},
): Promise<number | undefined> {
  const { lock } = made, { id, config, autoRemove } = made.record;
  const folder = containers.stateFolder(id);
  let around: Surroundings | undefined, streams: Streams | undefined, own: Cgroup | undefined;
  const release = async () => {
    streams?.close();
    if (own) close(own.fd);
    await around?.release();
  };
  try {
    around = await surround(containers, made, note, false, signal);
    const { spec } = around;
    const input = !config.openStdin ? "none" : shown ? "once" : "held";
    streams = makeStreams(folder, config.tty, input, ownerOf(spec));
    const tree = cgroupTree();
    own = tree && openCgroup(tree, OWN_CGROUP);
    const startedAt = new Date().toISOString();
    const shimState = (shim: number) => ({ ...known(shim), ...shown ? { reader: known(Deno.pid) } : {} });
    const { pid, shim, terminal } = await startDetached(spec, {
      ...around.options,
      explain,
      ...streams.theirs ? { stdio: streams.theirs } : { windowSize: windowSize(1) ?? windowSize(0) },
      statusFile: `${folder}/${STATUS_FILE}`,
      hold: [...streams.hold, lock],
      tails: { lock: `${folder}/${STREAMS.reader}`, files: streams.tails },
      shimCgroup: own?.fd,
      ...shown ? { onFailure: shown } : {},
      onBorn: (pid, shim) => around!.running(pid, { shim: shimState(shim) }),
    });
    if (terminal !== undefined) around.running(pid, { shim: { ...shimState(shim), terminal } });
    containers.change(id, (record) => {
      begun(record, startedAt);
      if (restart) restart(record);
      else delete record.restartCount;
    });
    emitContainer(containers.state, made.record, "start");
    // It runs, whether names are answered or not.
    await around.served?.().catch((error: Error) => note(error.message));
    const writable = streams.input === undefined ? undefined : syscall("fcntl", streams.input, F_DUPFD_CLOEXEC, 0);
    streams.close();
    if (own) close(own.fd);
    around.letGo();
    close(lock);
    return writable;
  } catch (error) {
    const short = limitsEnd(around?.cgroup?.path);
    await release();
    if (!(error instanceof MiniError)) throw error;
    if (short.oomKilled !== undefined) emitContainer(containers.state, made.record, "oom");
    emitDie(containers.state, made.record, { exitCode: error.exitStatus ?? 125 }, 0);
    // As in Docker, what could not be started is kept unless it was to be removed at its end anyway.
    if (autoRemove) {
      await forgetWithVolumes(containers, made.record, note, restart ? [] : made.newVolumes);
      emitContainer(containers.state, made.record, "destroy");
    } else {
      containers.ended(id, {
        exitCode: error.exitStatus ?? 125,
        error: error.message,
        finishedAt: new Date().toISOString(),
        ...short,
        // A policy tries again what it has tried; it does not try what a person was told of.
        ...restart ? {} : { final: true },
      });
    }
    close(lock);
    const reached = explainEnd({ exitCode: error.exitStatus ?? 125, ...short });
    throw reached === undefined ? error : new MiniError(`${error.message}; ${reached}`, error.exitStatus);
  }
}

function known(pid: number): Helper {
  const ticks = startTicks(pid);
  return { pid, ...ticks === undefined ? {} : { startTicks: ticks } };
}
