/** How a container that has no cgroup namespace of its own sees cgroups. */
import type { CgroupTree } from "./cgroup.ts";
import type { Spec } from "./spec.ts";

/**
 * The specification with the host's own tree in the place of new mounts of cgroup v2, where there is no cgroup namespace: a new
 * mount in the host's would give its options to the whole tree, and take `nsdelegate` away from all of the host.
 */
export function withHostCgroups(spec: Spec, tree: CgroupTree | undefined): Spec {
  const hasOwn = (spec.linux?.namespaces ?? []).some(({ type }) => type === "cgroup");
  if (hasOwn || !tree || !spec.mounts) return spec;
  const mounts = spec.mounts.map((mount) =>
    mount.type === "cgroup" || mount.type === "cgroup2"
      ? { ...mount, type: "bind", source: tree.root, options: ["rbind", ...mount.options ?? []] }
      : mount
  );
  return { ...spec, mounts };
}
