/** Changes the limits of a container that is there: `mini update`. */
import { MiniError } from "../ffi/errors.ts";
import type { Resources } from "../runtime/resources.ts";
import { checkLimits, limitResources, type Limits } from "./limits.ts";

/**
 * The limits after a change; 0 takes one away. What says the same in another way is replaced: --cpus by a quota, and the
 * other way round.
 *
 * @throws {MiniError} for what cannot be together with what stays.
 */
export function changeLimits(old: Limits, change: Limits): Limits {
  const stays = { ...old };
  if (change.nanoCpus !== undefined) {
    delete stays.cpuPeriod;
    delete stays.cpuQuota;
  }
  if (change.cpuPeriod || change.cpuQuota) delete stays.nanoCpus;
  // There is no way back to what the host chooses.
  if (change.blkioWeight === 0) throw new MiniError("--blkio-weight is from 10 to 1000");
  for (const [flag, list] of [["cpuset-cpus", change.cpusetCpus], ["cpuset-mems", change.cpusetMems]] as const) {
    if (list === "") throw new MiniError(`--${flag} is empty: it is a list such as 0-3 or 0,2`);
  }
  return checkLimits({ ...stays, ...change });
}

/**
 * What has to be written to get from one set of limits to another: all of the new ones, and no limit where there was one.
 *
 * @throws {MiniError} for a disk that is none.
 */
export function changedResources(old: Limits, next: Limits): Resources {
  const resources = limitResources(next), before = limitResources(old);
  if (before.memory?.limit !== undefined && resources.memory?.limit === undefined) {
    resources.memory = { ...resources.memory, limit: -1, swap: -1 };
  }
  if (before.memory?.reservation !== undefined && resources.memory?.reservation === undefined) {
    resources.unified = { "memory.low": "0" };
  }
  const { cpu } = before;
  if ((cpu?.quota ?? cpu?.period) !== undefined && (resources.cpu?.quota ?? resources.cpu?.period) === undefined) {
    resources.cpu = { ...resources.cpu, quota: -1, period: 100_000 };
  }
  if (cpu?.shares !== undefined && resources.cpu?.shares === undefined) {
    resources.cpu = { ...resources.cpu, shares: 1024 };
  }
  return resources;
}
