/**
 * What a container may use, as a person says it: read from flags here and nowhere else, checked, and turned into
 * `linux.resources` of the OCI specification.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Resources, ThrottleDevice } from "../runtime/resources.ts";
import { diskNumbers } from "./disks.ts";
import { parseBytes } from "./units.ts";

/** A number for one disk of the host. */
export interface DiskNumber {
  /** `/dev/sda` */
  readonly path: string;
  readonly value: number;
}

/** The limits that were asked for; what is not there was not. Bytes, and counts as Docker has them. */
export interface Limits {
  memory?: number;
  memoryReservation?: number;
  /** Memory and swap together; -1 is without limit. */
  memorySwap?: number;
  oomScoreAdj?: number;
  /** Thousand millions are one processor. */
  nanoCpus?: number;
  /** Microseconds. */
  cpuPeriod?: number;
  cpuQuota?: number;
  cpuShares?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  /** -1 is without limit; without one there is a default. */
  pidsLimit?: number;
  blkioWeight?: number;
  blkioWeightDevice?: DiskNumber[];
  deviceReadBps?: DiskNumber[];
  deviceWriteBps?: DiskNumber[];
  deviceReadIOps?: DiskNumber[];
  deviceWriteIOps?: DiskNumber[];
  cgroupParent?: string;
  /** It sees all cgroups of the host, not only its own. */
  cgroupns?: "host";
}

/** How many processes a container may have that nobody has said anything about. */
export const DEFAULT_PIDS_LIMIT = 2048;

/** The flags of a command line; `FlagValues` of the command line is one. */
export interface LimitFlags {
  boolean(name: string): boolean;
  string(name: string): string | undefined;
  list(name: string): readonly string[];
  number(name: string): number | undefined;
}

const refuse = (sentence: string): never => {
  throw new MiniError(sentence);
};

/** Sets what has a value. */
function some<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

/** `-1` or a size. */
function swapBytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "-1") return -1;
  try {
    return parseBytes(text);
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
    return refuse(`--memory-swap: ${error.message}, and not -1 for no limit`);
  }
}

/**
 * The limits that can also be changed while a container runs, unchecked: what was given alone, and 0 where that was.
 *
 * @throws {MiniError} for one of cgroup v1.
 */
export function readChangeable(flags: LimitFlags): Limits {
  if (flags.number("kernel-memory")) {
    refuse("--kernel-memory is of cgroup version 1: in version 2 --memory covers the kernel's memory as well");
  }
  const cpus = flags.number("cpus");
  return some({
    memory: flags.number("memory"),
    memoryReservation: flags.number("memory-reservation"),
    memorySwap: swapBytes(flags.string("memory-swap")),
    nanoCpus: cpus === undefined ? undefined : Math.round(cpus * 1e9),
    cpuPeriod: flags.number("cpu-period"),
    cpuQuota: flags.number("cpu-quota"),
    cpuShares: flags.number("cpu-shares"),
    cpusetCpus: flags.string("cpuset-cpus"),
    cpusetMems: flags.string("cpuset-mems"),
    pidsLimit: flags.number("pids-limit"),
    blkioWeight: flags.number("blkio-weight"),
  });
}

/** @throws {MiniError} for what is no limit, or none of cgroup v2. */
export function readLimits(flags: LimitFlags): Limits {
  if ((flags.number("memory-swappiness") ?? -1) !== -1) {
    refuse("--memory-swappiness is of cgroup version 1: version 2 has no setting of that kind for one container");
  }
  if (flags.boolean("oom-kill-disable")) {
    refuse("--oom-kill-disable is of cgroup version 1: in version 2 the OOM killer cannot be turned off");
  }
  const disks = (flag: string, read: (text: string) => number) => {
    const list = flags.list(flag).map((text) => diskNumber(flag, text, read));
    return list.length > 0 ? list : undefined;
  };
  const count = (text: string) => /^\d{1,15}$/.test(text) ? Number(text) : refuse(`'${text}' is not a whole number`);
  const weight = (text: string) => {
    const value = count(text);
    return value >= 10 && value <= 1000 ? value : refuse(`'${text}' is not from 10 to 1000`);
  };
  return checkLimits(some({
    ...readChangeable(flags),
    oomScoreAdj: flags.number("oom-score-adj"),
    blkioWeightDevice: disks("blkio-weight-device", weight),
    deviceReadBps: disks("device-read-bps", parseBytes),
    deviceWriteBps: disks("device-write-bps", parseBytes),
    deviceReadIOps: disks("device-read-iops", count),
    deviceWriteIOps: disks("device-write-iops", count),
    cgroupParent: flags.string("cgroup-parent") || undefined,
    cgroupns: flags.string("cgroupns") === "host" ? "host" as const : undefined,
  }));
}

/** `/dev/sda:VALUE` */
function diskNumber(flag: string, text: string, read: (text: string) => number): DiskNumber {
  const colon = text.lastIndexOf(":"), path = text.slice(0, colon);
  if (colon < 0 || !path.startsWith("/dev/")) {
    refuse(`--${flag} ${JSON.stringify(text)} is not DISK:VALUE, as /dev/sda:${flag.endsWith("bps") ? "1mb" : "100"}`);
  }
  try {
    return { path, value: read(text.slice(colon + 1)) };
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
    return refuse(`--${flag} ${JSON.stringify(text)}: ${error.message}`);
  }
}

const MIB = 2 ** 20;
/** A program needs some memory to be started at all. */
const LEAST_MEMORY = 6 * MIB;
const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/**
 * What cannot be together or be at all, in whatever way the limits came; what asks for nothing is taken out.
 *
 * @throws {MiniError}
 */
export function checkLimits(given: Limits): Limits {
  const limits: Limits = { ...given };
  for (const key of Object.keys(limits) as (keyof Limits)[]) {
    if (key !== "oomScoreAdj" && (limits[key] === 0 || limits[key] === "")) delete limits[key];
  }
  const { memory, memoryReservation, memorySwap, nanoCpus, cpuPeriod, cpuQuota, cpuShares, pidsLimit } = limits;
  if (memory !== undefined && memory < LEAST_MEMORY) {
    refuse(`--memory of ${memory} bytes is too little to run anything: give at least 6m`);
  }
  if (memoryReservation !== undefined && memory !== undefined && memoryReservation > memory) {
    refuse("--memory-reservation is above --memory: what is kept for a container is a part of what it may use");
  }
  if (memorySwap !== undefined && memorySwap !== -1) {
    if (memory === undefined) refuse("--memory-swap is memory and swap together, so it needs --memory as well");
    else if (memorySwap < memory) {
      refuse("--memory-swap is below --memory: it is memory and swap together; the same value means no swap");
    }
  }
  if (nanoCpus !== undefined && (cpuPeriod !== undefined || cpuQuota !== undefined)) {
    refuse("--cpus sets a period and a quota itself: leave out --cpu-period and --cpu-quota, or --cpus");
  }
  const there = navigator.hardwareConcurrency;
  if (nanoCpus !== undefined && (nanoCpus < 1e7 || nanoCpus > there * 1e9)) {
    refuse(`--cpus ${nanoCpus / 1e9}: it is from 0.01 to ${there}, since this host has ${there} processors`);
  }
  if (cpuPeriod !== undefined && (cpuPeriod < 1000 || cpuPeriod > 1_000_000)) {
    refuse(`--cpu-period ${cpuPeriod}: it is from 1000 to 1000000 microseconds`);
  }
  if (cpuQuota !== undefined && cpuQuota !== -1 && cpuQuota < 1000) {
    refuse(`--cpu-quota ${cpuQuota}: it is at least 1000 microseconds, or -1 for no limit`);
  }
  if (cpuShares !== undefined && (cpuShares < 2 || cpuShares > 262144)) {
    refuse(`--cpu-shares ${cpuShares}: it is from 2 to 262144`);
  }
  for (const [flag, list] of [["cpuset-cpus", limits.cpusetCpus], ["cpuset-mems", limits.cpusetMems]] as const) {
    if (list !== undefined && !CPU_LIST.test(list)) {
      refuse(`--${flag} ${JSON.stringify(list)} is not a list such as 0-3 or 0,2`);
    }
  }
  if (limits.blkioWeight !== undefined && (limits.blkioWeight < 10 || limits.blkioWeight > 1000)) {
    refuse(`--blkio-weight ${limits.blkioWeight}: it is from 10 to 1000`);
  }
  if (pidsLimit !== undefined && pidsLimit < 0) limits.pidsLimit = -1;
  // 0 is what it is without one, and for processes it means as many as they like, which is not the default.
  if (given.pidsLimit === 0) limits.pidsLimit = -1;
  if (limits.cgroupParent !== undefined) checkParent(limits.cgroupParent);
  return limits;
}

function checkParent(parent: string): void {
  const bad = parent.includes("\0") || parent.includes("\n") || parent.split("/").some((name) => name === "..");
  if (bad || parent.split("/").every((name) => name === "" || name === ".")) {
    refuse(`--cgroup-parent ${JSON.stringify(parent)} is not the path of a cgroup, such as /batch or batch.slice`);
  }
}

/** Files whose value is a default of ours: where the kernel does not have them the container runs without. */
export function optionalFiles(limits: Limits): string[] {
  return [
    ...limits.pidsLimit === undefined ? ["pids.max"] : [],
    ...limits.memorySwap === undefined ? ["memory.swap.max"] : [],
  ];
}

const CPU_PERIOD = 100_000;

/**
 * The limits as the specification has them, without devices.
 *
 * @throws {MiniError} for a disk that is none.
 */
export function limitResources(limits: Limits): Resources {
  const { memory, memorySwap, nanoCpus, blkioWeight, pidsLimit } = limits;
  const memoryResources = some({
    limit: memory,
    reservation: limits.memoryReservation,
    // As much swap as memory, where nothing else is said.
    swap: memorySwap ?? (memory === undefined ? undefined : 2 * memory),
  });
  const cpu = some({
    shares: limits.cpuShares,
    period: nanoCpus === undefined ? limits.cpuPeriod : CPU_PERIOD,
    quota: nanoCpus === undefined ? limits.cpuQuota : Math.round(nanoCpus * CPU_PERIOD / 1e9),
    cpus: limits.cpusetCpus,
    mems: limits.cpusetMems,
  });
  const rates = (list: DiskNumber[] | undefined): ThrottleDevice[] | undefined =>
    list?.map(({ path, value }) => ({ ...diskNumbers(path), rate: value }));
  const blockIO = some({
    weight: blkioWeight,
    weightDevice: limits.blkioWeightDevice?.map(({ path, value }) => ({ ...diskNumbers(path), weight: value })),
    throttleReadBpsDevice: rates(limits.deviceReadBps),
    throttleWriteBpsDevice: rates(limits.deviceWriteBps),
    throttleReadIOPSDevice: rates(limits.deviceReadIOps),
    throttleWriteIOPSDevice: rates(limits.deviceWriteIOps),
  });
  const isEmpty = (part: object) => Object.keys(part).length === 0;
  return {
    pids: { limit: pidsLimit ?? DEFAULT_PIDS_LIMIT },
    ...isEmpty(memoryResources) ? {} : { memory: memoryResources },
    ...isEmpty(cpu) ? {} : { cpu },
    ...isEmpty(blockIO) ? {} : { blockIO },
  };
}
