/**
 * A container in the background that the command which started it shows in the foreground: it can be detached from, and
 * restarted by its policy when nobody looks any more. As long as this process lives, it takes what the container prints.
 */
import { O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { type ExitStatus, shellStatus } from "../ffi/exit_status.ts";
import { close, trySyscall, waitingSyscall } from "../ffi/kernel.ts";
import { open, tryLock } from "../ffi/open.ts";
import { readable } from "../ffi/reactor.ts";
import { readShimStatus } from "../ffi/shim.ts";
import type { StartOptions } from "../runtime/container.ts";
import { STATUS_FILE } from "./clear.ts";
import { Busy, type Containers } from "./containers.ts";
import { removeContainer } from "./control.ts";
import type { Made } from "./create.ts";
import { DetachKeys } from "./detach_keys.ts";
import { startInBackground } from "./detached.ts";
import { afterwards, type Ended, Forwarding, type Keep, lostOutput, type Shown } from "./foreground.ts";
import { withTerminal } from "./foreground_terminal.ts";
import { emitContainer } from "./events.ts";
import { explainEnd, limitsEnd } from "./limits_end.ts";
import { logPlace } from "./log_place.ts";
import { LogWriter } from "./logs/writer.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import { openHelper, openProcess } from "./process.ts";
import type { RunningState } from "./record.ts";
import type { Signals } from "./signals.ts";
import type { Note } from "./start.ts";
import { copyIn, End, setNonBlocking, writeOut } from "./stdio.ts";
import { STREAMS } from "./streams.ts";
import { takeTerminal } from "./terminal.ts";

const SIGHUP = 1, SIGKILL = 9, SIGPIPE = 13;
const BUFFER_BYTES = 64 << 10;
/** How often to look for what another process is just writing down. */
const PAUSE_MS = 1;
/** How long a container is shown before there is a monitor as well. */
const ALONE_MS = 1000;

/** How a container is shown. */
export interface ShowOptions {
  /** Our standard input is the container's. */
  readonly interactive: boolean;
  /** The bytes that detach from one with a terminal. */
  readonly detachKeys: readonly number[];
  /** It was made by this very command: if that is interrupted before it runs, nothing of it stays. */
  readonly fresh: boolean;
  readonly explain?: StartOptions["explain"];
  /** Those of its output streams that are not shown. */
  readonly hidden?: readonly (1 | 2)[] | undefined;
}

/**
 * Starts a container that was made and locked, and shows it until it ends for the first time or is detached from.
 *
 * @returns its exit status as a shell counts it, 0 if it was detached from and goes on.
 * @throws {MiniError} with status 125, 126 or 127 when it could not be run.
 */
export async function runShown(
  containers: Containers,
  made: Made,
  signals: Signals,
  options: ShowOptions,
  note: Note,
): Promise<number> {
  const { id, name } = made.record, reader = new End(takeReaderLock(containers, id));
  let input: number | undefined, isOver = false;
  try {
    try {
      const { explain } = options;
      const shown = () => reader.close(), signal = signals.interruption;
      input = await startInBackground(containers, made, note, { explain, shown, signal });
    } catch (error) {
      const by = await signals.interruptedBy();
      if (by === undefined) throw error;
      reader.close();
      return await giveUp(containers, id, options.fresh, by);
    }
    const { restart, config } = made.record;
    // What restarts or checks it has to be there; who goes on with its output if we are killed may come a little later, and
    // not at all for what ends at once.
    if (restart.name !== "no" || config.health) wakeMonitor(containers);
    else void nap(ALONE_MS).then(() => isOver || wakeMonitor(containers));
    const by = await signals.interruptedBy();
    if (by !== undefined) {
      reader.close();
      return await giveUp(containers, id, options.fresh, by);
    }
    const running = containers.running(id);
    if (!running?.shim) throw new MiniError(`container ${name} was removed while it was being started`);
    const ended = await show(containers, made, running, signals, input, options);
    if (options.interactive) input = undefined; // it was closed at its end
    const short = limitsEnd(running.cgroup);
    reader.close(); // what is left is the shim's to keep, or the monitor's to read
    isOver = true;
    if (ended.left !== undefined) {
      wakeMonitor(containers);
      if (ended.left === 0) note(`detached from ${name}, which goes on`);
      emitContainer(containers.state, made.record, "detach");
      return ended.left;
    }
    const shim = openHelper(running.shim);
    if (shim !== undefined) {
      await readable(shim);
      close(shim);
    }
    await untilCleared(containers, id, running);
    const status = shellStatus(ended.status), reached = explainEnd({ exitCode: status, ...short });
    const { lost } = ended;
    if (lost) throw new MiniError(reached === undefined ? lost.message : `${lost.message}; ${reached}`, 125);
    if (reached !== undefined) throw new MiniError(reached, status);
    return status;
  } finally {
    reader.close();
    if (input !== undefined) close(input);
  }
}

/** The lock of whoever reads the output. Nobody else has it: the container does not run yet. */
function takeReaderLock(containers: Containers, id: string): number {
  const fd = open(`${containers.stateFolder(id)}/${STREAMS.reader}`, O_CREAT | O_RDWR, 0o600);
  if (tryLock(fd)) return fd;
  close(fd);
  throw new Busy(id);
}

/** Ends a container that was interrupted before it was shown. @returns the exit status. */
async function giveUp(containers: Containers, id: string, fresh: boolean, by: number): Promise<number> {
  const found = await containers.find(id);
  if (found && fresh) await removeContainer(containers, found, true, true);
  else if (found?.running) {
    const process = openProcess(found.running);
    if (process !== undefined) {
      trySyscall("pidfd_send_signal", process, SIGKILL, null, 0);
      close(process);
    }
    await untilCleared(containers, id, found.running);
  }
  return 128 + by;
}

async function show(
  containers: Containers,
  made: Made,
  running: RunningState,
  signals: Signals,
  input: number | undefined,
  { interactive, detachKeys, hidden = [] }: ShowOptions,
): Promise<Ended> {
  const { record } = made;
  const { logFolder, limits } = logPlace(containers, record), log = new LogWriter(logFolder, limits);
  const keep: Keep = (stream, bytes) => Promise.resolve(log.append(stream, bytes));
  const shim = openHelper(running.shim!), process = openProcess(running);
  try {
    const terminal = record.config.tty && shim !== undefined
      ? await takeTerminal(containers, record.id, shim)
      : undefined;
    const shown: Shown = {
      pid: running.pid,
      started: true,
      reaped: false,
      terminal,
      kill: (signal) => process !== undefined && void trySyscall("pidfd_send_signal", process, signal, null, 0),
      wait: () => statusOf(`${containers.stateFolder(record.id)}/${STATUS_FILE}`, process, shim),
    };
    if (!record.config.tty) {
      const put = async (to: 1 | 2, bytes: Uint8Array) => {
        await keep(to, bytes);
        return hidden.includes(to) ? 0 : await writeOut(to, bytes);
      };
      return await withFifos(containers.stateFolder(record.id), shown, signals, interactive ? input : undefined, put);
    }
    return await withTerminal(shown, signals, {
      interactive,
      keep,
      detach: (found) => new DetachKeys(detachKeys, found).filter,
    });
  } finally {
    log.close();
    for (const fd of [shim, process]) if (fd !== undefined) close(fd);
  }
}

/** How a container ended, which its shim writes down at once; and then waits for us. */
async function statusOf(path: string, process: number | undefined, shim: number | undefined): Promise<ExitStatus> {
  if (process !== undefined) await readable(process);
  for (;;) {
    const late = new AbortController();
    nap(PAUSE_MS).then(() => late.abort());
    const shimEnded = shim === undefined || await readable(shim, late.signal);
    const status = readShimStatus(path);
    if (status) return status;
    if (shimEnded) return { code: SIGKILL, signaled: true, coreDumped: false }; // it was killed, and the container with it
  }
}

/** Waits until somebody has cleared up after a container, or it runs again. */
async function untilCleared(containers: Containers, id: string, { pid }: RunningState): Promise<void> {
  while ((await containers.find(id))?.running?.pid === pid) await nap(PAUSE_MS);
}

/** Waits on another thread: the first timer of Deno loads what it has of Node, which takes longer than the wait. */
async function nap(milliseconds: number): Promise<void> {
  const nanoseconds = BigInt(milliseconds) * 1_000_000n, second = 1_000_000_000n;
  await waitingSyscall("nanosleep", new BigInt64Array([nanoseconds / second, nanoseconds % second]), null);
}

/**
 * Copies between our streams and a container's, whose shim keeps them open, until it has ended. It is left when nobody reads
 * our output any more, or our terminal is gone.
 */
async function withFifos(
  folder: string,
  container: Shown,
  signals: Signals,
  input: number | undefined,
  put: (to: 1 | 2, bytes: Uint8Array) => Promise<number>,
): Promise<Ended> {
  const stop = new AbortController(), ended = new AbortController();
  const left = Promise.withResolvers<Ended>();
  const leave = (status: number) =>
    left.resolve({ status: { code: 0, signaled: false, coreDumped: false }, left: status });
  const ends: End[] = [];
  const opened = (fd: number) => {
    const end = new End(fd);
    ends.push(end);
    return end;
  };
  const copy = async (name: "stdout" | "stderr", to: 1 | 2) => {
    const from = opened(open(`${folder}/${STREAMS[name]}`, O_RDONLY | O_NONBLOCK));
    const errno = await copyUntil(from.fd, ended.signal, stop.signal, (bytes) => put(to, bytes));
    if (errno === Errno.EPIPE) leave(128 + SIGPIPE);
    return errno;
  };
  using forwarding = new Forwarding(container);
  const receive = (signal: number) => {
    if (signal !== SIGHUP || !forwarding.lostTerminal) return forwarding.receive(signal);
    leave(128 + SIGHUP);
    return true;
  };
  try {
    return await signals.during(receive, async () => {
      if (input !== undefined) {
        const to = opened(input);
        setNonBlocking(to.fd);
        // The end of our input is the end of the container's. Nobody waits for it: it may never come.
        copyIn(0, to.fd, stop.signal).finally(() => to.close());
      }
      const copying = Promise.all([copy("stdout", 1), copy("stderr", 2)]);
      const status = container.wait().finally(() => ended.abort());
      const all = afterwards(status, copying).then(async (status) => ({ status, ...lostOutput(...await copying) }));
      const first = await Promise.race([all, left.promise]);
      stop.abort();
      await copying; // nothing that was taken is lost
      return first;
    });
  } finally {
    stop.abort();
    for (const end of ends) end.close();
  }
}

/** Copies until `stop` is aborted, or until `ended` is and nothing is left. @returns 0, or what `put` returned other than that. */
async function copyUntil(
  from: number,
  ended: AbortSignal,
  stop: AbortSignal,
  put: (bytes: Uint8Array) => Promise<number>,
): Promise<number> {
  const buffer = new Uint8Array(BUFFER_BYTES), either = AbortSignal.any([ended, stop]);
  for (;;) {
    const last = ended.aborted;
    if (!last) await readable(from, either);
    if (stop.aborted) return 0;
    const count = trySyscall("read", from, buffer, buffer.length);
    if (count > 0) {
      const errno = await put(buffer.subarray(0, count));
      if (errno !== 0) return errno;
    } else if (count !== -Errno.EAGAIN && count !== -Errno.EINTR && count !== 0) {
      throw new SyscallError("read", -count, "what the container prints");
    } else if (last) return 0;
  }
}
