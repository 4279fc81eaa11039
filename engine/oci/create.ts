/** `create`: makes a container that waits for its start. OCI runtime-spec, runtime.md, "Create". */
import { O_CREAT, O_EXCL, O_RDWR } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open, openRoot } from "../../ffi/open.ts";
import type { Operation } from "../../ffi/program.ts";
import { type Cgroup, cgroupTree, removeCgroup } from "../../runtime/cgroup.ts";
import type { Container } from "../../runtime/container.ts";
import { createContainer } from "../../runtime/create.ts";
import { hasNamespace } from "../../runtime/plan_namespaces.ts";
import { WAIT_FOR_START } from "../../runtime/plan_create.ts";
import { parseSpec } from "../../runtime/spec_read.ts";
import type { Hooks, Spec } from "../../runtime/spec.ts";
import { startTicks } from "../process.ts";
import { cgroupPlace, takeCgroup } from "./cgroup.ts";
import { settleEnvironment } from "./environment.ts";
import { grantable } from "./grant.ts";
import { makeFifo, type OciContainers, type OciRecord } from "./containers.ts";
import type { Warn } from "./hooks.ts";
import { preservedFds } from "./preserved_fds.ts";

export interface CreateOptions {
  /** Absolute. */
  readonly bundle: string;
  /** The socket that is given the master side of the container's terminal. */
  readonly consoleSocket?: string | undefined;
  /** The socket that is given a descriptor of its first process. */
  readonly pidfdSocket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly preserveFds: number;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly systemdCgroup: boolean;
  /** The container has its terminal itself, for a foreground of ours. */
  readonly keepTerminal?: boolean;
}

/** The specification of a bundle. @throws {MiniError} */
export function readBundle(bundle: string): { json: string; spec: Spec } {
  const path = `${bundle}/config.json`;
  let json: string;
  try {
    json = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new MiniError(`JSON specification file ${path} not found`);
    throw new MiniError(`cannot read ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
  return { json, spec: parseSpec(json, bundle) };
}

/** The kinds of hooks that a specification has. */
export const hookKinds = (spec: Spec) =>
  (Object.keys(spec.hooks ?? {}) as (keyof Hooks)[]).filter((kind) => spec.hooks?.[kind]?.length);

/** @throws {MiniError} unless the root is a folder. */
export function checkRoot({ root }: Spec): void {
  try {
    if (Deno.statSync(root.path).isDirectory) return;
  } catch (error) {
    throw new MiniError(`root.path: cannot look at ${root.path}: ${(error as Error).message}`);
  }
  throw new MiniError(`root.path: ${root.path} is not a folder`);
}

/** The operations that cover the host's root. The mounts of a namespace that is joined are somebody else's. */
async function cover({ linux }: Spec): Promise<readonly Operation[]> {
  const { coverOperations, kernelMounts } = await import("../../runtime/plan_cover.ts");
  const joins = linux?.namespaces?.some(({ type, path }) => type === "mount" && path !== undefined);
  return coverOperations(joins ? [] : kernelMounts(Deno.readTextFileSync("/proc/self/mountinfo")));
}

/** What is left to be done when it waits, for the command that starts it to tell a failure by. */
function tailOf({ results: { program } }: Container): OciRecord["tail"] {
  const at = program.findIndex((operation) => operation.name === WAIT_FOR_START);
  const operations = program.slice(at).map(({ args: _, jump: _jump, ...rest }) => rest);
  return { at, operations };
}

/**
 * Makes a container from a bundle.
 *
 * @returns the container, our child, which waits for its start; to be left or waited for.
 * @throws {MiniError} when that is not possible. Nothing is left then.
 */
export async function create(
  containers: OciContainers,
  id: string,
  options: CreateOptions,
  warn: Warn,
): Promise<Container> {
  const { json, spec } = readBundle(options.bundle);
  checkRoot(spec);
  const terminal = spec.process.terminal ?? false;
  if (terminal && options.consoleSocket === undefined && !options.keepTerminal) {
    throw new MiniError(
      "cannot allocate tty if mini-runc will detach without setting console socket: give --console-socket",
    );
  }
  if (!terminal && options.consoleSocket !== undefined) {
    throw new MiniError(
      "cannot use console socket if mini-runc will not detach or allocate tty: process.terminal is not set",
    );
  }
  const fds = preservedFds(options.preserveFds);
  await settleEnvironment(spec.process, fds.env, () => openRoot(spec.root.path));
  grantable(spec.process, hasNamespace(spec, "user"), warn);
  const place = cgroupPlace(spec, id, containers.root, options.systemdCgroup);
  const lock = containers.reserve(id);
  const folder = containers.folder(id), tree = cgroupTree();
  let record: OciRecord = {
    id,
    bundle: options.bundle,
    rootfs: spec.root.path,
    created: new Date().toISOString(),
    owner: Deno.uid() === 0 ? "root" : `${Deno.uid()}`,
    annotations: spec.annotations ?? {},
    pid: 0,
    hooks: hookKinds(spec),
    ...tree ? { cgroup: `${tree.root}${place}` } : {},
  };
  let cgroup: Cgroup | undefined, fifo = -1, container: Container | undefined, hooksRan = false;
  try {
    Deno.writeTextFileSync(`${folder}/config.json`, json, { mode: 0o600 });
    // Written before there is a cgroup, so that whoever clears up after us finds it.
    containers.write(record);
    if (tree) cgroup = takeCgroup(tree, place, spec);
    makeFifo(containers.fifo(id));
    fifo = open(containers.fifo(id), O_RDWR);
    container = await createContainer(spec, {
      directory: spec.root.path,
      cgroup: cgroup?.fd,
      gate: {
        fifo,
        preserveFds: fds.count,
        cover: options.noPivot ? await cover(spec) : undefined,
        keyring: options.noNewKeyring ? undefined : `_ses.${id}`,
      },
      results: open(`${folder}/results`, O_RDWR | O_CREAT | O_EXCL, 0o600),
      openRoot: () => openRoot(spec.root.path),
      steps: {
        terminal: options.consoleSocket === undefined ? undefined : async (master) => {
          const { sendDescriptor } = await import("./send_descriptor.ts");
          sendDescriptor(options.consoleSocket!, master, "/dev/ptmx");
        },
        fill: async (made, i) => (await import("./copy_up.ts")).copyUp(spec, made, i),
        environment: async (made) => {
          record = { ...record, ...known(made.pid), tail: tailOf(made)! };
          if (record.hooks.length === 0) return;
          hooksRan = true;
          const { runInside, runOutside } = await import("./hooks.ts");
          await runOutside(containers, record, spec, "creating", "prestart", "createRuntime");
          await runInside(containers, record, spec, "creating", made.pidfd, "createContainer");
        },
        listener: async (_, fd) => {
          const { sendListener } = await import("./send_descriptor.ts");
          sendListener(spec.linux!.seccomp!, containers.state(record, "creating"), record.pid, fd);
        },
        made: (made) => {
          containers.write(record);
          if (options.pidFile !== undefined) writePidFile(options.pidFile, made.pid);
        },
      },
    });
    if (options.pidfdSocket !== undefined) {
      const { sendDescriptor } = await import("./send_descriptor.ts");
      sendDescriptor(options.pidfdSocket, container.pidfd, "pidfd");
    }
    return container;
  } catch (error) {
    if (container) {
      container.kill(9);
      await container.wait().catch(() => {}); // why it ended is known
    }
    if (cgroup) await removeCgroup(cgroup.path);
    containers.remove(id);
    if (hooksRan) {
      const { runAndWarn } = await import("./hooks.ts");
      await runAndWarn(containers, record, spec, "stopped", "poststop", warn);
    }
    throw error;
  } finally {
    if (cgroup) close(cgroup.fd);
    if (fifo >= 0) close(fifo);
    close(lock);
  }
}

function known(pid: number): Pick<OciRecord, "pid" | "pidStartTicks"> {
  const pidStartTicks = startTicks(pid);
  if (pidStartTicks === undefined) throw new MiniError("the container ended while it was being made");
  return { pid, pidStartTicks };
}

/** Whole or not at all, since whoever reads it may be waiting for it. @throws {MiniError} */
export function writePidFile(path: string, pid: number): void {
  const at = path.lastIndexOf("/") + 1, temporary = `${path.slice(0, at)}.${path.slice(at)}`;
  try {
    Deno.writeTextFileSync(temporary, `${pid}`, { mode: 0o666 });
    Deno.renameSync(temporary, path);
  } catch (error) {
    throw new MiniError(`cannot write the pid file ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}
