/** Runs a further program in a container that runs: `mini exec`. */
import { O_RDWR } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { close } from "../ffi/kernel.ts";
import { open, readyForPaths } from "../ffi/open.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { openContainerRoot, startExec, type Target } from "../runtime/exec.ts";
import { isNew } from "../runtime/plan.ts";
import type { Process, Spec } from "../runtime/spec.ts";
import { ownCapabilities } from "../runtime/capabilities.ts";
import type { Containers, Found } from "./containers.ts";
import { pidfdOf } from "./control.ts";
import { emitContainer } from "./events.ts";
import { startInForeground } from "./foreground.ts";
import { randomId } from "./names.ts";
import { mergeEnv } from "./options.ts";
import { ownerOf } from "./userns.ts";
import { Signals } from "./signals.ts";
import { checkPossible, readUserFiles, resolveUser } from "./users.ts";

/** What the user asked for, checked already. */
export interface ExecRequest {
  readonly args: readonly string[];
  readonly tty: boolean;
  readonly env: readonly string[];
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly privileged: boolean;
}

/** A container that can be joined, and the process that is to be started in it. */
export interface PreparedExec {
  readonly target: Target;
  readonly process: Process;
  close(): void;
}

/**
 * Finds out what is to be started: the container's own settings, with what the request changes.
 *
 * @returns what `startExec` wants; `close` gives the container's descriptor back.
 * @throws {MiniError} when the container does not run or is paused, or for a user that is not in it.
 */
export async function prepareExec(
  containers: Containers,
  found: Found,
  request: ExecRequest,
): Promise<PreparedExec> {
  await readyForPaths();
  const { record, running, status } = found;
  if (status === "paused") {
    throw new MiniError(`container ${record.name} is paused: continue it with 'mini unpause ${record.name}'`);
  }
  const pidfd = pidfdOf(found);
  if (pidfd === undefined || !running) {
    throw new MiniError(
      `container ${record.name} is not running, so nothing can be run in it; 'mini ps' lists what runs`,
    );
  }
  try {
    untilAssembled(running.pid, record.name);
    const spec = containers.spec(record.id);
    const target: Target = { pid: running.pid, pidfd, spec, cgroup: running.cgroup };
    return { target, process: describe(spec, running.pid, record.config.user, request), close: () => close(pidfd) };
  } catch (error) {
    close(pidfd);
    if (error instanceof SyscallError && error.errno === Errno.ENOENT) {
      throw new MiniError(`container ${record.name} has just ended, so nothing can be run in it`);
    }
    throw error;
  }
}

/** How long a container may take to be assembled: it may wait for a network, or for a slow disk. */
const ASSEMBLY_MILLISECONDS = 5000;

/**
 * Waits until a container has left the host's root: one that is just being made begins there, and whoever joins it then would
 * be there, too.
 */
function untilAssembled(pid: number, name: string): void {
  for (const limit = Date.now() + ASSEMBLY_MILLISECONDS; !hasOwnRoot(pid);) {
    if (Date.now() > limit) {
      throw new MiniError(`container ${name} is still being made: try again when it runs`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

/**
 * Whether its root is another one than ours, and ours is gone: pivot_root leaves it stacked on the new one for a moment. What else
 * is there is the container's own affair: its program may have another root by now (chroot), or have mounted something on it.
 */
function hasOwnRoot(pid: number): boolean {
  try {
    const own = Deno.statSync("/"), its = Deno.statSync(`/proc/${pid}/root/.`);
    if (own.dev === its.dev && own.ino === its.ino) return false;
    const ours = rootMounts("self");
    return !rootMounts(String(pid)).some((mount) => ours.includes(mount));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || (error as Error).message.includes("os error 3")) return true; // told below
    throw error;
  }
}

/** What is mounted on a process's root, as "MAJOR:MINOR PATH" in that file system. proc_pid_mountinfo(5) */
function rootMounts(pid: string): string[] {
  return Deno.readTextFileSync(`/proc/${pid}/mountinfo`).split("\n").map((line) => line.split(" "))
    .filter(([, , , , at]) => at === "/").map(([, , device, root]) => `${device} ${root}`);
}

function describe(spec: Spec, pid: number, ownUser: string, request: ExecRequest): Process {
  const { process } = spec;
  const root = openContainerRoot(pid);
  let user;
  try {
    user = resolveUser(request.user ?? ownUser, readUserFiles(root));
    if (!isNew(spec, "user")) checkPossible(user, ownNamespace());
  } finally {
    close(root);
  }
  const workingDir = request.workingDir ?? process.cwd;
  if (!workingDir.startsWith("/")) {
    throw new MiniError(`--workdir ${JSON.stringify(workingDir)} must be an absolute path in the container`);
  }
  const all = ownCapabilities();
  return {
    ...process,
    terminal: request.tty,
    cwd: workingDir,
    args: [...request.args],
    env: mergeEnv(process.env ?? [], request.tty ? ["TERM=xterm"] : [], [`HOME=${user.home}`], request.env),
    user: { uid: user.uid, gid: user.gid, additionalGids: [user.gid, ...user.additionalGids] },
    ...request.privileged
      ? { capabilities: { bounding: all, effective: all, permitted: all }, noNewPrivileges: false }
      : {},
  };
}

/**
 * Runs a program in a container and waits for its end; detached, only until it has been started.
 *
 * @returns its exit status as a shell counts it.
 * @throws {MiniError} with status 126 or 127 when it could not be executed.
 */
export async function exec(
  containers: Containers,
  found: Found,
  request: ExecRequest & { readonly interactive: boolean; readonly detached: boolean },
): Promise<number> {
  const { target, process, close: done } = await prepareExec(containers, found, request);
  const told = { execID: randomId() }, command = request.args.join(" ");
  const tell = (action: string, more = {}) =>
    emitContainer(containers.state, found.record, action, { ...told, ...more });
  try {
    tell(`exec_create: ${command}`);
    if (request.detached) {
      const status = await execDetached(target, process);
      tell(`exec_start: ${command}`);
      return status;
    }
    using signals = new Signals();
    const options = {
      terminal: request.tty,
      interactive: request.interactive,
      uid: ownerOf({ ...target.spec, process }),
      unkillable: false,
    };
    const foreground = await startInForeground(options, (streams) => startExec(target, process, streams));
    tell(`exec_start: ${command}`);
    const { status, lost } = await foreground.finish(signals);
    tell("exec_die", { exitCode: String(shellStatus(status)) });
    if (lost) throw lost;
    return shellStatus(status);
  } finally {
    done();
  }
}

/** Starts a process that has nothing to do with us any more. Its end is its container's PID 1's to see. */
async function execDetached(target: Target, process: Process): Promise<number> {
  const nothing = open("/dev/null", O_RDWR);
  try {
    const container = await startExec(target, process, { stdio: [nothing, nothing, nothing], detached: true });
    await container.release();
    return 0;
  } finally {
    close(nothing);
  }
}
