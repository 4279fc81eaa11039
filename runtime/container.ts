/** Starts a container: from a specification and a root filesystem to a process, and its end. */
import { AT_FDCWD, F_DUPFD_CLOEXEC, O_CLOEXEC, O_RDONLY } from "../ffi/constants.ts";
import { Errno, LEAST_KERNEL, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { type Fallback, fallback } from "../ffi/fallback.ts";
import type { Program } from "../ffi/program.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { type ExitStatus, type Results, spawn, type Spawned, waitForExit } from "../ffi/spawn.ts";
import { type CgroupTree, cgroupTree } from "./cgroup.ts";
import { withHostCgroups } from "./cgroup_mount.ts";
import type { Inside } from "./failure.ts";
import { abandon, answer, type ConfigureNetwork, makePair, takeTerminal } from "./handshake.ts";
import { makeUserNamespace } from "./idmap.ts";
import { idmappedRootfs, type Layers, overlayRootfs } from "./overlay.ts";
import { type Plan, plan, type PlanInput } from "./plan.ts";
import type { HeldSource } from "./plan_mounts.ts";
import { isNew, type NamespaceDescriptors } from "./plan_namespaces.ts";
import type { Rootfs } from "./plan_root.ts";
import type { Stream } from "./plan_streams.ts";
import { deviceNumber } from "./plan_devices.ts";
import { EXEC } from "./plan_process.ts";
import { readyForSeccomp } from "./plan_seccomp.ts";
import { signalName } from "./signals.ts";
import type { NamespaceType, Spec } from "./spec.ts";
import { checkSpec } from "./spec_check.ts";

const SIGKILL = 9;

/** Where the container's root comes from: layers to stack, or a folder that is used as it is. */
export type RootSource = ({ readonly layers: Layers } | { readonly directory: string }) & {
  /** The ids of its files are those inside the container's user namespace, and not the host's. */
  readonly idmap?: boolean;
};

/** What a container is started with, beside its specification. */
export interface StartOptions {
  readonly root: RootSource;
  /** A descriptor of the cgroup to be born in. */
  readonly cgroup?: number | undefined;
  /** Descriptors that become 0, 1 and 2 of the container; without a terminal only. */
  readonly stdio?: readonly [number, number, number];
  /** The first size of the container's terminal. */
  readonly windowSize?: { rows: number; columns: number } | undefined;
  /** A PID 1 that reaps and hands signals on, with the program as its child. */
  readonly init?: boolean;
  /** Ends it when aborted while it is being made, which may take long on file systems of other machines. */
  readonly signal?: AbortSignal;
  /** What stands for the source of bind mounts with that source; descriptors are the caller's to close. */
  readonly sources?: ReadonlyMap<string, HeldSource>;
  /** Called when its first process has ended. */
  readonly atEnd?: () => void;
  /** Sets up the networks of a container with a network namespace of its own; what it throws ends the start. */
  readonly network?: ConfigureNetwork | undefined;
  /** Is told what was done and how long it took, once the container has ended, or is left to its shim. */
  readonly explain?: Explain | undefined;
  /** Has its program wait before each operation. */
  readonly step?: Step | undefined;
  /** Opens the root as the container sees it, to explain why a program could not be started. */
  readonly openRoot?: () => number;
}

/** Is given the results of a timed program, and what its operations are about. */
export type Explain = (results: Results, phases: Plan["phases"]) => void;

/** Is given a plan, and says what is to run in the place of its program. */
export type Step = (plan: Plan) => {
  readonly program: Program;
  /** What that needs open, closed here. */
  readonly gate: number;
  /** Is told when it runs: before its first operation is answered, and again when another process has taken over. */
  follow(spawned: Spawned): void;
};

/** A container that runs, as its parent sees it. */
export class Container {
  readonly #spawned: Spawned;
  /** Our end of the pair whose closing tells the program that we are gone. */
  readonly #lifeline: number;
  readonly #inside: Inside | undefined;
  readonly #on: { readonly ended?: () => void; readonly closing?: (results: Results) => void };
  #exit: Promise<ExitStatus> | undefined;
  #reaped = false;

  /** @param terminal the master side of the container's terminal; the caller's to close. */
  constructor(
    spawned: Spawned,
    lifeline: number,
    readonly terminal: number | undefined,
    inside?: Inside,
    on: { readonly ended?: () => void; readonly closing?: (results: Results) => void } = {},
  ) {
    this.#on = on;
    this.#spawned = spawned;
    this.#lifeline = lifeline;
    this.#inside = inside;
  }

  /** The number of its PID 1 on the host. */
  get pid(): number {
    return this.#spawned.pid;
  }

  /** A descriptor of its PID 1, closed by `wait`, `release` and `leave`. */
  get pidfd(): number {
    return this.#spawned.pidfd;
  }

  /** The program that made it, and what its operations returned. */
  get results(): Results {
    return this.#spawned.results;
  }

  /** Whether it has come to its own program. */
  get started(): boolean {
    return this.#reaped || startedProgram(this.results);
  }

  /** Whether its end has been seen: there is nothing that a signal could be sent to. */
  get reaped(): boolean {
    return this.#reaped;
  }

  /** Sends a signal to its PID 1. Nothing happens if that has ended. pidfd_send_signal(2) */
  kill(signal: number): void {
    if (this.#reaped) return; // and the descriptor may be another one by now
    const result = trySyscall("pidfd_send_signal", this.#spawned.pidfd, signal, null, 0);
    if (result < 0 && result !== -Errno.ESRCH) throw new SyscallError("pidfd_send_signal", -result, signalName(signal));
  }

  /** Waits until its program has been executed. @returns whether it was; where not, `wait` tells why. Before `wait` only. */
  async begun(): Promise<boolean> {
    await readable(this.#lifeline);
    return this.results.failure() === undefined && this.started;
  }

  /**
   * Waits until its program has been executed, and lets go of it: another process waits for it.
   *
   * @throws {MiniError} as `wait` does, if it could not be.
   */
  async release(): Promise<void> {
    // The program's end of the pair is closed by its execve, or by its death.
    await readable(this.#lifeline);
    const { pidfd, results } = this.#spawned;
    if (results.failure()) await this.wait();
    results.close();
    close(pidfd);
    close(this.#lifeline);
  }

  /** Lets go of it as it is: another process waits for it. */
  leave(): void {
    const { pidfd, results } = this.#spawned;
    results.close();
    close(pidfd);
    close(this.#lifeline);
  }

  /**
   * Waits for its end and reaps it; may be called again.
   *
   * @throws {MiniError} with exit status 125, 126 or 127 if it was never more than a plan: an operation of ours failed.
   */
  wait(): Promise<ExitStatus> {
    return this.#exit ??= this.#wait();
  }

  async #wait(): Promise<ExitStatus> {
    const { pidfd, results } = this.#spawned;
    try {
      await readable(pidfd);
      const status = waitForExit(pidfd);
      this.#on.ended?.();
      const failure = results.failure();
      if (failure) throw (await import("./failure.ts")).containerError(failure, results, this.#inside);
      if (!startedProgram(results)) {
        const how = status.signaled ? `killed by ${signalName(status.code)}` : `exit status ${status.code}`;
        throw new MiniError(
          `the container ended while it was being made (${how})`,
          status.signaled ? 128 + status.code : 125,
        );
      }
      return status;
    } finally {
      this.#reaped = true;
      this.#on.closing?.(results);
      results.close();
      close(pidfd);
      close(this.#lifeline);
    }
  }
}

/** Whether the program of operations has come to its end, the container's own program. */
export function startedProgram(results: Results): boolean {
  const first = results.program.findIndex((operation) => operation.name === `${EXEC}0`);
  // An execve that succeeds never returns, so its result stays unset; what is directly before it has run then.
  return results.reached(first - 1);
}

/** The highest capability that the kernel knows. */
export function lastCapability(): number {
  return Number(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap"));
}

function isDirectory(source: string): boolean {
  try {
    return Deno.statSync(source).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new MiniError(`there is no ${source} on this host to mount into the container`);
    }
    throw new MiniError(`cannot look at ${source} to mount it: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}

const isNull = (fd: number) => {
  const info = Deno.statSync(`/proc/self/fd/${fd}`);
  return info.isCharDevice === true && info.rdev === deviceNumber(1, 3);
};

/** Those of our own streams that a container's user may own: not the host's null device, which everybody uses. */
export const ownStreams = (stdio: readonly number[]): number[] => stdio.filter((fd) => !isNull(fd));

/** The host's null device is replaced by the container's own, where that has one: through ours it could change its mode. */
export function streams(spec: Spec, stdio: readonly [number, number, number]): [Stream, Stream, Stream] {
  const hasOwn = (spec.mounts ?? []).some((m) => m.destination === "/dev" && m.type === "tmpfs");
  const stream = (fd: number): Stream => hasOwn && isNull(fd) ? "null" : fd;
  return [stream(stdio[0]), stream(stdio[1]), stream(stdio[2])];
}

/** What a plan needs to know, with every descriptor that was opened for it. */
export interface Prepared {
  readonly input: PlanInput;
  readonly descriptors: number[];
  /** Answers what the program asks, once it is told to follow it; the caller's to close. */
  readonly fallback: Fallback | undefined;
}

/** @throws {MiniError} for a mount namespace that is our own: what is mounted and made the root in it would be the host's. */
function openNamespace(type: NamespaceType, path: string): number {
  if (type === "mount" && Deno.statSync(path).ino === Deno.statSync("/proc/self/ns/mnt").ino) {
    throw new MiniError(`the mount namespace ${path} is the host's own, which must not become a container's`);
  }
  return syscall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

function findRoot(root: RootSource, spec: Spec): Rootfs {
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  if ("directory" in root) return { kind: "directory", path: root.directory, ...root.idmap ? { idmap: true } : {} };
  return root.idmap ? idmappedRootfs(root.layers, uidMappings, gidMappings) : overlayRootfs(root.layers);
}

/** Gathers what the plan of a container depends on. The descriptors and the fallback are the caller's to close. */
export async function prepare(
  given: Spec,
  options: StartOptions,
  sync: number,
  tree: CgroupTree | undefined = cgroupTree(),
): Promise<Prepared> {
  await readyForSeccomp(given.linux?.seccomp);
  checkSpec(given);
  const spec = withHostCgroups(given, tree);
  const descriptors: number[] = [], instead = await fallback();
  descriptors.push(...instead?.descriptors ?? []);
  try {
    const keep = (fd: number) => {
      descriptors.push(fd);
      return fd;
    };
    const namespaces: NamespaceDescriptors = {};
    for (const { type, path } of spec.linux?.namespaces ?? []) {
      if (path !== undefined) namespaces[type] = keep(openNamespace(type, path));
    }
    const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
    if (isNew(spec, "user")) namespaces.user = keep(makeUserNamespace(uidMappings, gidMappings));
    const idmaps = new Map<number, number>(), sources = new Map<number, HeldSource>();
    (spec.mounts ?? []).forEach((mount, i) => {
      const source = options.sources?.get(mount.source ?? "");
      if (typeof source === "string") sources.set(i, source);
      else if (source !== undefined) sources.set(i, keep(syscall("fcntl", source, F_DUPFD_CLOEXEC, 0)));
      if (mount.uidMappings) idmaps.set(i, keep(makeUserNamespace(mount.uidMappings, mount.gidMappings ?? [])));
      else if (mount.options?.some((o) => o === "idmap" || o === "ridmap")) idmaps.set(i, namespaces.user!);
    });
    const procs = namespaces.pid === undefined
      ? undefined
      : (await import("./joined_pid.ts")).takeProcs(spec, namespaces.pid);
    procs?.forEach(keep);
    const input: PlanInput = {
      spec,
      rootfs: findRoot(options.root, spec),
      facts: {
        isDirectory,
        cgroup2: tree !== undefined,
        lastCapability: lastCapability(),
        own: ownNamespace(),
        ...procs ? { procs } : {},
      },
      descriptors: {
        sync,
        namespaces,
        idmaps,
        sources,
        ...(options.stdio ? { stdio: streams(spec, options.stdio) } : {}),
      },
      init: options.init ?? false,
      network: options.network !== undefined,
      fallback: instead,
      joinsLast: procs !== undefined &&
        ((await import("./seccomp_allows.ts")).filteredFromBirth(spec.linux?.seccomp, spec.process)
          ? "filtered"
          : true),
    };
    return { input, descriptors, fallback: instead };
  } catch (error) {
    descriptors.forEach(close);
    instead?.close();
    throw error;
  }
}

/**
 * Starts a container. It dies with the thread that calls this.
 *
 * @throws {MiniError} for a specification that cannot be carried out. @throws {SyscallError} when the process cannot be made.
 *   What fails later is told by `wait`. Nothing is left behind in either case.
 */
export async function start(spec: Spec, options: StartOptions): Promise<Container> {
  const [ours, theirs] = makePair();
  let spawned: Spawned, twice: Plan["twice"], phases: Plan["phases"], steps: ReturnType<Step> | undefined;
  let instead: Fallback | undefined;
  try {
    const { input, descriptors, fallback } = await prepare(spec, options, theirs);
    instead = fallback;
    try {
      const whole = plan(input), { flags } = whole;
      twice = whole.twice;
      phases = whole.phases;
      steps = options.step?.(whole);
      if (steps) descriptors.push(steps.gate);
      spawned = spawn(steps?.program ?? whole.program, {
        flags,
        timed: options.explain !== undefined,
        cgroup: options.cgroup,
        pass: [theirs, ...descriptors, ...(options.stdio ?? []).filter((fd) => fd > 2)],
      });
    } catch (error) {
      throw explainClone(error, spec);
    } finally {
      descriptors.forEach(close);
    }
  } catch (error) {
    close(ours);
    instead?.close();
    throw error;
  } finally {
    close(theirs);
  }
  const end = () => void trySyscall("pidfd_send_signal", spawned.pidfd, SIGKILL, null, 0);
  options.signal?.addEventListener("abort", end);
  try {
    steps?.follow(spawned);
    instead?.follow(spawned);
    let terminal: number | undefined;
    spawned = await answer(spawned, ours, {
      twice,
      network: options.network,
      takeChild: async (first) => {
        // What ends it has to reach the new one from now on.
        spawned = await (await import("./take_child.ts")).takeChild(first, ours);
        steps?.follow(spawned);
        instead?.follow(spawned);
        return spawned;
      },
      terminal: spec.process.terminal
        ? async (process) => void (terminal = await takeTerminal(process, ours, options.windowSize))
        : undefined,
    });
    return new Container(spawned, ours, terminal, {
      openRoot: options.openRoot,
      cwd: spec.process.cwd,
      mounts: spec.mounts ?? [],
    }, {
      ...options.atEnd ? { ended: options.atEnd } : {},
      closing: (results) => {
        instead?.close();
        options.explain?.(results, phases);
      },
    });
  } catch (error) {
    instead?.close();
    abandon(spawned, ours);
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", end);
  }
}

/** clone3 says only that something is wrong; what that is depends on what was asked for. */
export function explainClone(error: unknown, spec: Spec): unknown {
  if (!(error instanceof SyscallError) || error.syscall !== "clone3") return error;
  const wanted = (spec.linux?.namespaces ?? []).filter((n) => n.path === undefined).map((n) => n.type).join(", ");
  switch (error.errno) {
    case Errno.EPERM:
      return new MiniError(`the kernel does not let mini make namespaces (${wanted}): run it as root, with sudo`, 125);
    case Errno.ENOSYS:
      return new MiniError(
        `there is no clone3 here: mini needs Linux ${LEAST_KERNEL} or later, and no filter around it`,
        125,
      );
    case Errno.EINVAL:
      return new MiniError(`this kernel lacks one of the namespaces that are asked for: ${wanted}`, 125);
    case Errno.ENOSPC:
    case Errno.EUSERS:
      return new MiniError(
        `the limit on namespaces is reached (${wanted}): see /proc/sys/user/max_*_namespaces and 'lsns'`,
        125,
      );
    case Errno.EAGAIN:
      return new MiniError("no more processes can be made: a limit on processes (ulimit -u, pids.max) is reached", 125);
    default:
      return error;
  }
}
