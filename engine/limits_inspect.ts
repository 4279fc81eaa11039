/** Limits and devices as `docker inspect` shows them in HostConfig. */
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import type { DeviceRule } from "../runtime/resources.ts";
import type { Linux } from "../runtime/spec.ts";
import type { DiskNumber } from "./limits.ts";
import type { ContainerConfig } from "./record.ts";

const rates = (list: DiskNumber[] | undefined) => (list ?? []).map(({ path, value }) => ({ Path: path, Rate: value }));

/** `c 10:200 rwm`, as it is given on the command line. */
const showRule = ({ type = "a", major, minor, access = "rwm" }: DeviceRule) =>
  `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;

/** Whether the default limit on processes is set on this host. */
function hasPids(): boolean {
  const tree = cgroupTree();
  return tree !== undefined && controllers(tree).includes("pids");
}

/** The fields of HostConfig that are about what a container may use. */
export function limitsHostConfig(
  { limits = {}, devices = [], deviceRules = [] }: Pick<ContainerConfig, "limits" | "devices" | "deviceRules">,
  { resources }: Linux,
): Record<string, unknown> {
  const { memory = 0, memorySwap } = limits;
  const swap = memorySwap ?? 2 * memory;
  return {
    CgroupParent: limits.cgroupParent ?? "",
    CgroupnsMode: limits.cgroupns ?? "private",
    OomScoreAdj: limits.oomScoreAdj ?? 0,
    CpuShares: limits.cpuShares ?? 0,
    Memory: memory,
    NanoCpus: limits.nanoCpus ?? 0,
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: (limits.blkioWeightDevice ?? []).map(({ path, value }) => ({ Path: path, Weight: value })),
    BlkioDeviceReadBps: rates(limits.deviceReadBps),
    BlkioDeviceWriteBps: rates(limits.deviceWriteBps),
    BlkioDeviceReadIOps: rates(limits.deviceReadIOps),
    BlkioDeviceWriteIOps: rates(limits.deviceWriteIOps),
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    Devices: devices.map(({ host, container, access }) => ({
      PathOnHost: host,
      PathInContainer: container,
      CgroupPermissions: access,
    })),
    DeviceCgroupRules: deviceRules.map(showRule),
    MemoryReservation: limits.memoryReservation ?? 0,
    MemorySwap: swap,
    MemorySwappiness: null,
    OomKillDisable: null,
    PidsLimit: limits.pidsLimit ?? (hasPids() ? resources?.pids?.limit : undefined) ?? null,
  };
}
