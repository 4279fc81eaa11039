/** The fields of a container in `mini ps` that take longer to find out than all others together. */
import { type ContainerSize, ContainerSizes } from "../engine/container_size.ts";
import type { Containers, Found } from "../engine/containers.ts";
import { mountPoints } from "../engine/mounts.ts";
import type { Row } from "./format.ts";
import { humanSize } from "./human.ts";
import { shorten } from "./output.ts";

/** Characters of a mount's name that are shown, as in Docker. */
const MOUNT_WIDTH = 15;

/** Finds the details of containers one after the other. */
export function detailsOf(containers: Containers, whole: boolean, withSize: boolean): (found: Found) => Row {
  const sizes = new ContainerSizes(containers);
  return ({ record }) => {
    const mounts = mountPoints(containers, record);
    const names = mounts.map(({ Name, Source, Destination }) => Name ?? (Source || Destination));
    return {
      Mounts: names.map((name) => whole ? name : shorten(name, MOUNT_WIDTH)).join(","),
      LocalVolumes: String(mounts.filter(({ Type }) => Type === "volume").length),
      ...withSize ? { Size: describe(sizes.of(record)) } : {},
    };
  };
}

const describe = ({ written, virtual }: ContainerSize) => `${humanSize(written)} (virtual ${humanSize(virtual)})`;
