/** Runs a container in the foreground: this process is its parent and its terminal, and ends as it ends. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { type Cgroup, cgroupTree, makeCgroup, removeCgroup } from "../runtime/cgroup.ts";
import { type RootSource, start } from "../runtime/container.ts";
import { openRoot } from "../runtime/failure.ts";
import { signalNumber } from "../runtime/signals.ts";
import { type Mount, OCI_VERSION, type Rlimit, type Spec } from "../runtime/spec.ts";
import { type Containers, writeFile } from "./containers.ts";
import { etcMounts } from "./etc.ts";
import { startInForeground } from "./foreground.ts";
import { explainHost } from "./host_error.ts";
import { randomId } from "./names.ts";
import { mergeEnv } from "./options.ts";
import { cgroupPath, type ContainerConfig, type ContainerRecord, RECORD_VERSION } from "./record.ts";
import type { SeccompChoice } from "./seccomp.ts";
import { buildSpec } from "./spec.ts";
import { startTicks } from "./process.ts";
import { Signals } from "./signals.ts";
import { readUserFiles, resolveUser } from "./users.ts";
import { openView } from "./view.ts";

/** What is run: an image's layers and settings, or a folder. */
export interface RunSource {
  /** What the user called it. */
  readonly name: string;
  readonly imageId?: string;
  /** As images write it: amd64, 386. */
  readonly architecture?: string;
  /** Diff IDs and folders of the layers, the bottom one first; empty for a folder. */
  readonly diffIDs: readonly string[];
  readonly layers: readonly string[];
  /** The folder of --rootfs. */
  readonly directory?: string;
  readonly config: {
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly StopSignal?: string;
  };
  /** Called once the record is written, which keeps the layers in the store from then on. */
  release?(): void;
}

/** What the user asked for, checked already. */
export interface RunOptions {
  readonly args: readonly string[];
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly autoRemove: boolean;
  readonly name?: string | undefined;
  readonly env: readonly string[];
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly groups: readonly string[];
  readonly hostname?: string | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly volumes: readonly Mount[];
  readonly readonlyRootfs: boolean;
  readonly init: boolean;
  readonly network: "none" | "host";
  readonly stopSignal?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
  readonly rlimits: Rlimit[];
  readonly sysctl: Record<string, string>;
  readonly shmBytes: number;
  readonly cidFile?: string | undefined;
}

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A note that is no failure. */
export type Note = (sentence: string) => void;

/**
 * Runs a container and waits for its end.
 *
 * @returns its exit status as a shell counts it.
 * @throws {MiniError} with status 125, 126 or 127 when it could not be run. Nothing is left behind, except the record of a
 *   container that is kept.
 */
export async function run(containers: Containers, source: RunSource, options: RunOptions, note: Note): Promise<number> {
  if (Deno.uid() !== 0) throw new MiniError("making a container needs root: run it with sudo", 125);
  try {
    return await runContainer(containers, source, options, note);
  } catch (error) {
    throw explainHost(error, containers);
  }
}

async function runContainer(
  containers: Containers,
  source: RunSource,
  options: RunOptions,
  note: Note,
): Promise<number> {
  await containers.sweep();
  using signals = new Signals();
  const id = randomId();
  const { name, lock } = containers.reserve(id, options.name);
  let keep = false;
  let cgroup: Cgroup | undefined;
  try {
    if (options.cidFile !== undefined) writeCidFile(options.cidFile, id);
    const folder = containers.folder(id);
    if (source.directory === undefined) {
      for (const sub of ["upper", "work", "merged"]) Deno.mkdirSync(`${folder}/${sub}`, { mode: 0o755 });
    }
    const target = `${folder}/merged`;
    const view = () =>
      source.directory === undefined ? openView({ layers: source.layers, target }) : openRoot(source.directory);
    const { config, spec } = describe(id, folder, source, options, view);
    const record: ContainerRecord = {
      version: RECORD_VERSION,
      id,
      name,
      created: new Date().toISOString(),
      image: source.name,
      ...source.imageId === undefined ? {} : { imageId: source.imageId },
      layers: [...source.diffIDs],
      autoRemove: options.autoRemove,
      config,
    };
    writeFile(`${folder}/config.json`, JSON.stringify(spec));
    containers.write(record);
    source.release?.();
    const tree = cgroupTree();
    if (!tree) note("this host has no cgroup v2, so the container runs without a cgroup and without limits");
    const state = (pid: number, pidStartTicks?: number) =>
      containers.writeState({
        ociVersion: OCI_VERSION,
        id,
        status: pid ? "running" : "creating",
        pid,
        bundle: folder,
        annotations: {},
        ...pidStartTicks === undefined ? {} : { pidStartTicks },
        ...tree ? { cgroup: `${tree.root}${spec.linux?.cgroupsPath}` } : {},
      });
    // Written before there is a cgroup, so that whoever clears up after us finds it.
    state(0);
    if (tree) cgroup = makeCgroup(tree, spec.linux!.cgroupsPath!);
    const root: RootSource = source.directory !== undefined ? { directory: source.directory } : {
      layers: {
        lowers: source.layers,
        upper: `${folder}/upper`,
        work: `${folder}/work`,
        target,
        volatile: options.autoRemove,
      },
    };
    const common = {
      root,
      cgroup: cgroup?.fd,
      init: options.init,
      signal: signals.interruption,
      openRoot: () =>
        source.directory === undefined
          ? openView({ layers: source.layers, upper: `${folder}/upper`, target })
          : openRoot(source.directory),
    };
    const foreground = await startInForeground(
      {
        terminal: options.tty,
        interactive: options.interactive,
        uid: spec.process.user.uid,
        unkillable: !options.init,
      },
      (streams) => start(spec, { ...common, ...streams }),
    );
    let status: number, failure: MiniError | undefined, end: { exitCode: number; error?: string };
    try {
      record.startedAt = new Date().toISOString();
      state(foreground.container.pid, startTicks(foreground.container.pid));
      const interruptedBy = await signals.interruptedBy();
      if (interruptedBy !== undefined) {
        await foreground.discard();
        return 128 + interruptedBy;
      }
      if (!options.autoRemove) containers.write(record);
      const ended = await foreground.finish(signals);
      status = shellStatus(ended.status);
      failure = ended.lost;
      end = { exitCode: status };
    } catch (error) {
      if (!(error instanceof MiniError)) {
        await foreground.discard();
        throw error;
      }
      const interruptedBy = await signals.interruptedBy();
      if (interruptedBy !== undefined) return 128 + interruptedBy;
      failure = error;
      status = error.exitStatus ?? 125;
      end = { exitCode: status, error: error.message };
    }
    keep = !options.autoRemove;
    if (cgroup) await removeCgroup(cgroup.path);
    if (keep) containers.ended(record, { ...end, finishedAt: new Date().toISOString() });
    if (failure) throw new MiniError(failure.message, failure.exitStatus ?? 125, { cause: failure.cause });
    return status;
  } finally {
    if (cgroup) {
      close(cgroup.fd);
      await removeCgroup(cgroup.path);
    }
    if (!keep) containers.forget(id, name);
    close(lock);
  }
}

function writeCidFile(path: string, id: string): void {
  try {
    Deno.writeTextFileSync(path, id, { createNew: true, mode: 0o644 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new MiniError(`--cidfile ${path} is there already; remove it, or make sure that its container is gone`);
    }
    throw new MiniError(`--cidfile ${path} cannot be written: ${(error as Error).message}`);
  }
}

/** The container's configuration and specification, with the user looked up in its own root. */
function describe(
  id: string,
  folder: string,
  source: RunSource,
  options: RunOptions,
  view: () => number,
): { config: ContainerConfig; spec: Spec } {
  const image = source.config;
  const entrypoint = [...options.entrypoint ?? image.Entrypoint ?? []];
  // An entrypoint given by hand takes the place of the image's command too, as in Docker.
  const cmd = options.args.length > 0
    ? [...options.args]
    : options.entrypoint === undefined
    ? [...image.Cmd ?? []]
    : [];
  const args = [...entrypoint, ...cmd];
  if (args.length === 0) {
    throw new MiniError(
      `${source.name} names no program to run: give one after it, as in 'mini run ${source.name} sh'`,
      125,
    );
  }
  const stopSignal = options.stopSignal ?? image.StopSignal ?? "SIGTERM";
  signalNumber(stopSignal);
  const workingDir = options.workingDir || image.WorkingDir || "/";
  if (!workingDir.startsWith("/")) {
    throw new MiniError(
      `the working directory must be an absolute path in the container, and ${JSON.stringify(workingDir)} is not`,
      125,
    );
  }
  const root = view();
  let user;
  try {
    user = resolveUser(options.user ?? image.User ?? "", readUserFiles(root), options.groups);
  } finally {
    close(root);
  }
  const hostname = options.hostname || (options.network === "host" ? Deno.hostname() : id.slice(0, 12));
  const config: ContainerConfig = {
    hostname,
    user: options.user ?? image.User ?? "",
    env: mergeEnv(
      [DEFAULT_PATH, `HOSTNAME=${hostname}`, ...options.tty ? ["TERM=xterm"] : [], `HOME=${user.home}`],
      image.Env ?? [],
      options.env,
    ),
    args,
    entrypoint,
    cmd,
    workingDir,
    labels: { ...image.Labels, ...options.labels },
    tty: options.tty,
    openStdin: options.interactive,
    stopSignal,
    network: options.network,
    init: options.init,
    readonlyRootfs: options.readonlyRootfs,
  };
  const spec = buildSpec(config, {
    user,
    capabilities: options.capabilities,
    noNewPrivileges: options.noNewPrivileges,
    seccomp: options.seccomp({ capabilities: options.capabilities, imageArchitecture: source.architecture }),
    volumes: options.volumes,
    rlimits: options.rlimits,
    sysctl: options.sysctl,
    shmBytes: options.shmBytes,
    // A folder of the user's is used as it is.
    etc: source.directory === undefined ? etcMounts(folder, hostname, options.network) : [],
    cgroupsPath: cgroupPath(id),
  });
  return { config, spec };
}
