/** `HostConfig` of `docker inspect`: what a container was made with, of all that is about its host. */
import { DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import type { IdMapping, Spec } from "../runtime/spec.ts";
import { limitsHostConfig } from "./limits_inspect.ts";
import { hostMounts } from "./mounts.ts";
import { portBindings } from "./network_inspect.ts";
import type { ContainerRecord } from "./record.ts";

/** The fields as Docker's API has them; those that mean nothing here say so as Docker's do, with `null`, `""` or `[]`. */
export function hostConfig(
  record: ContainerRecord,
  spec: Spec,
): Record<string, unknown> {
  const { config, autoRemove, restart, log, idMaps } = record, { linux = {}, process } = spec;
  const given = process.capabilities?.bounding ?? [];
  return {
    ...hostMounts(record),
    ContainerIDFile: "",
    LogConfig: { Type: log.driver, Config: log.options },
    NetworkMode: config.network,
    PortBindings: portBindings(config.publish),
    PublishAllPorts: config.publishAll ?? false,
    RestartPolicy: { Name: restart.name, MaximumRetryCount: restart.maximumRetryCount },
    AutoRemove: autoRemove,
    VolumeDriver: "",
    CapAdd: config.privileged ? null : orNull(given.filter((name) => !DEFAULT_CAPABILITIES.includes(name))),
    CapDrop: orNull(DEFAULT_CAPABILITIES.filter((name) => !given.includes(name))),
    IpcMode: config.ipc ?? "private",
    PidMode: config.pid ?? "",
    Privileged: config.privileged ?? false,
    ReadonlyRootfs: config.readonlyRootfs,
    SecurityOpt: orNull(config.securityOptions ?? []),
    UTSMode: config.uts ?? "",
    UsernsMode: config.userns ?? "",
    ...idMaps ? { IDMappings: { UidMap: idMap(idMaps.uidMappings), GidMap: idMap(idMaps.gidMappings) } } : {},
    ShmSize: shmBytes(spec),
    Sysctls: linux.sysctl ?? {},
    Runtime: "mini",
    Isolation: "",
    ...limitsHostConfig(config, linux),
    Ulimits: (process.rlimits ?? []).map(({ type, soft, hard }) => ({
      Name: type.replace(/^RLIMIT_/, "").toLowerCase(),
      Hard: hard,
      Soft: soft,
    })),
    MaskedPaths: linux.maskedPaths ?? [],
    ReadonlyPaths: linux.readonlyPaths ?? [],
    Init: config.init,
  };
}

/** As podman writes them: the container's first id, the host's, how many. */
const idMap = (mappings: readonly IdMapping[]) =>
  mappings.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`);

const orNull = (list: readonly string[]) => list.length > 0 ? list : null;

/** The size of /dev/shm; 0 where it is not the container's own. */
function shmBytes({ mounts = [] }: Spec): number {
  const shm = mounts.find(({ destination, type }) => destination === "/dev/shm" && type === "tmpfs");
  const size = shm?.options?.find((option) => option.startsWith("size="))?.slice(5);
  return Number(size ?? 0);
}
