/** What is mounted into a container from outside: folders of the host, and volumes. */
import type { Mount, Spec } from "../runtime/spec.ts";
import type { Containers } from "./containers.ts";
import type { ContainerRecord } from "./record.ts";

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
export function specOf(containers: Containers, { id }: Pick<ContainerRecord, "id">): Spec | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(`${containers.folder(id)}/config.json`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The mounts that its user asked for, in the order in which they are made; what every container has is left out. */
export function mountPoints(
  containers: Containers,
  { id }: Pick<ContainerRecord, "id">,
  spec: Spec | undefined = specOf(containers, { id }),
): MountPoint[] {
  const own = `${containers.folder(id)}/`;
  const isAskedFor = ({ type, source, destination }: Mount) =>
    (type === "bind" && source !== undefined && !source.startsWith(own)) ||
    (type === "tmpfs" && !["/dev", "/dev/shm"].includes(destination));
  return (spec?.mounts ?? []).filter(isAskedFor).map((mount) => mountPoint(containers.root, mount));
}

function mountPoint(root: string, { type, source = "", destination, options = [] }: Mount): MountPoint {
  const common = { Destination: destination, RW: !options.includes("ro") };
  const Propagation = options.find((option) => PROPAGATION.includes(option)) ?? (type === "bind" ? "rprivate" : "");
  if (type === "tmpfs") return { Type: "tmpfs", Source: "", ...common, Mode: "", Propagation };
  const name = volumeName(root, source);
  const Mode = options.filter((option) => !/^r?bind$/.test(option)).join(",");
  if (name === undefined) return { Type: "bind", Source: source, ...common, Mode, Propagation };
  return { Type: "volume", Name: name, Source: source, ...common, Driver: "local", Mode, Propagation: "" };
}

/** The volume that a folder is: `ROOT/volumes/NAME/_data`. */
function volumeName(root: string, source: string): string | undefined {
  const prefix = `${root}/volumes/`;
  if (!source.startsWith(prefix)) return undefined;
  return /^([^/]+)\/_data$/.exec(source.slice(prefix.length))?.[1];
}
