/** What a program asks of a container, as what the engine is asked for. */
import type { CreateOptions } from "../engine/create.ts";
import { describeDevices, readDevice } from "../engine/devices.ts";
import { type LimitFlags, readLimits } from "../engine/limits.ts";
import { checkHostname, checkName } from "../engine/names.ts";
import { readNetworks } from "../engine/network_options.ts";
import { readCapabilities, readUlimit } from "../engine/options.ts";
import { NO_RESTART } from "../engine/record.ts";
import { readRights } from "../engine/rights.ts";
import { parseBytes } from "../engine/units.ts";
import { readTmpfs, readVolume } from "../engine/volumes/volume_flag.ts";
import { ownCapabilities } from "../runtime/capabilities.ts";

/** What a container is made with. Each has the meaning of the flag of `mini run` in its description. */
export interface ContainerOptions {
  /** `--name`; a random one without. */
  readonly name?: string;
  /** `--env` */
  readonly env?: Readonly<Record<string, string>>;
  /** `--workdir`: an absolute path in the container. */
  readonly cwd?: string;
  /** `--user`: `NAME`, `UID`, `NAME:GROUP` … */
  readonly user?: string;
  /** `--hostname` */
  readonly hostname?: string;
  /** `--entrypoint`, with arguments of its own. */
  readonly entrypoint?: readonly string[];
  /** `--label` */
  readonly labels?: Readonly<Record<string, string>>;
  /** `--volume`: `NAME:/path`, `/host:/path:ro` … */
  readonly volumes?: readonly string[];
  /** `--tmpfs`: `/path:size=64m` … */
  readonly tmpfs?: readonly string[];
  /** `--read-only` */
  readonly readOnly?: boolean;
  /** `--network`: `none`, `host`, `container:NAME`, or networks. What it is without depends on mini's configuration. */
  readonly network?: string | readonly string[];
  /** `--publish`: `8080:80`, `127.0.0.1:8080:80/udp` … */
  readonly publish?: readonly string[];
  /** `--memory` in bytes, or as `64m`. */
  readonly memory?: number | string;
  /** `--cpus`: 1.5 is one and a half processors. */
  readonly cpus?: number;
  /** `--pids-limit` */
  readonly pidsLimit?: number;
  /** `--ulimit`: `nofile=1024:2048` … */
  readonly ulimits?: readonly string[];
  /** `--cap-add`, `--cap-drop` */
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  /** `--device` */
  readonly devices?: readonly string[];
  /** `--security-opt`: `seccomp=FILE`, `no-new-privileges=false` … */
  readonly securityOptions?: readonly string[];
  /** `--userns`: `auto`, `keep-id` … */
  readonly userns?: string;
  /** `--privileged` */
  readonly privileged?: boolean;
  /** `--init` */
  readonly init?: boolean;
  /** `--stop-signal` */
  readonly stopSignal?: string;
  /** Whether it is there after its end, for `mini ps -a`, `mini cp` and the like. Otherwise nothing is left of it. */
  readonly keep?: boolean;
}

/** @throws {MiniError} for what cannot be meant. */
export async function readContainerOptions(
  args: readonly string[],
  options: ContainerOptions,
  interactive: boolean,
): Promise<CreateOptions> {
  const { privileged = false, network } = options;
  if (options.name !== undefined) checkName(options.name);
  if (options.hostname) checkHostname(options.hostname);
  return {
    args,
    interactive,
    tty: false,
    autoRemove: !options.keep,
    name: options.name,
    env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    workingDir: options.cwd,
    user: options.user,
    groups: [],
    hostname: options.hostname,
    entrypoint: options.entrypoint,
    mounts: [...(options.volumes ?? []).map(readVolume), ...(options.tmpfs ?? []).map(readTmpfs)],
    volumesFrom: [],
    readonlyRootfs: options.readOnly ?? false,
    init: options.init ?? false,
    network: await readNetworks({
      networks: network === undefined ? [] : typeof network === "string" ? [network] : network,
      aliases: [],
      publish: options.publish ?? [],
      publishAll: false,
      expose: [],
    }),
    stopSignal: options.stopSignal,
    labels: options.labels ?? {},
    capabilities: readCapabilities(
      [...privileged ? ["ALL"] : [], ...options.capAdd ?? []],
      options.capDrop ?? [],
      ownCapabilities(),
    ),
    rights: readRights({ privileged, securityOptions: options.securityOptions ?? [], userns: options.userns }),
    rlimits: (options.ulimits ?? []).map(readUlimit),
    sysctl: {},
    shmBytes: 0,
    limits: readLimits(limitFlags(options)),
    devices: describeDevices((options.devices ?? []).map(readDevice), [], privileged),
    restart: NO_RESTART,
    // Its output is the program's own.
    log: { driver: "none", options: {} },
  };
}

/** The limits as flags, which are read and checked in one place. */
function limitFlags({ memory, cpus, pidsLimit }: ContainerOptions): LimitFlags {
  const numbers = new Map<string, number | undefined>([
    ["memory", typeof memory === "string" ? parseBytes(memory) : memory],
    ["cpus", cpus],
    ["pids-limit", pidsLimit],
  ]);
  return { boolean: () => false, string: () => undefined, list: () => [], number: (name) => numbers.get(name) };
}
