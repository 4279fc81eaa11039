/** A container's cgroup with its limits, before anything runs in it. */
import { close } from "../ffi/kernel.ts";
import { type Cgroup, type CgroupTree, makeCgroup } from "./cgroup.ts";
import { applyResources } from "./cgroup_apply.ts";
import { limitDevices } from "./device_limits.ts";
import type { DeviceRule } from "./resources.ts";
import type { Device, Linux } from "./spec.ts";

/** The cgroup that all of ours are in, unless another parent is asked for. */
export const MINI_CGROUP = "/mini";

/** The container's own program makes the nodes that it is given: that is allowed, whatever else may be done with them. */
function mayBeMade({ type, major, minor }: Device): DeviceRule[] {
  if (type === "p" || major === undefined || minor === undefined) return [];
  return [{ allow: true, type: type === "b" ? "b" : "c", major, minor, access: "m" }];
}

/**
 * Makes a cgroup and limits it to `linux.resources`. Without rules about devices those that every container has are all that
 * may be used.
 *
 * @param optional files that are not written where their controller cannot be had: `pids.max` of a default.
 * @throws {MiniError} for what cannot be made or set; there is no cgroup then.
 */
export function makeLimitedCgroup(
  tree: CgroupTree,
  path: string,
  limits: Pick<Linux, "resources" | "devices">,
  optional: readonly string[] = [],
): Cgroup {
  const cgroup = makeCgroup(tree, path);
  try {
    const shared = path.startsWith(`${MINI_CGROUP}/`) ? `${tree.root}${MINI_CGROUP}` : undefined;
    limitCgroup(tree, path, cgroup, limits, optional, shared);
    return cgroup;
  } catch (error) {
    close(cgroup.fd);
    // Nothing has ever been in it.
    Deno.removeSync(cgroup.path);
    throw error;
  }
}

/**
 * Limits a cgroup that is there, as `makeLimitedCgroup` does.
 *
 * @param shared see `limitDevices`. @throws {MiniError} for what cannot be set.
 */
export function limitCgroup(
  tree: CgroupTree,
  path: string,
  cgroup: Cgroup,
  { resources = {}, devices = [] }: Pick<Linux, "resources" | "devices">,
  optional: readonly string[],
  shared: string | undefined,
): void {
  applyResources(tree, path, resources, optional);
  limitDevices(cgroup.fd, [...resources.devices ?? [], ...devices.flatMap(mayBeMade)], shared);
}
