/** Makes a container that another command begins (plan_create.ts): OCI runtime-spec, runtime.md, "create". */
import type { Fallback } from "../ffi/fallback.ts";
import { close } from "../ffi/kernel.ts";
import { spawn, type Spawned } from "../ffi/spawn.ts";
import { Container, explainClone, ownStreams, prepare } from "./container.ts";
import { abandon, goOn, makePair, receive, takeTerminal, withListener } from "./handshake.ts";
import { takeChild } from "./take_child.ts";
import { type Plan, plan } from "./plan.ts";
import type { Gate } from "./plan_create.ts";
import { usesNotify } from "./plan_seccomp.ts";
import type { Spec } from "./spec.ts";

/** What the caller has to do while the container is being made. */
export interface Steps {
  /** Takes the master side of its terminal, which is closed afterwards. Without it the container has it as its `terminal`. */
  readonly terminal?: ((master: number) => Promise<void> | void) | undefined;
  /** Fills the tmpfs that is mount `i` of the specification: it is the descriptor of that name in the process, mounted nowhere. */
  fill(container: Container, i: number): Promise<void>;
  /** Its namespaces and mounts are there, its root is the host's still. */
  environment(container: Container): Promise<void>;
  /** Takes the descriptor that seccomp's notifications come from, which is closed afterwards. */
  listener(container: Container, fd: number): Promise<void> | void;
  /** It is made; when this has returned it waits for its start, whatever becomes of the caller. */
  made(container: Container): void;
}

export interface CreateOptions {
  /** The folder that is its root. */
  readonly directory: string;
  /** A descriptor of the cgroup to be born in. */
  readonly cgroup?: number | undefined;
  readonly gate: Omit<Gate, "ownStreams">;
  /** A file for what the operations return (ffi/spawn.ts); the command that starts it looks there. Closed here. */
  readonly results: number;
  readonly steps: Steps;
  /** Opens the root as the container sees it, to explain why a program could not be started. */
  readonly openRoot: () => number;
}

const STANDARD = [0, 1, 2] as const;

/**
 * Makes a container whose standard streams are our own. It is our child, and lives on when we end.
 *
 * @returns the container, to `wait` for, or to leave to whoever adopts it.
 * @throws {MiniError} when it cannot be made, {SyscallError} when the process cannot; or what one of the steps throws. No
 *   process is left then.
 */
export async function createContainer(spec: Spec, options: CreateOptions): Promise<Container> {
  const { steps } = options, terminal = spec.process.terminal ?? false;
  const gate: Gate = { ...options.gate, ownStreams: terminal ? [] : ownStreams(STANDARD) };
  const [ours, theirs] = makePair();
  let spawned: Spawned, twice: Plan["twice"], instead: Fallback | undefined;
  try {
    const { input, descriptors, fallback } = await prepare(
      spec,
      { root: { directory: options.directory }, ...terminal ? {} : { stdio: STANDARD } },
      theirs,
    );
    instead = fallback;
    try {
      const { flags, program, ...rest } = plan({ ...input, gate, facts: { ...input.facts, copyUp: theirs } });
      twice = rest.twice;
      spawned = spawn(program, {
        flags,
        cgroup: options.cgroup,
        results: options.results,
        pass: [theirs, gate.fifo, ...descriptors, ...Array.from({ length: gate.preserveFds }, (_, i) => 3 + i)],
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
  const inside = { openRoot: options.openRoot, cwd: spec.process.cwd, mounts: spec.mounts ?? [] };
  let ended = false, kept: number | undefined;
  try {
    instead?.follow(spawned);
    if (twice === "first") {
      spawned = await takeChild(spawned, ours);
      instead?.follow(spawned);
    }
    const early = new Container(spawned, ours, undefined, inside);
    for (const [i, mount] of (spec.mounts ?? []).entries()) {
      if (!mount.options?.includes("tmpcopyup") || !await receive(ours, 1)) continue;
      await steps.fill(early, i);
      goOn(ours);
    }
    if (terminal) {
      const { consoleSize } = spec.process;
      const size = consoleSize?.height && consoleSize.width
        ? { rows: consoleSize.height, columns: consoleSize.width }
        : undefined;
      const master = await takeTerminal(spawned, ours, size);
      if (!steps.terminal) kept = master;
      else if (master !== undefined) {
        try {
          await steps.terminal(master);
        } finally {
          close(master);
        }
      }
    }
    if (twice === "last") {
      spawned = await takeChild(spawned, ours);
      instead?.follow(spawned);
    }
    const container = new Container(spawned, ours, kept, inside);
    const order: ((made: Container) => Promise<void> | void)[] = [
      steps.environment.bind(steps),
      steps.made.bind(steps),
    ];
    if (usesNotify(spec.linux?.seccomp)) {
      order.splice(1, 0, (made) => withListener(made.pidfd, made.results, (fd) => steps.listener(made, fd)));
    }
    for (const step of order) {
      if (!await receive(ours, 1)) {
        ended = true;
        await container.wait(); // which throws: an operation of ours has failed
      }
      await step(container);
      goOn(ours);
    }
    return container;
  } catch (error) {
    if (kept !== undefined) close(kept);
    instead?.close();
    if (!ended) abandon(spawned, ours);
    throw error;
  }
}
