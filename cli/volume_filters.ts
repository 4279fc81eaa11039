/** The keys of `--filter` about volumes. */

import type { Volume } from "../engine/volumes/types.ts";
import { labelMatches, type Matchers, trueOrFalse } from "./filter.ts";
import { pruneKeys } from "./images_filters.ts";

/** Those that `mini volume ls` knows. @param isUsed whether a container uses the volume of that name. */
export function volumeMatchers(isUsed: (name: string) => boolean): Matchers<Volume> {
  return {
    dangling: trueOrFalse("dangling", ({ name }, value) => isUsed(name) !== value),
    driver: ({ driver }, value) => driver === value,
    label: ({ labels }, value) => labelMatches(labels, value),
    name: ({ name }, value) => name.includes(value),
  };
}

/** Those that `mini volume prune` and `mini system prune` know, about volumes. */
export const volumePruneMatchers = pruneKeys<Volume>(({ labels }) => labels, ({ created }) => created);
