/** `mini container prune`. */

import { pruneContainers } from "../engine/container_usage.ts";
import { Containers } from "../engine/containers.ts";
import { emitPrune } from "../engine/events.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { parseFilters } from "./filter.ts";
import { humanSize } from "./human.ts";
import { containerPruneMatchers } from "./images_filters.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";

/** Removes containers that do not run. */
export default async function containerPrune({ flags, globals }: Invocation): Promise<number> {
  const matches = parseFilters(flags.list("filter"), containerPruneMatchers);
  if (!flags.boolean("force") && !confirm("This removes all containers that do not run.")) return 0;
  const containers = new Containers(globals.root, globals.state);
  await containers.sweepAll();
  const bytes = tellPrunedContainers(globals.state, await pruneContainers(containers, matches, noteDamage));
  write(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
  return 0;
}

/** Lists containers that were removed, and tells the event. Returns how many bytes they took. */
export function tellPrunedContainers(state: string, { ids, bytes }: { ids: string[]; bytes: number }): number {
  emitPrune(state, "container", bytes);
  if (ids.length > 0) write("Deleted Containers:\n" + ids.map((id) => `${id}\n`).join("") + "\n");
  return bytes;
}
