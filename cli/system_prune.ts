/** `mini system prune`. */

import { pruneImages } from "../engine/images.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { parseFilters } from "./filter.ts";
import { humanSize } from "./human.ts";
import { pruneMatchers } from "./images_filters.ts";
import { write } from "./output.ts";

/** Removes what nothing uses: images, and what interrupted commands have left of them. */
export default function systemPrune({ flags, globals }: Invocation): number {
  const all = flags.boolean("all");
  const filter = parseFilters(flags.list("filter"), pruneMatchers);
  const images = all ? "all images that no container uses" : "all images without a name";
  if (!flags.boolean("force") && !confirm(`This removes ${images}, and what interrupted commands have left.`)) return 0;
  const { untagged, deleted, bytes } = pruneImages(globals.root, all, filter);
  if (deleted.length > 0) {
    write("Deleted Images:\n" + untagged.map((name) => `untagged: ${name}\n`).join(""));
    write(deleted.map((id) => `deleted: ${id}\n`).join("") + "\n");
  }
  write(`Total reclaimed space: ${humanSize(bytes, 4)}\n`);
  return 0;
}
