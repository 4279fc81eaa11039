/** Where mini's cgroups are in the host's tree. */
import { MINI_CGROUP } from "../runtime/cgroup_setup.ts";

/** That of shims and of the monitor: whatever ends the session that started a container must not end them. */
export const OWN_CGROUP = `${MINI_CGROUP}/runtime`;

/**
 * The cgroup of a container, in the host's tree. A parent is a path from the tree's root, or the name of a slice as systemd
 * has them: `a-b.slice` is in `a.slice`. systemd.slice(5)
 */
export function cgroupPathBelow(parent: string | undefined, id: string): string {
  if (parent === undefined) return `${MINI_CGROUP}/${id}`;
  const names = parent.split("/").filter((name) => name !== "" && name !== ".");
  const last = names[0]!;
  if (names.length === 1 && last.endsWith(".slice") && last !== "-.slice" && !parent.startsWith("/")) {
    const parts = last.slice(0, -".slice".length).split("-");
    return `/${parts.map((_, i) => `${parts.slice(0, i + 1).join("-")}.slice`).join("/")}/${id}`;
  }
  return `/${[...names.filter((name) => name !== "-.slice"), id].join("/")}`;
}
