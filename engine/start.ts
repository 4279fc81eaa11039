/** Starts a container that was made: in the foreground, as a child of this process, or in the background, as a shim's. */
import { MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { openRoot } from "../ffi/open.ts";
import { type Cgroup, type CgroupTree, cgroupTree, killCgroup, removeCgroup, vacate } from "../runtime/cgroup.ts";
import { makeLimitedCgroup } from "../runtime/cgroup_setup.ts";
import { allowsEverything } from "../runtime/device_filter.ts";
import type { RootSource, StartOptions } from "../runtime/container.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { isNew } from "../runtime/plan_namespaces.ts";
import type { HeldSource } from "../runtime/plan_mounts.ts";
import { OCI_VERSION, type Spec } from "../runtime/spec.ts";
import type { Store } from "../images/store.ts";
import { OWN_CGROUP } from "./cgroups.ts";
import type { Containers } from "./containers.ts";
import type { Made } from "./create.ts";
import type { Joined } from "./join.ts";
import { withDevicesOfNow } from "./devices.ts";
import { optionalFiles } from "./limits.ts";
import { isContainerMode } from "./namespaces.ts";
import type { PreparedNetworks } from "./network.ts";
import { startTicks } from "./process.ts";
import { isMapped } from "./rights.ts";
import type { Held } from "./volumes/hold.ts";
import type { ContainerRecord, RunningState } from "./record.ts";
import { openView } from "./view.ts";

/** A note that is no failure. */
export type Note = (sentence: string) => void;

/** What a container has around it while it runs. */
export interface Surroundings {
  readonly cgroup: Cgroup | undefined;
  /** What every way of starting it wants. */
  readonly options: Pick<StartOptions, "root" | "cgroup" | "init" | "network" | "openRoot" | "sources" | "atEnd">;
  /** Its specification, with whatever it shares with other containers. */
  readonly spec: Spec;
  /** Writes down that it runs, and where its input is, and closes what was only needed to start it. */
  running(pid: number, how?: Pick<RunningState, "shim" | "input">): void;
  /** Takes it all apart again. */
  release(): Promise<void>;
  /** Resolves when the monitor answers for names; undefined where it has nothing to answer. */
  readonly served: (() => Promise<void>) | undefined;
  /** Closes what is open of it here, and leaves the rest to whoever clears up. */
  letGo(): void;
}

/** Where the root of a container comes from. */
export function rootOf({ record, layers }: Made, folder: string): RootSource {
  const idmap = isMapped(record.idMaps && { maps: record.idMaps });
  if (layers.length === 0) return { directory: record.image, idmap };
  return {
    idmap,
    layers: {
      lowers: layers,
      upper: `${folder}/upper`,
      work: `${folder}/work`,
      target: `${folder}/merged`,
      volatile: record.autoRemove,
    },
  };
}

/** What is written down of a container that does not run yet. */
function stateOf(containers: Containers, id: string, spec: Spec, tree: CgroupTree | undefined): RunningState {
  return {
    ociVersion: OCI_VERSION,
    id,
    status: "creating",
    pid: 0,
    owner: Deno.pid,
    bundle: containers.folder(id),
    annotations: {},
    ...tree ? { cgroup: `${tree.root}${spec.linux?.cgroupsPath}` } : {},
  };
}

/**
 * Writes down that a container is about to be started.
 *
 * @param fresh whether this very command is making it: if it is killed, nobody has been promised anything.
 */
export function writeCreating(
  containers: Containers,
  id: string,
  spec: Spec,
  tree: CgroupTree | undefined,
  fresh?: true,
): void {
  containers.writeState({ ...stateOf(containers, id, spec, tree), ...fresh ? { fresh } : {} });
}

/**
 * Makes what a container needs around it before it is started, each written down before it is made, so that whoever clears up
 * after us finds it.
 *
 * @param fresh whether this very command has made the container. @throws {MiniError} Nothing is left behind then.
 */
export async function surround(
  containers: Containers,
  made: Made,
  note: Note,
  fresh: boolean,
  signal?: AbortSignal,
): Promise<Surroundings> {
  const { record, spec, layers } = made, { id } = record;
  const folder = containers.folder(id);
  const tree = cgroupTree();
  if (!fresh) writeCreating(containers, id, spec, tree);
  if (!tree) withoutCgroup(made, note);
  const limits = record.config.limits ?? {};
  const joined = await joinOthers(containers, spec);
  let cgroup: Cgroup | undefined, held: Held | undefined, networks: PreparedNetworks | undefined;
  const letGo = () => {
    joined.close();
    held?.close();
    networks?.close();
    if (cgroup) close(cgroup.fd);
  };
  const release = async () => {
    joined.close();
    await held?.release();
    if (cgroup) {
      close(cgroup.fd);
      await removeCgroup(cgroup.path);
    }
    networks?.release();
  };
  try {
    held = await holdMounts(containers, record, signal);
    if (tree && ownNamespace()) vacate(tree, OWN_CGROUP);
    cgroup = tree && makeLimitedCgroup(tree, spec.linux!.cgroupsPath!, spec.linux!, optionalFiles(limits));
    if (record.config.networks?.length) {
      networks = ownNamespace()
        ? (await import("./rootless/network.ts")).prepareUserNetwork(containers, record, note)
        : (await import("./network.ts")).prepareNetworks(containers, record, note);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    cgroup,
    served: networks?.served,
    spec: held?.applyTo(joined.spec) ?? joined.spec,
    options: {
      sources: held ? new Map<string, HeldSource>([...joined.sources, ...held.sources]) : joined.sources,
      network: networks?.configure,
      // Where it is no PID 1, the kernel does not end what it leaves.
      ...cgroup && !isNew(spec, "pid") ? { atEnd: () => killCgroup(cgroup.path) } : {},
      root: rootOf(made, folder),
      cgroup: cgroup?.fd,
      init: record.config.init,
      openRoot: () =>
        layers.length > 0
          ? openView({ layers, upper: `${folder}/upper`, target: `${folder}/merged` })
          : openRoot(record.image),
    },
    running: (pid, how) => {
      held?.close();
      const ticks = startTicks(pid);
      containers.writeState({
        ...stateOf(containers, id, spec, tree),
        status: "running",
        pid,
        ...ticks === undefined ? {} : { pidStartTicks: ticks },
        ...how,
      });
    },
    letGo,
    release,
  };
}

/** What it joins of other containers; nothing is loaded for one that joins none. */
async function joinOthers(containers: Containers, spec: Spec): Promise<Joined> {
  const paths = [
    ...(spec.linux?.namespaces ?? []).map(({ path }) => path),
    ...(spec.mounts ?? []).map(({ source }) => source),
  ];
  if (!paths.some((path) => path !== undefined && isContainerMode(path))) {
    return { spec, sources: new Map(), close() {} };
  }
  return (await import("./join.ts")).joinOthers(containers, spec);
}

/** What a container's mounts need; undefined, and nothing loaded, for one without any. */
async function holdMounts(
  containers: Containers,
  record: ContainerRecord,
  signal: AbortSignal | undefined,
): Promise<Held | undefined> {
  if (!record.mounts?.length) return undefined;
  return await (await import("./volumes/hold.ts")).holdMounts(containers, record, signal);
}

/** @throws {MiniError} for a container that is to have less than all of the host. */
function withoutCgroup({ record, spec }: Made, note: Note): void {
  const { pids: _, devices = [], ...limits } = spec.linux?.resources ?? {};
  const isLimited = Object.keys(limits).length > 0 || (record.config.limits?.pidsLimit ?? -1) !== -1;
  // In a user namespace there is nobody to keep from the host's devices, and nothing to be told each time.
  if (ownNamespace()) {
    if (!isLimited) return;
    throw new MiniError(
      "limits need a cgroup of your own, and none was given to you: 'systemd-run --user --scope -p Delegate=yes mini …' " +
        "runs one command in one, and 'mini system check' says more",
      125,
    );
  }
  if (!isLimited && allowsEverything(devices)) {
    return note("this host has no cgroup v2, so the container runs without a cgroup and without limits");
  }
  throw new MiniError(
    "this host has no cgroup v2, without which no limit holds and nothing keeps a container from the host's devices: " +
      "mount it ('mkdir -p /sys/fs/cgroup/unified; mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified'), " +
      "or run the container --privileged",
    125,
  );
}

/**
 * A container that exists, locked to be started by this process.
 *
 * @param wanted by a person or with the machine: that it was stopped before is of no account then. A restart policy wants it
 *   only as long as nobody stops it, which may happen at any moment until it runs.
 * @throws {MiniError} when another command is at work on it, or its layers are gone.
 */
export function take(containers: Containers, store: Store, id: string, wanted = true): Made {
  const lock = containers.lock(id);
  try {
    let record = containers.record(id);
    if (wanted && record?.stopped) record = containers.change(id, (now) => delete now.stopped);
    if (!record) throw new MiniError(`container ${id.slice(0, 12)} was removed just now`);
    const spec = withDevicesOfNow(containers.spec(id), record.config);
    return { record, spec, layers: layersOf(store, record), lock };
  } catch (error) {
    containers.settle(id, lock);
    throw error;
  }
}

const layersOf = (store: Store, record: ContainerRecord) => record.layers.map((diffID) => store.layers.path(diffID));
