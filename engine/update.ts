/** Changes a container that is there: `mini update`. */
import { MiniError } from "../ffi/errors.ts";
import { cgroupTree } from "../runtime/cgroup.ts";
import { applyResources } from "../runtime/cgroup_apply.ts";
import { type Containers, type Found, writeFile } from "./containers.ts";
import { emitContainer } from "./events.ts";
import { limitResources, type Limits, optionalFiles } from "./limits.ts";
import { changedResources, changeLimits } from "./limits_update.ts";
import type { RestartPolicy } from "./record.ts";

/** What is to be different; what is not given stays. */
export interface Change {
  readonly limits: Limits;
  readonly restart?: RestartPolicy | undefined;
}

/**
 * Changes limits, at once if the container runs, and its restart policy.
 *
 * @throws {MiniError} for what cannot be: nothing is changed then.
 */
export function update(containers: Containers, found: Found, { limits, restart }: Change): void {
  const changed = containers.change(found.record.id, (record) => {
    if (restart && restart.name !== "no" && record.autoRemove) {
      throw new MiniError(`container ${record.name} is removed when it exits (--rm), so it cannot be restarted then`);
    }
    const old = record.config.limits ?? {}, next = changeLimits(old, limits);
    setLimits(found, old, next);
    const path = `${containers.folder(record.id)}/config.json`;
    const spec = containers.spec(record.id);
    const devices = spec.linux?.resources?.devices;
    spec.linux = { ...spec.linux, resources: { ...limitResources(next), ...devices ? { devices } : {} } };
    writeFile(path, JSON.stringify(spec));
    record.config.limits = next;
    if (restart) record.restart = restart;
  });
  emitContainer(containers.state, changed, "update");
}

function setLimits({ running }: Found, old: Limits, next: Limits): void {
  const tree = cgroupTree();
  if (!running?.cgroup || !tree) return;
  const path = running.cgroup.slice(tree.root.length);
  const set = (from: Limits, to: Limits) => applyResources(tree, path, changedResources(from, to), optionalFiles(to));
  try {
    set(old, next);
  } catch (error) {
    // All or nothing. That this fails as well says nothing that the first failure does not.
    try {
      set(next, old);
    } catch { /* told below */ }
    throw error;
  }
}
