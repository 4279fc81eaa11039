/** What tests of limits need of the host, and how they look at a container's cgroup. */
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import type { Context, Need } from "./harness.ts";

const tree = cgroupTree();

/** The tree of this host; tests have made sure that there is one. */
export const hostTree = tree!;

/** The need of cgroup v2, whatever it has. */
export const needsCgroup2: Need = tree ? undefined : "no cgroup v2 here";

/** The need of controllers that cgroup v2 has. */
export function needsControllers(...names: string[]): Need {
  if (!tree) return needsCgroup2;
  const there = controllers(tree), missing = names.filter((name) => !there.includes(name));
  return missing.length === 0 ? undefined : `cgroup v2 has no ${missing.join(" and no ")} controller here`;
}

/** The need of a host that has controllers with cgroup v1. */
export const needsHybrid: Need = tree?.hybrid && needsControllers("memory")
  ? undefined
  : "cgroup v2 has all controllers";

/** What a file of a container's cgroup says. */
export function cgroupFile({ root }: Context, name: string, file: string): string {
  const id = Deno.readLinkSync(`${root}/names/${name}`);
  return Deno.readTextFileSync(`${hostTree.root}/mini/${id}/${file}`).trim();
}
