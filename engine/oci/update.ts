/** `update`: other limits for a container that runs. */
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { cgroupTree } from "../../runtime/cgroup.ts";
import { applyResources } from "../../runtime/cgroup_apply.ts";
import type { Resources } from "../../runtime/resources.ts";
import type { OciContainers } from "./containers.ts";

/** Two sets of limits as one; what the second one says counts. */
export function mergeResources(old: Resources, change: Resources): Resources {
  const merged: Record<string, unknown> = { ...old };
  for (const [key, value] of Object.entries(change)) {
    const isObject = typeof value === "object" && !Array.isArray(value);
    merged[key] = isObject ? { ...merged[key] as object, ...value } : value;
  }
  return merged;
}

/**
 * Sets limits of a container. What it was given before is known still, since limits on memory and on swap go together.
 *
 * @throws {MiniError} when it has stopped, or for what cannot be set.
 */
export async function update(containers: OciContainers, id: string, change: Resources): Promise<void> {
  if (change.devices?.length) throw new MiniError("devices cannot be changed in a container that is there");
  const lock = containers.lock(id);
  try {
    const record = containers.read(id), status = containers.status(record), tree = cgroupTree();
    if (status === "stopped" || status === "creating") throw new MiniError(`container not running: ${id} is ${status}`);
    if (record.cgroup === undefined || !tree) {
      throw new MiniError(`${id} has no cgroup, since this host has no cgroup v2, and so no limits`);
    }
    const spec = await containers.spec(record);
    const next = mergeResources(spec.linux?.resources ?? {}, change);
    // Of memory all, of the rest what is asked for.
    const { memory } = change.memory ? next : {};
    applyResources(tree, record.cgroup.slice(tree.root.length), { ...change, ...memory ? { memory } : {} });
    containers.writeSpec(record, { ...spec, linux: { ...spec.linux, resources: next } });
  } finally {
    close(lock);
  }
}
