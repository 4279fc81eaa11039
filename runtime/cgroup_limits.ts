/**
 * From `linux.resources` of the specification to the files of a cgroup v2: pure, and the only place that knows how the two
 * count. Documentation/admin-guide/cgroup-v2.rst of the kernel.
 */
import { MiniError } from "../ffi/errors.ts";
import type { BlockIOResources, CpuResources, MemoryResources, Resources } from "./resources.ts";

/** A file of a cgroup and what is written to it. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
  /** What a person calls it, for messages: `the memory limit`. */
  readonly what: string;
  /** Written instead where there is no such file. */
  readonly otherwise?: { readonly file: string; readonly value: string };
  /** It only adds to another write: where there is no such file nothing is lost. */
  readonly extra?: true;
}

/** The kernel counts memory in pages of a long: from here on everything is without limit. */
const ENDLESS = 2 ** 63 - 4096;

const refuse = (sentence: string): never => {
  throw new MiniError(sentence);
};

/** A whole number of something, or `max` for -1. */
function amount(value: number, what: string): string {
  if (value === -1 || value >= ENDLESS) return "max";
  if (!Number.isFinite(value) || value < 0 || !Number.isInteger(value)) {
    refuse(`${what} cannot be ${value}: it is a whole number, or -1 for no limit`);
  }
  return BigInt(value).toString();
}

/** Whether a value asks for anything: nothing, 0 and (for memory of cgroup v1) -1 do not. */
const asks = (value: number | undefined) => value !== undefined && value !== 0 && value !== -1;

/**
 * The weight of cgroup v2 (1 to 10000, 100 by default) for the shares of cgroup v1 (2 to 262144, 1024 by default): the
 * quadratic curve, on both logarithms, through the smallest, the default and the largest value. runc 1.3.2, crun 1.23.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** The weight of io.weight (1 to 10000) for that of cgroup v1 and of io.bfq.weight (10 to 1000), in proportion. */
export const ioWeight = (weight: number): number => 1 + Math.floor((weight - 10) * 9999 / 990);

/** @throws {MiniError} for what cgroup v2 does not have and for what is no amount. */
export function cgroupWrites(resources: Resources): CgroupWrite[] {
  const { memory, cpu, pids, blockIO, hugepageLimits, network, rdma, unified } = resources;
  if (network?.classID || network?.priorities?.length) {
    refuse("linux.resources.network is of cgroup version 1, which mini does not use: mark packets by nftables instead");
  }
  return [
    ...memory ? memoryWrites(memory) : [],
    ...cpu ? cpuWrites(cpu) : [],
    ...pids?.limit === undefined ? [] : [{
      file: "pids.max",
      value: pids.limit <= 0 ? "max" : amount(pids.limit, "the limit on processes"),
      what: "the limit on processes",
    }],
    ...blockIO ? ioWrites(blockIO) : [],
    ...(hugepageLimits ?? []).flatMap(({ pageSize, limit }) => hugetlbWrites(pageSize, limit)),
    ...Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) => ({
      file: "rdma.max",
      value: `${device} hca_handle=${hcaHandles ?? "max"} hca_object=${hcaObjects ?? "max"}`,
      what: `the RDMA limit of ${device}`,
    })),
    ...Object.entries(unified ?? {}).flatMap(([file, text]) => unifiedWrites(file, text)),
  ];
}

function memoryWrites(memory: MemoryResources): CgroupWrite[] {
  const { limit, reservation, swap } = memory;
  if (asks(memory.kernel) || asks(memory.kernelTCP)) {
    refuse("a limit on kernel memory is of cgroup version 1: in version 2 the memory limit covers it");
  }
  if (memory.swappiness !== undefined && memory.swappiness !== -1) {
    refuse("swappiness is of cgroup version 1: version 2 has no setting of that kind for one container");
  }
  if (memory.disableOOMKiller) {
    refuse("the OOM killer cannot be turned off for one container: cgroup version 2 does not have that");
  }
  const writes: CgroupWrite[] = [];
  // 0 asks for nothing, as everywhere: cgroup v1 could not be given it either.
  if (swap !== undefined && swap !== 0) {
    writes.push({ file: "memory.swap.max", value: swapMax(swap, limit), what: "the limit on swap" });
  }
  if (limit !== undefined && limit !== 0) {
    writes.push({ file: "memory.max", value: amount(limit, "the memory limit"), what: "the memory limit" });
  }
  if (reservation !== undefined && reservation !== 0) {
    const value = amount(reservation, "the memory reservation");
    writes.push({ file: "memory.low", value, what: "the memory reservation" });
  }
  return writes;
}

/** Version 1 limits memory and swap together, version 2 swap alone. */
function swapMax(swap: number, limit: number | undefined): string {
  if (swap === -1) return "max";
  if (limit === undefined || limit <= 0) {
    return refuse("a limit on memory and swap together needs a memory limit as well");
  }
  if (swap < limit) {
    refuse(`the limit on memory and swap together (${swap} bytes) is below the memory limit (${limit} bytes)`);
  }
  return amount(swap - limit, "the limit on swap");
}

function cpuWrites(cpu: CpuResources): CgroupWrite[] {
  if (asks(cpu.realtimeRuntime) || asks(cpu.realtimePeriod)) {
    refuse("realtime periods are of cgroup version 1: version 2 does not have them");
  }
  const { shares, quota, period, burst, cpus, mems, idle } = cpu;
  const writes: CgroupWrite[] = [];
  // A group that is idle has no weight, and one that gets a weight has to be idle no more.
  if (idle !== undefined) writes.push({ file: "cpu.idle", value: amount(idle, "cpu.idle"), what: "cpu.idle" });
  if (shares) {
    writes.push({ file: "cpu.weight", value: `${cpuWeight(shares)}`, what: "the share of the processors" });
  }
  if (quota || period) {
    const most = quota && quota > 0 ? amount(quota, "the processor quota") : "max";
    const value = period ? `${most} ${amount(period, "the processor period")}` : most;
    writes.push({ file: "cpu.max", value, what: "the limit on processor time" });
  }
  if (burst !== undefined) {
    writes.push({ file: "cpu.max.burst", value: amount(burst, "the processor burst"), what: "the processor burst" });
  }
  if (cpus) writes.push({ file: "cpuset.cpus", value: cpus, what: "the choice of processors" });
  if (mems) writes.push({ file: "cpuset.mems", value: mems, what: "the choice of memory nodes" });
  return writes;
}

function ioWrites(io: BlockIOResources): CgroupWrite[] {
  if (asks(io.leafWeight) || io.weightDevice?.some((d) => asks(d.leafWeight))) {
    refuse("leafWeight is of cgroup version 1: version 2 does not have it");
  }
  const what = "the weight on disks";
  const weight = (value: number, device: string): CgroupWrite => {
    if (!Number.isInteger(value) || value < 10 || value > 1000) refuse(`${what} is 10 to 1000, and ${value} is not`);
    const otherwise = { file: "io.weight", value: `${device}${ioWeight(value)}` };
    return { file: "io.bfq.weight", value: `${device}${value}`, what, otherwise };
  };
  const writes = io.weight ? [weight(io.weight, "")] : [];
  for (const d of io.weightDevice ?? []) if (d.weight) writes.push(weight(d.weight, `${d.major}:${d.minor} `));
  // All of one disk in one line.
  const byDisk = new Map<string, string>();
  const throttles = [
    ["rbps", io.throttleReadBpsDevice],
    ["wbps", io.throttleWriteBpsDevice],
    ["riops", io.throttleReadIOPSDevice],
    ["wiops", io.throttleWriteIOPSDevice],
  ] as const;
  for (const [key, devices] of throttles) {
    for (const { major, minor, rate } of devices ?? []) {
      const disk = `${major}:${minor}`, value = rate === 0 ? "max" : amount(rate, "a disk's rate");
      byDisk.set(disk, `${byDisk.get(disk) ?? disk} ${key}=${value}`);
    }
  }
  for (const [disk, value] of byDisk) writes.push({ file: "io.max", value, what: `the rate of disk ${disk}` });
  return writes;
}

function hugetlbWrites(pageSize: string, limit: number): CgroupWrite[] {
  if (!/^[1-9]\d*(KB|MB|GB)$/.test(pageSize)) {
    refuse(`${JSON.stringify(pageSize)} is not a size of huge pages, such as 2MB or 1GB`);
  }
  const what = `the limit on huge pages of ${pageSize}`, value = amount(limit, what);
  return [
    { file: `hugetlb.${pageSize}.max`, value, what },
    // Reserved and not used yet: without this a program learns of the limit by SIGBUS. Linux 5.7
    { file: `hugetlb.${pageSize}.rsvd.max`, value, what, extra: true },
  ];
}

/** A file of several lines takes one line with each write. */
function unifiedWrites(file: string, text: string): CgroupWrite[] {
  if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file)) {
    refuse(`linux.resources.unified: ${JSON.stringify(file)} is not the name of a cgroup's file, such as memory.high`);
  }
  if (file.startsWith("cgroup.")) refuse(`linux.resources.unified: ${file} is no limit, and mini's own to set`);
  return text.split("\n").filter(Boolean).map((value) => ({ file, value, what: file }));
}
