/** Makes a container: its folder, its name, its record and its specification. Nothing of it runs yet. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { openRoot, readyForPaths } from "../ffi/open.ts";
import { cgroupTree } from "../runtime/cgroup.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import type { HealthConfig } from "../images/types.ts";
import { signalNumber } from "../runtime/signals.ts";
import type { Mount, Rlimit, Spec } from "../runtime/spec.ts";
import { cgroupPathBelow } from "./cgroups.ts";
import { type Containers, writeFile } from "./containers.ts";
import { type DeviceSpec, placeDevices } from "./devices.ts";
import { etcMounts, sharedEtc } from "./etc.ts";
import { emitContainer } from "./events.ts";
import type { Healthcheck, HealthFlags } from "./health/config.ts";
import { limitResources, type Limits } from "./limits.ts";
import type { LogConfig } from "./logs/options.ts";
import { randomId } from "./names.ts";
import { mergeEnv } from "./options.ts";
import type { NamesConfig } from "./names_config.ts";
import { networkConfig, type NetworkOptions } from "./network_options.ts";
import { type ContainerConfig, type ContainerRecord, RECORD_VERSION, type RestartPolicy } from "./record.ts";
import { applyRights, type Rights, rightsConfig, type RightsOptions, settleRights } from "./rights.ts";
import { buildSpec } from "./spec.ts";
import { writeCreating } from "./start.ts";
import { checkPossible, readUserFiles, resolveUser } from "./users.ts";
import type { VolumesFrom } from "./volumes/decide.ts";
import type { ContainerMount, DecidedMount } from "./volumes/types.ts";
import { openView } from "./view.ts";

/** What a container is made of: an image's layers and settings, or a folder. */
export interface Source {
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
    /** The paths of VOLUME lines. */
    readonly Volumes?: Readonly<Record<string, unknown>>;
    readonly Healthcheck?: HealthConfig;
    readonly Shell?: string[];
    readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  };
  /** Called once the record is written, which keeps the layers in the store from then on. */
  release?(): void;
}

/** What the user asked for, checked already. */
export interface CreateOptions {
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
  /** `-v`, `--mount` and `--tmpfs`. */
  readonly mounts: readonly ContainerMount[];
  /** Containers whose volumes are mounted as well. */
  readonly volumesFrom: readonly VolumesFrom[];
  readonly readonlyRootfs: boolean;
  readonly init: boolean;
  readonly network: NetworkOptions;
  readonly names?: NamesConfig | undefined;
  readonly rights: RightsOptions;
  readonly stopSignal?: string | undefined;
  readonly stopTimeout?: number | undefined;
  readonly domainname?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: string[];
  readonly rlimits: Rlimit[];
  readonly sysctl: Record<string, string>;
  readonly shmBytes: number;
  readonly cidFile?: string | undefined;
  readonly limits: Limits;
  readonly devices: DeviceSpec;
  readonly restart: RestartPolicy;
  /** `--health-…`, if any was given. */
  readonly health?: HealthFlags | undefined;
  readonly log: LogConfig;
}

/** What a container gets as PATH whose image says nothing of it. */
export const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A container that can be started by whoever has its lock. */
export interface Made {
  readonly record: ContainerRecord;
  readonly spec: Spec;
  /** Folders of the layers, the bottom one first; empty for a folder of the user's. */
  readonly layers: readonly string[];
  /** A descriptor that keeps its lock as long as it is open; the caller's to close. */
  readonly lock: number;
  /** The volumes that were made for it and not there before: of no use to anybody if it never runs. */
  readonly newVolumes?: readonly string[];
}

/**
 * Makes a container and locks it for this process.
 *
 * @throws {MiniError} with status 125 for what cannot be. Nothing is left behind then.
 */
export async function create(
  containers: Containers,
  source: Source,
  options: CreateOptions,
  signal?: AbortSignal,
): Promise<Made> {
  const id = randomId(), mounts = await mountsOf(containers, source, options), health = await healthOf(source, options);
  const { name, lock } = containers.reserve(id, options.name);
  let rights: Rights | undefined;
  let newVolumes: string[] = [];
  try {
    if (options.cidFile !== undefined) writeCidFile(options.cidFile, id);
    const folder = containers.folder(id);
    if (source.directory === undefined) {
      for (const sub of ["upper", "work", "merged"]) Deno.mkdirSync(`${folder}/${sub}`, { mode: 0o755 });
    }
    const target = `${folder}/merged`;
    const view = () =>
      source.directory === undefined ? openView({ layers: source.layers, target }) : openRoot(source.directory);
    rights = settleRights(containers, options.rights, options.network.mode, Boolean(options.hostname));
    const volumes = await specMounts(containers, mounts);
    await readyForPaths();
    const { config, spec } = describe(containers, id, source, options, rights, volumes, view);
    if (health) config.health = health;
    const record: ContainerRecord = {
      version: RECORD_VERSION,
      id,
      name,
      created: new Date().toISOString(),
      image: source.name,
      ...source.imageId === undefined ? {} : { imageId: source.imageId },
      layers: [...source.diffIDs],
      autoRemove: options.autoRemove,
      restart: options.restart,
      log: options.log,
      config,
      ...rights.userns ? { idMaps: rights.userns.maps } : {},
      ...mounts.length > 0 ? { mounts } : {},
      ...options.volumesFrom.length > 0 ? { volumesFrom: options.volumesFrom.map(({ given }) => given) } : {},
    };
    const making = mounts.some(({ type }) => type === "volume");
    writeFile(`${folder}/config.json`, JSON.stringify(spec));
    // Before the record: a container that is found with one and without this was made completely.
    writeCreating(containers, id, spec, cgroupTree(), true);
    containers.write(making ? { ...record, making } : record);
    source.release?.();
    if (making) {
      const { makeWanted } = await import("./volumes/wanted.ts");
      newVolumes = await makeWanted(containers, { id, mounts }, view, signal);
      containers.write(record);
    }
    emitContainer(containers.state, record, "create");
    return { record, spec, layers: source.layers, lock, newVolumes };
  } catch (error) {
    containers.forget(id, name);
    close(lock);
    throw error;
  } finally {
    rights?.close();
  }
}

/** How its health is found out; where nothing was said of that, nothing is loaded. */
async function healthOf({ config }: Source, { health }: CreateOptions): Promise<Healthcheck | undefined> {
  if (!health && !config.Healthcheck) return undefined;
  return (await import("./health/config.ts")).healthcheckOf(health ?? { none: false }, config);
}

/** What is to be mounted; for a container without any of it nothing is loaded. */
async function mountsOf(
  containers: Containers,
  source: Source,
  { mounts, volumesFrom }: CreateOptions,
): Promise<DecidedMount[]> {
  const image = Object.keys(source.config.Volumes ?? {});
  if (mounts.length + volumesFrom.length + image.length === 0) return [];
  return await (await import("./volumes/wanted.ts")).wantedMounts(containers, mounts, volumesFrom, image);
}

async function specMounts(containers: Containers, mounts: readonly DecidedMount[]): Promise<Mount[]> {
  if (mounts.length === 0) return [];
  const [{ specMount }, { Volumes }] = await Promise.all([
    import("./volumes/decide.ts"),
    import("./volumes/store.ts"),
  ]);
  const volumes = new Volumes(containers.root);
  return mounts.map((mount) => specMount(mount, (name) => volumes.data(name)));
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
  containers: Containers,
  id: string,
  source: Source,
  options: CreateOptions,
  rights: Rights,
  volumes: readonly Mount[],
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
    if (!rights.userns) checkPossible(user, ownNamespace());
  } finally {
    close(root);
  }
  const hostname = options.hostname || rights.hostname || id.slice(0, 12);
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
    ...options.stopTimeout === undefined ? {} : { stopTimeout: options.stopTimeout },
    ...options.domainname === undefined ? {} : { domainname: options.domainname },
    network: rights.network,
    ...options.names ? { names: options.names } : {},
    ...networkConfig(options.network, Object.keys(image.ExposedPorts ?? {})),
    ...rightsConfig(rights, options.rights),
    init: options.init,
    readonlyRootfs: options.readonlyRootfs,
    limits: options.limits,
    ...options.devices.requests.length > 0 ? { devices: options.devices.requests } : {},
    ...options.devices.asked.length > 0 ? { deviceRules: options.devices.asked } : {},
  };
  const folder = containers.folder(id);
  const placed = placeDevices(options.devices, rights.userns !== undefined || ownNamespace() !== undefined);
  const spec = buildSpec(config, {
    user,
    capabilities: options.capabilities,
    seccomp: options.rights.security.seccomp({
      capabilities: options.capabilities,
      imageArchitecture: source.architecture,
    }),
    volumes: [...volumes, ...placed.mounts],
    rlimits: options.rlimits,
    sysctl: options.sysctl,
    shmBytes: options.shmBytes,
    // A folder of the user's is used as it is.
    etc: source.directory === undefined ? etcOf(containers, folder, hostname, rights, options.names) : [],
    cgroupsPath: cgroupPathBelow(options.limits.cgroupParent, id),
    resources: { ...limitResources(options.limits), devices: options.devices.rules },
    devices: placed.devices,
  });
  return { config, spec: applyRights(spec, rights, containers.root) };
}

function etcOf(
  containers: Containers,
  folder: string,
  hostname: string,
  { network, networkOf }: Rights,
  names: NamesConfig | undefined,
): Mount[] {
  return networkOf ? sharedEtc(containers.spec(networkOf.id)) : etcMounts(folder, hostname, network, names);
}
