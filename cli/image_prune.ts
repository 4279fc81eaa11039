/** `mini image prune`. */

import { type Pruned, pruneImages } from "../engine/images.ts";
import { emitPrune } from "../engine/events.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { parseFilters } from "./filter.ts";
import { humanSize } from "./human.ts";
import { tellRemoval } from "./image_events.ts";
import { pruneMatchers } from "./images_filters.ts";
import { tell } from "./note.ts";
import { write } from "./output.ts";

/** Removes images that nobody needs. */
export default async function imagePrune({ flags, globals }: Invocation): Promise<number> {
  const all = flags.boolean("all");
  const filter = parseFilters(flags.list("filter"), pruneMatchers);
  const what = all ? "all images that no container uses" : "all images without a name";
  if (!flags.boolean("force") && !confirm(`This removes ${what}.`)) return 0;
  const bytes = tellPruned(globals.state, await pruneImages(globals.root, all, filter));
  write(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
  return 0;
}

/** Lists images that were removed, and tells the events. Returns how many bytes they took. */
export function tellPruned(state: string, pruned: Pruned): number {
  const { untagged, deleted, bytes, unsure } = pruned;
  tellRemoval(state, pruned);
  emitPrune(state, "image", bytes);
  if (deleted.length > 0) {
    write("Deleted Images:\n" + untagged.map((name) => `untagged: ${name}\n`).join(""));
    write(deleted.map((id) => `deleted: ${id}\n`).join("") + "\n");
  }
  if (unsure !== undefined) tell(unsure);
  return bytes;
}
