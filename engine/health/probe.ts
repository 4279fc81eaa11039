/** One probe: a program that is run in a container and says by its exit status whether that is well. */
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { shellStatus } from "../../ffi/exit_status.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import type { Container } from "../../runtime/container.ts";
import { startExec } from "../../runtime/exec.ts";
import type { Containers, Found } from "../containers.ts";
import { prepareExec } from "../exec.ts";
import { openProcess } from "../process.ts";
import { containerPids, type Process, readProcess } from "../processes.ts";
import type { RunningState } from "../record.ts";
import { makePipes } from "../stdio.ts";
import { ownerOf } from "../userns.ts";
import type { ProbeResult } from "./state.ts";

/** Bytes of what a probe prints that are kept, as in Docker. */
const MOST_OUTPUT = 4096;
const SIGKILL = 9;

/**
 * Runs a probe, as the container's own user and in its own folder.
 *
 * @param timeout milliseconds after which it and what it has started are killed. @param signal the same, at once.
 */
export async function runProbe(
  containers: Containers,
  found: Found,
  args: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const Start = new Date().toISOString();
  const result = (ExitCode: number, Output: string): ProbeResult => ({
    Start,
    End: new Date().toISOString(),
    ExitCode,
    Output,
  });
  try {
    const { status, output, late } = await run(containers, found, args, timeout, signal);
    if (late) return result(-1, `Health check exceeded timeout (${describeTime(timeout)})${output && `: ${output}`}`);
    return result(status, output);
  } catch (error) {
    // It could not be run: there is no such program, or the container has just ended.
    if (error instanceof MiniError || error instanceof SyscallError) return result(-1, error.message);
    throw error;
  }
}

async function run(
  containers: Containers,
  found: Found,
  args: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<{ status: number; output: string; late: boolean }> {
  const request = { args, tty: false, env: [], privileged: false };
  const { target, process, close: done } = await prepareExec(containers, found, request);
  const pipes = makePipes(false, ownerOf({ ...target.spec, process }));
  const ended = new AbortController(), output = new Output();
  let timer: ReturnType<typeof setTimeout> | undefined, late = false;
  try {
    const probe = await startExec(target, process, { stdio: pipes.theirs });
    pipes.closeTheirs();
    const kill = () => killWithChildren(probe, found.running!);
    timer = setTimeout(() => {
      late = true;
      kill();
    }, timeout);
    signal.addEventListener("abort", kill);
    if (signal.aborted) kill();
    const reading = [pipes.output.fd, pipes.errors.fd].map((fd) => output.read(fd, ended.signal));
    try {
      const status = shellStatus(await probe.wait());
      return { status, output: await output.finish(reading, ended), late };
    } finally {
      signal.removeEventListener("abort", kill);
      // What it has left behind may hold the other ends for ever.
      ended.abort();
      await Promise.all(reading);
    }
  } finally {
    clearTimeout(timer);
    pipes.close();
    done();
  }
}

/** The beginning of what a probe prints on both of its streams. */
class Output {
  readonly #bytes = new Uint8Array(MOST_OUTPUT);
  #length = 0;
  #isCut = false;

  /** Reads until the end of a stream, or until it is told to stop. */
  async read(fd: number, signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(16 << 10);
    while (await readable(fd, signal)) {
      const count = trySyscall("read", fd, buffer, buffer.length);
      if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
      if (count <= 0) return;
      const room = MOST_OUTPUT - this.#length;
      this.#bytes.set(buffer.subarray(0, Math.min(count, room)), this.#length);
      this.#length += Math.min(count, room);
      this.#isCut ||= count > room;
    }
  }

  /** The text, when all is read that was printed before the probe ended. */
  async finish(reading: readonly Promise<void>[], ended: AbortController): Promise<string> {
    const moment = setTimeout(() => ended.abort(), AFTERWARDS_MILLISECONDS);
    await Promise.all(reading);
    clearTimeout(moment);
    return new TextDecoder().decode(this.#bytes.subarray(0, this.#length)) + (this.#isCut ? "..." : "");
  }
}

/** How long what a probe has left running may keep its streams, before nobody listens to it any more. */
const AFTERWARDS_MILLISECONDS = 100;

/** Kills a probe and all that it has started and that is still below it. */
function killWithChildren(probe: Container, running: RunningState): void {
  const below = openBelow(probe.pid, running);
  probe.kill(SIGKILL);
  for (const fd of below) {
    trySyscall("pidfd_send_signal", fd, SIGKILL, null, 0);
    close(fd);
  }
}

/** Descriptors of all processes of a container that are below one. */
function openBelow(top: number, running: RunningState): number[] {
  const all = containerPids(running).flatMap((pid) => readProcess(pid) ?? []);
  const below = (parent: number): Process[] =>
    all.filter((process) => process.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  // A number that has become another process's meanwhile is recognised.
  return below(top).flatMap(({ pid, startTicks }) => openProcess({ pid, pidStartTicks: startTicks }) ?? []);
}

/** As Go writes durations: `1m30s`, `500ms`. */
export function describeTime(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const seconds = milliseconds / 1000, hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  const rest = Number((seconds % 60).toFixed(3));
  return `${hours ? `${hours}h` : ""}${hours || minutes ? `${minutes}m` : ""}${rest}s`;
}
