/** Runs the hooks of a specification: OCI runtime-spec, config.md, "POSIX-platform Hooks". */
import { MFD_CLOEXEC } from "../ffi/constants.ts";
import { errnoMeaning, errnoName, MiniError, SyscallError } from "../ffi/errors.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { readFile } from "../ffi/open.ts";
import { userEnvironment } from "../ffi/self.ts";
import { spawn, type Spawned, waitForExit, writeAll } from "../ffi/spawn.ts";
import { lastCapability } from "./container.ts";
import { goOn, makePair, receive, withListener } from "./handshake.ts";
import { takeChild } from "./take_child.ts";
import { CLONE_FLAG } from "./plan.ts";
import { HOOK, planHook } from "./plan_hook.ts";
import { readyForSeccomp, usesNotify } from "./plan_seccomp.ts";
import { endsWithin } from "./process_end.ts";
import { signalName } from "./signals.ts";
import type { Hook, Hooks, Spec } from "./spec.ts";

const SIGKILL = 9, SEEK_SET = 0;
/** How much of what a hook says is told when it fails. */
const MOST_OUTPUT = 4096;

/** Where hooks run. */
export interface HookContext {
  readonly spec: Spec;
  /** The state that they read, as text. */
  readonly state: string;
  /** The working directory of those in our own namespaces; of those in the container's it is the container's root, or its own. */
  readonly bundle: string;
  /** Those in the container's namespaces: a descriptor of its PID 1, and of its cgroup. */
  readonly inside?: {
    readonly pidfd: number;
    readonly cgroup?: number | undefined;
    /** Takes the descriptor that seccomp's notifications of a hook come from, which is closed afterwards. */
    readonly listener: (pid: number, fd: number) => Promise<void> | void;
  } | undefined;
}

/** Hooks of this kind run with the container's own user, privileges and filter, as its program does. */
const AS_CONTAINER: keyof Hooks = "startContainer";

/** Whether a specification has any hook of these kinds. */
export const hasHooks = (spec: Spec, ...kinds: (keyof Hooks)[]) => kinds.some((kind) => spec.hooks?.[kind]?.length);

/**
 * Runs all hooks of one kind, in order; none is run after one that fails.
 *
 * @throws {MiniError} for one that cannot be executed, ends with another status than 0, or takes longer than its timeout.
 */
export async function runHooks(kind: keyof Hooks, context: HookContext): Promise<void> {
  for (const [i, hook] of (context.spec.hooks?.[kind] ?? []).entries()) {
    await runHook(hook, `the ${kind} hook ${i + 1}, ${hook.path},`, kind, context);
  }
}

/** A memfd that holds a text, at its beginning. */
function memory(text: string): number {
  const fd = syscall("memfd_create", "mini hook", MFD_CLOEXEC);
  writeAll(fd, new TextEncoder().encode(text));
  syscall("lseek", fd, 0, SEEK_SET);
  return fd;
}

async function runHook(hook: Hook, what: string, kind: keyof Hooks, context: HookContext): Promise<void> {
  const input = memory(context.state), output = memory("");
  let spawned: Spawned | undefined;
  try {
    spawned = await startHook(hook, kind, context, input, output);
    const isLate = hook.timeout !== undefined && !await endsWithin(spawned.pidfd, hook.timeout);
    if (isLate) trySyscall("pidfd_send_signal", spawned.pidfd, SIGKILL, null, 0);
    const status = waitForExit(spawned.pidfd);
    if (isLate) throw new MiniError(`${what} was not done after ${hook.timeout} s, and was killed`);
    const failure = spawned.results.failure();
    if (failure?.operation.name === HOOK) {
      throw new MiniError(`${what} cannot be executed: ${errnoMeaning(failure.errno)} (${errnoName(failure.errno)})`);
    }
    if (failure) throw new SyscallError(failure.operation.call, failure.errno, hook.path);
    if (shellStatus(status) === 0) return;
    const said = new TextDecoder().decode(readFile(output, MOST_OUTPUT)).trim();
    const how = status.signaled ? `was ended by ${signalName(status.code)}` : `ended with status ${status.code}`;
    throw new MiniError(`${what} ${how}${said ? `: ${said}` : ""}`);
  } finally {
    close(input);
    close(output);
    if (spawned) {
      spawned.results.close();
      close(spawned.pidfd);
    }
  }
}

/** What a hook finds around it that says nothing of that: the runtime's own; as the container the container's. */
const surroundings = (kind: keyof Hooks, { process }: Spec): string[] =>
  kind === AS_CONTAINER
    ? process.env ?? []
    : Object.entries(userEnvironment()).map(([name, value]) => `${name}=${value}`);

async function startHook(
  given: Hook,
  kind: keyof Hooks,
  { spec, bundle, inside }: HookContext,
  input: number,
  output: number,
): Promise<Spawned> {
  const hook = { ...given, env: given.env ?? surroundings(kind, spec) };
  if (!inside) return spawn(planHook(hook, input, output, bundle), { pass: [input, output] });
  const namespaces = (spec.linux?.namespaces ?? []).reduce((flags, { type }) => flags | CLONE_FLAG[type], 0n);
  const seccomp = spec.linux?.seccomp;
  if (kind === AS_CONTAINER) await readyForSeccomp(seccomp);
  const [ours, theirs] = makePair();
  try {
    const first = spawn(
      planHook(hook, input, output, spec.root.path, {
        container: inside.pidfd,
        namespaces,
        sync: theirs,
        as: kind === AS_CONTAINER ? { process: spec.process, lastCapability: lastCapability(), seccomp } : undefined,
      }),
      { cgroup: inside.cgroup, pass: [input, output, theirs, inside.pidfd] },
    );
    const hooked = await takeChild(first, ours);
    if (kind === AS_CONTAINER && usesNotify(seccomp) && await receive(ours, 1)) {
      await withListener(hooked.pidfd, hooked.results, (fd) => inside.listener(hooked.pid, fd));
      goOn(ours);
    }
    return hooked;
  } finally {
    close(ours);
    close(theirs);
  }
}
