/** `mini volume prune`. */
import { Containers } from "../engine/containers.ts";
import { emitPrune } from "../engine/events.ts";
import { pruneVolumes } from "../engine/volumes/remove.ts";
import type { Volume } from "../engine/volumes/types.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { type Filter, parseFilters } from "./filter.ts";
import { humanSize } from "./human.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";
import { volumePruneMatchers } from "./volume_filters.ts";

/** Removes volumes that no container uses: those that were made without a name, or all. */
export default async function volumePrune({ flags, globals }: Invocation): Promise<number> {
  const all = flags.boolean("all"), filter = parseFilters(flags.list("filter"), volumePruneMatchers);
  const what = all ? "all volumes that no container uses" : "all volumes without a name that no container uses";
  if (!flags.boolean("force") && !confirm(`This removes ${what}.`)) return 0;
  const containers = new Containers(globals.root, globals.state);
  await containers.sweep();
  const bytes = await tellPruned(containers, (volume) => (all || volume.anonymous) && filter(volume));
  write(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
  return 0;
}

/** Removes those that match, and lists them. Returns how many bytes they took. */
export async function tellPruned(containers: Containers, filter: Filter<Volume>): Promise<number> {
  const { names, bytes } = await pruneVolumes(containers, filter, noteDamage);
  emitPrune(containers.state, "volume", bytes);
  if (names.length > 0) write("Deleted Volumes:\n" + names.map((name) => `${name}\n`).join("") + "\n");
  return bytes;
}
