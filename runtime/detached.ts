/** Starts a container that outlives its caller: a shim is its parent, and this process may end as soon as it runs. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import type { Fallback } from "../ffi/fallback.ts";
import { waitForExit } from "../ffi/exit_status.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { SHIM_TERMINAL, type ShimOptions, withShim } from "../ffi/shim.ts";
import { spawn, type Spawned } from "../ffi/spawn.ts";
import { setWindowSize } from "../ffi/terminal.ts";
import { explainClone, prepare, startedProgram, type StartOptions } from "./container.ts";
import { answer, goOn, makePair, receive, receivePid } from "./handshake.ts";
import { type Plan, plan } from "./plan.ts";
import type { Spec } from "./spec.ts";

/** What a container in the background is started with, beside its specification. */
export interface DetachedOptions extends Omit<StartOptions, "signal"> {
  /** The file that tells how it ended (ffi/shim.ts). */
  readonly statusFile: string;
  /** Descriptors that stay open as long as it lives. */
  readonly hold: readonly number[];
  readonly tails?: ShimOptions["tails"];
  /** A descriptor of the cgroup that the shim itself lives in. */
  readonly shimCgroup?: number | undefined;
  /** Called with the numbers of the two processes as soon as they are known, before the container's own program. */
  readonly onBorn?: (pid: number, shim: number) => void;
  /** Called when it could not be started, before the shim's end is waited for. */
  readonly onFailure?: () => void;
}

/** A container in the background, as it is when it has just been started. */
export interface Detached {
  /** Its PID 1 and its shim, as the host counts. */
  readonly pid: number;
  readonly shim: number;
  /** The number of the shim's descriptor of its terminal's master side. */
  readonly terminal?: number;
}

/**
 * Starts a container and returns when its own program has been executed.
 *
 * @throws {MiniError} with exit status 125, 126 or 127 if it could not be. The shim has ended then, and has written how.
 * @throws {SyscallError} when the process cannot be made.
 */
export async function startDetached(spec: Spec, options: DetachedOptions): Promise<Detached> {
  const [ours, theirs] = makePair(), [shimOurs, shimTheirs] = makePair();
  let explained = () => {};
  let shim: Spawned, twice: Plan["twice"], instead: Fallback | undefined;
  try {
    const { input, descriptors, fallback } = await prepare(spec, options, theirs);
    instead = fallback;
    try {
      const { flags, phases, program, ...rest } = plan(input);
      twice = rest.twice;
      const whole = withShim(program, {
        statusFile: options.statusFile,
        flags,
        cgroup: options.cgroup,
        caller: shimTheirs,
        sync: theirs,
        hold: options.hold,
        terminal: spec.process.terminal ?? false,
        ...options.tails ? { tails: options.tails } : {},
      });
      const pass = [theirs, shimTheirs, ...descriptors, ...options.stdio ?? [], ...options.hold];
      if (options.cgroup !== undefined) pass.push(options.cgroup);
      const { explain } = options;
      shim = spawn(whole, {
        cgroup: options.shimCgroup,
        pass: [...new Set(pass)].filter((fd) => fd > 2),
        timed: explain !== undefined,
      });
      const before = whole.indexOf(program[0]!), after = whole.length - before - program.length;
      explained = () =>
        explain?.(shim.results, [
          { phase: "shim", length: before },
          ...phases,
          { phase: "shim", length: after },
        ]);
    } finally {
      descriptors.forEach(close);
    }
  } catch (error) {
    close(ours);
    close(shimOurs);
    instead?.close();
    throw error;
  } finally {
    close(theirs);
    close(shimTheirs);
  }
  let open = true;
  // Whatever either of them waits for, it sees the end of its pair.
  const hangUp = () => {
    if (!open) return;
    open = false;
    close(ours);
    close(shimOurs);
    instead?.close();
  };
  try {
    return await seeItStart(spec, options, twice, shim, ours, shimOurs, instead);
  } catch (error) {
    hangUp();
    options.onFailure?.();
    await readable(shim.pidfd);
    waitForExit(shim.pidfd);
    throw explainClone(error, spec);
  } finally {
    hangUp();
    explained();
    close(shim.pidfd);
    shim.results.close();
  }
}

/** Has the shim take the master side of the terminal that a process offers. */
async function giveTerminal(
  { pid, pidfd, results }: Spawned,
  { windowSize }: DetachedOptions,
  ours: number,
  shimOurs: number,
): Promise<void> {
  if (!await receive(ours, 1)) return;
  if (windowSize) {
    const master = syscall("pidfd_getfd", pidfd, results.of("terminal")!, 0);
    setWindowSize(master, windowSize);
    close(master);
  }
  syscall("write", shimOurs, new Uint8Array(new BigUint64Array([BigInt(pid)]).buffer), 8);
  await receive(shimOurs, 1);
  goOn(ours);
}

async function seeItStart(
  spec: Spec,
  options: DetachedOptions,
  twice: Plan["twice"],
  shim: Spawned,
  ours: number,
  shimOurs: number,
  instead: Fallback | undefined,
): Promise<Detached> {
  const { results } = shim, terminal = spec.process.terminal ?? false;
  const failed = async () => {
    const failure = results.failure();
    if (failure?.operation.call === "clone3") return new SyscallError("clone3", failure.errno);
    return failure && (await import("./failure.ts")).containerError(failure, results, {
      openRoot: options.openRoot,
      cwd: spec.process.cwd,
      mounts: spec.mounts ?? [],
    });
  };
  const first = await receivePid(shimOurs);
  if (first === undefined) {
    throw await failed() ?? new MiniError("the shim ended while the container was being made", 125);
  }
  let child: Spawned = { pid: first, pidfd: syscall("pidfd_open", first, 0), results };
  try {
    if (!twice) options.onBorn?.(first, shim.pid);
    instead?.follow(child);
    goOn(ours);
    child = await answer(child, ours, {
      twice,
      network: options.network,
      takeChild: async (first) => {
        child = await (await import("./take_child.ts")).takeChild(first, ours, shim.pid);
        instead?.follow(child);
        if (child !== first) options.onBorn?.(child.pid, shim.pid);
        return child;
      },
      terminal: terminal ? (process) => giveTerminal(process, options, ours, shimOurs) : undefined,
    });
    // The program's end of the pair is closed by its execve, or by its death.
    await readable(ours);
    const failure = await failed();
    if (failure) throw failure;
    if (!startedProgram(results)) throw new MiniError("the container ended while it was being made", 125);
    const held = terminal ? results.of(SHIM_TERMINAL) : undefined;
    return { pid: child.pid, shim: shim.pid, ...held === undefined ? {} : { terminal: held } };
  } finally {
    close(child.pidfd);
  }
}
