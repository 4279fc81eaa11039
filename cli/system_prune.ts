/** `mini system prune`. */

import { pruneContainers } from "../engine/container_usage.ts";
import { Containers } from "../engine/containers.ts";
import { pruneImages } from "../engine/images.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { tellPrunedContainers } from "./container_prune.ts";
import { parseFilters } from "./filter.ts";
import { humanSize } from "./human.ts";
import { tellPruned } from "./image_prune.ts";
import { containerPruneMatchers, pruneMatchers } from "./images_filters.ts";
import { noteDamage } from "./note.ts";
import { write } from "./output.ts";
import { volumePruneMatchers } from "./volume_filters.ts";

/** Removes what nothing uses: containers that do not run, images, and what interrupted commands have left of them. */
export default async function systemPrune({ flags, globals }: Invocation): Promise<number> {
  const all = flags.boolean("all"), filters = flags.list("filter");
  const matchesImage = parseFilters(filters, pruneMatchers);
  const matchesContainer = parseFilters(filters, containerPruneMatchers);
  const matchesVolume = parseFilters(filters, volumePruneMatchers);
  const images = all ? "all images that no container uses" : "all images without a name";
  const volumes = flags.boolean("volumes") ? ", all volumes without a name that no container uses" : "";
  const question =
    `This removes all containers that do not run, ${images}${volumes}, and what interrupted commands have left.`;
  if (!flags.boolean("force") && !confirm(question)) return 0;
  const containers = new Containers(globals.root, globals.state);
  await containers.sweepAll();
  // First, because they use images.
  const pruned = await pruneContainers(containers, matchesContainer, noteDamage);
  const ofContainers = tellPrunedContainers(globals.state, pruned);
  let bytes = tellPruned(globals.state, await pruneImages(globals.root, all, matchesImage));
  if (flags.boolean("volumes")) {
    const { tellPruned } = await import("./volume_prune.ts");
    bytes += await tellPruned(containers, (volume) => volume.anonymous && matchesVolume(volume));
  }
  write(`Total reclaimed space: ${humanSize(ofContainers + bytes, 4)}\n`);
  return 0;
}
