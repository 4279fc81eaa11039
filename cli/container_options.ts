/** The flags that `run` and `create` share, as what the engine is asked for. */
import { MiniError } from "../ffi/errors.ts";
import { userEnvironment } from "../ffi/self.ts";
import type { CreateOptions, Source } from "../engine/create.ts";
import { describeDevices, readDevice, readDeviceRule } from "../engine/devices.ts";
import { findImage, type PullPolicy } from "../engine/image.ts";
import { readLimits } from "../engine/limits.ts";
import { parseLogConfig } from "../engine/logs/options.ts";
import {
  readCapabilities,
  readEntrypoint,
  readEnv,
  readEnvFile,
  readLabelFile,
  readPairs,
  readUlimit,
} from "../engine/options.ts";
import { checkHostname, checkName } from "../engine/names.ts";
import { readNetworks } from "../engine/network_options.ts";
import { readRestart } from "../engine/restart.ts";
import { ownCapabilities } from "../runtime/capabilities.ts";
import { readRights } from "../engine/rights.ts";
import type { Globals } from "./command.ts";
import type { HealthFlags } from "../engine/health/config.ts";
import type { FlagValues } from "./flag_values.ts";
import { healthFlags } from "./rows/health.ts";

/**
 * What is to be run: the image, pulled if need be, or a folder.
 *
 * @throws {MiniError} when it is not there.
 */
export async function findSource(flags: FlagValues, args: readonly string[], globals: Globals): Promise<Source> {
  const folder = flags.string("rootfs");
  if (folder === undefined) {
    return await findImage(globals, args[0]!, {
      pull: flags.string("pull") as PullPolicy,
      platform: flags.string("platform"),
      quiet: flags.boolean("quiet"),
    });
  }
  for (const flag of ["pull", "platform", "quiet"]) {
    if (flags.given(flag)) {
      throw new MiniError(`--${flag} is about an image, and --rootfs takes its place: leave one of them out`);
    }
  }
  return { name: folder, diffIDs: [], layers: [], directory: existingFolder(folder), config: {} };
}

/** @throws {MiniError} for what is no folder or cannot be looked into. */
function existingFolder(folder: string): string {
  try {
    const path = Deno.realPathSync(folder);
    if (!Deno.statSync(path).isDirectory) throw new MiniError(`--rootfs ${folder} is not a folder`);
    if (path === "/") throw new MiniError("--rootfs / is the host itself, which would not be a container");
    return path;
  } catch (error) {
    if (error instanceof MiniError) throw error;
    if (error instanceof Deno.errors.NotFound) throw new MiniError(`--rootfs ${folder}: there is no such folder`);
    throw new MiniError(`--rootfs ${folder} cannot be read: ${(error as Error).message}`);
  }
}

/** What is to be mounted; without any such flag nothing is loaded for it. */
async function readMounts(flags: FlagValues): Promise<Pick<CreateOptions, "mounts" | "volumesFrom">> {
  const lists = ["volume", "mount", "tmpfs", "volumes-from"].map((name) => flags.list(name));
  if (lists.every((list) => list.length === 0)) return { mounts: [], volumesFrom: [] };
  const [{ readTmpfs, readVolume }, { readMount }, { readVolumesFrom }] = await Promise.all([
    import("../engine/volumes/volume_flag.ts"),
    import("../engine/mount_flag.ts"),
    import("../engine/volumes/decide.ts"),
  ]);
  return {
    mounts: [
      ...flags.list("volume").map(readVolume),
      ...flags.list("mount").map(readMount),
      ...flags.list("tmpfs").map(readTmpfs),
    ],
    volumesFrom: flags.list("volumes-from").map(readVolumesFrom),
  };
}

/** @throws {MiniError} for the first word that cannot be. */
export async function readOptions(flags: FlagValues, args: readonly string[]): Promise<CreateOptions> {
  const environment = userEnvironment();
  const own = (name: string) => environment[name];
  const name = flags.string("name");
  if (name !== undefined) checkName(name);
  const hostname = flags.string("hostname");
  if (hostname) checkHostname(hostname);
  const uts = flags.string("uts") ?? "private";
  if (flags.string("domainname") && uts !== "private") {
    throw new MiniError(`--domainname does not go together with --uts ${uts}: those names are not the container's own`);
  }
  const privileged = flags.boolean("privileged"), restart = readRestart(flags.string("restart") ?? "no");
  if (flags.boolean("rm") && restart.name !== "no") {
    throw new MiniError("Conflicting options: --restart and --rm: what is removed at its end cannot be started again");
  }
  return {
    args,
    interactive: flags.boolean("interactive"),
    tty: flags.boolean("tty"),
    autoRemove: flags.boolean("rm"),
    name,
    env: [
      ...flags.list("env-file").flatMap((path) => readEnvFile(path, own)),
      ...flags.list("env").flatMap((e) => readEnv(e, own)),
    ],
    workingDir: flags.string("workdir"),
    user: flags.string("user"),
    groups: flags.list("group-add"),
    hostname,
    domainname: flags.string("domainname") || undefined,
    entrypoint: readEntrypoint(flags.string("entrypoint")),
    ...await readMounts(flags),
    readonlyRootfs: flags.boolean("read-only"),
    init: flags.boolean("init"),
    names: await namesOf(flags),
    network: await readNetworks({
      networks: flags.list("network"),
      aliases: flags.list("network-alias"),
      ip: flags.string("ip"),
      ip6: flags.string("ip6"),
      mac: flags.string("mac-address"),
      publish: flags.list("publish"),
      publishAll: flags.boolean("publish-all"),
      expose: flags.list("expose"),
    }),
    stopSignal: flags.string("stop-signal"),
    stopTimeout: flags.number("stop-timeout"),
    labels: {
      ...readPairs("label-file", flags.list("label-file").flatMap(readLabelFile), false),
      ...readPairs("label", flags.list("label"), false),
    },
    capabilities: readCapabilities(
      [...privileged ? ["ALL"] : [], ...flags.list("cap-add")],
      flags.list("cap-drop"),
      ownCapabilities(),
    ),
    rights: readRights({
      privileged,
      securityOptions: flags.list("security-opt"),
      ipc: flags.string("ipc"),
      pid: flags.string("pid"),
      uts: flags.string("uts"),
      userns: flags.string("userns"),
    }),
    rlimits: flags.list("ulimit").map(readUlimit),
    sysctl: readPairs("sysctl", flags.list("sysctl"), true),
    shmBytes: flags.number("shm-size") ?? 0,
    cidFile: flags.string("cidfile"),
    limits: readLimits(flags),
    devices: describeDevices(
      flags.list("device").map(readDevice),
      flags.list("device-cgroup-rule").map(readDeviceRule),
      privileged,
    ),
    restart,
    health: await readHealth(flags),
    log: parseLogConfig(flags.string("log-driver"), flags.list("log-opt")),
  };
}

/** The flags about health; undefined, and nothing loaded, where none is given. */
async function readHealth(flags: FlagValues): Promise<HealthFlags | undefined> {
  if (!healthFlags.some(({ name }) => flags.given(name))) return undefined;
  const health: HealthFlags = {
    none: flags.boolean("no-healthcheck"),
    command: flags.string("health-cmd"),
    interval: flags.number("health-interval"),
    timeout: flags.number("health-timeout"),
    startPeriod: flags.number("health-start-period"),
    startInterval: flags.number("health-start-interval"),
    retries: flags.number("health-retries"),
    onFailure: flags.string("health-on-failure") as HealthFlags["onFailure"],
  };
  (await import("../engine/health/config.ts")).checkHealthFlags(health);
  return health;
}

/** Nothing of it is loaded where nothing is said. */
async function namesOf(flags: FlagValues) {
  const said = {
    servers: flags.list("dns"),
    search: flags.list("dns-search"),
    options: flags.list("dns-option"),
    hosts: flags.list("add-host"),
  };
  if (Object.values(said).every((list) => list.length === 0)) return undefined;
  return (await import("../engine/names_options.ts")).readNames(said);
}
