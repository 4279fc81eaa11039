/** What is mounted into a container, as Docker shows it: what its record says. */
import type { Spec } from "../runtime/spec.ts";
import type { Containers } from "./containers.ts";
import type { ContainerRecord } from "./record.ts";
import type { DecidedMount } from "./volumes/types.ts";

/** A mount as Docker shows it, in `Mounts` of `inspect`. */
export interface MountPoint {
  readonly Type: "bind" | "volume" | "tmpfs";
  /** Of a volume. */
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

const PROPAGATION = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/** A container's specification; undefined when the container has been removed meanwhile. */
export const specOf = (containers: Containers, { id }: Pick<ContainerRecord, "id">): Spec | undefined =>
  containers.findSpec(id);

const propagationOf = ({ options }: DecidedMount) => options.find((option) => PROPAGATION.includes(option));

/** The mounts that its user, its image or another container asked for; what every container has is left out. */
export function mountPoints({ root }: Pick<Containers, "root">, { mounts = [] }: ContainerRecord): MountPoint[] {
  return mounts.map((mount): MountPoint => {
    const { type, name, destination, driver } = mount;
    const common = { Destination: destination, Mode: mount.mode ?? "", RW: !mount.readonly };
    switch (type) {
      case "bind":
        return { Type: type, Source: mount.source!, ...common, Propagation: propagationOf(mount) ?? "rprivate" };
      case "tmpfs":
        return { Type: type, Source: "", ...common, Mode: "", Propagation: "" };
      case "volume": {
        const Source = `${root}/volumes/${name}/data`;
        return { Type: type, Name: name!, Source, ...common, Driver: driver ?? "local", Propagation: "" };
      }
    }
  });
}

/** The same as they were asked for, in `HostConfig` of `inspect`; null where Docker has null. */
export function hostMounts({ mounts = [], volumesFrom }: ContainerRecord): Record<string, unknown> {
  const by = (flag: DecidedMount["by"]) => mounts.filter((mount) => mount.by === flag);
  const binds = by("volume").filter(({ anonymous }) => !anonymous);
  const byMount = by("mount"), byTmpfs = by("tmpfs");
  return {
    Binds: binds.length === 0
      ? null
      : binds.map(({ source, name, destination, mode }) =>
        [source ?? name, destination, ...mode ? [mode] : []].join(":")
      ),
    VolumesFrom: volumesFrom ?? null,
    ...byMount.length === 0 ? {} : { Mounts: byMount.map(describeMount) },
    Tmpfs: Object.fromEntries(byTmpfs.map(({ destination, mode = "" }) => [destination, mode])),
  };
}

/** One of `--mount`, with the fields of Docker's API. */
function describeMount(mount: DecidedMount): Record<string, unknown> {
  const { type, destination, readonly, options } = mount, propagation = propagationOf(mount);
  const source = mount.source ?? (mount.anonymous ? undefined : mount.name);
  const value = (key: string) => options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1);
  const bind = {
    ...propagation ? { Propagation: propagation } : {},
    ...options.includes("bind") ? { NonRecursive: true } : {},
    ...mount.writableBelow ? { ReadOnlyNonRecursive: true } : {},
    ...mount.createSource ? { CreateMountpoint: true } : {},
  };
  const driver = {
    ...mount.driver ? { Name: mount.driver } : {},
    ...mount.driverOptions ? { Options: mount.driverOptions } : {},
  };
  const volume = {
    ...mount.noCopy ? { NoCopy: true } : {},
    ...mount.labels ? { Labels: mount.labels } : {},
    ...mount.subpath ? { Subpath: mount.subpath } : {},
    ...Object.keys(driver).length > 0 ? { DriverConfig: driver } : {},
  };
  const size = value("size"), mode = value("mode");
  const tmpfs = {
    ...size === undefined ? {} : { SizeBytes: Number(size) },
    ...mode === undefined ? {} : { Mode: parseInt(mode, 8) },
  };
  const [key, own] = type === "bind"
    ? ["BindOptions", bind] as const
    : type === "volume"
    ? ["VolumeOptions", volume] as const
    : ["TmpfsOptions", tmpfs] as const;
  return {
    Type: type,
    ...source === undefined ? {} : { Source: source },
    Target: destination,
    ...readonly ? { ReadOnly: true } : {},
    ...Object.keys(own).length > 0 ? { [key]: own } : {},
  };
}

/** The places of volumes without a name, in `Config.Volumes` of `inspect`. */
export function configVolumes({ mounts = [] }: ContainerRecord): Record<string, Record<string, never>> | null {
  const places = mounts.filter(({ anonymous, by }) => anonymous && (by === "volume" || by === "image"));
  return places.length === 0 ? null : Object.fromEntries(places.map(({ destination }) => [destination, {}]));
}
