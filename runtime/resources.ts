/**
 * `linux.resources` of the OCI runtime specification: what a container may use, and which devices it may open.
 *
 * https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#control-groups
 */

/** What of memory; bytes, -1 is without limit. */
export interface MemoryResources {
  limit?: number;
  /** What it keeps when memory is short. */
  reservation?: number;
  /** Memory and swap together. */
  swap?: number;
  /** Of cgroup v1 alone, as are the next three. */
  kernel?: number;
  kernelTCP?: number;
  swappiness?: number;
  disableOOMKiller?: boolean;
  /** Version 2 knows nothing else. */
  useHierarchy?: boolean;
  /** Refuse a limit below what is used already, instead of having something killed. */
  checkBeforeUpdate?: boolean;
}

/** What of the processors. */
export interface CpuResources {
  /** As cgroup v1 counts, 2 to 262144, 1024 by default. */
  shares?: number;
  /** Microseconds of each period; -1 is without limit. */
  quota?: number;
  /** Microseconds that may be saved up from periods that were not used. */
  burst?: number;
  /** Microseconds. */
  period?: number;
  /** Of cgroup v1 alone, as is the next one. */
  realtimeRuntime?: number;
  realtimePeriod?: number;
  /** A list such as `0-3,7`. */
  cpus?: string;
  mems?: string;
  /** 1: runs only when nothing else wants to. */
  idle?: number;
}

/** A rate for one disk: bytes or operations in a second. */
export interface ThrottleDevice {
  major: number;
  minor: number;
  rate: number;
}

/** What of disks. */
export interface BlockIOResources {
  /** As cgroup v1 counts: 10 to 1000. */
  weight?: number;
  /** Of cgroup v1 alone. */
  leafWeight?: number;
  weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[];
  throttleReadBpsDevice?: ThrottleDevice[];
  throttleWriteBpsDevice?: ThrottleDevice[];
  throttleReadIOPSDevice?: ThrottleDevice[];
  throttleWriteIOPSDevice?: ThrottleDevice[];
}

/** Devices that may be used, or may not; of all rules that fit a device, the last one counts. */
export interface DeviceRule {
  allow: boolean;
  /** c: character, b: block, a or nothing: both. */
  type?: "a" | "b" | "c";
  /** Without it, or -1: any. */
  major?: number;
  minor?: number;
  /** Of `r`ead, `w`rite, `m`knod; without it all three. */
  access?: string;
}

export interface Resources {
  devices?: DeviceRule[];
  memory?: MemoryResources;
  cpu?: CpuResources;
  /** 0 and -1 are without limit. */
  pids?: { limit?: number };
  blockIO?: BlockIOResources;
  hugepageLimits?: { pageSize: string; limit: number }[];
  /** Of cgroup v1 alone. */
  network?: { classID?: number; priorities?: { name: string; priority: number }[] };
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>;
  /** Files of the cgroup and what is written to them, after all else. */
  unified?: Record<string, string>;
}
