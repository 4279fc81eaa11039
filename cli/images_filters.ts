/** The keys of `--filter` about images, and about what is pruned. */

import type { Found } from "../engine/containers.ts";
import { type ImageLine, imageTime, referenceMatches } from "../engine/images.ts";
import { type Filter, labelMatches, type Matchers, trueOrFalse } from "./filter.ts";
import { parseMoment } from "./times.ts";

/** Every key that `mini images` knows. */
export function imageMatchers(root: string): Matchers<ImageLine> {
  /** Compares the time an image was made with that of the image that is named. */
  const made = (compare: (time: string, other: string) => boolean) => ({
    read: (value: string): Filter<ImageLine> => {
      const other = imageTime(root, value);
      return ({ image }) => compare(image.created, other);
    },
  });
  return {
    ...pruneMatchers,
    dangling: trueOrFalse("dangling", ({ image }, value) => value === (image.names.length === 0)),
    reference: referenceMatches,
    before: made((time, other) => time < other),
    since: made((time, other) => time > other),
  };
}

/** What is pruned by its labels and its age: `label`, `label!` and `until`. */
export function pruneKeys<Thing>(
  labels: (thing: Thing) => Readonly<Record<string, string>>,
  created: (thing: Thing) => string,
): Matchers<Thing> {
  return {
    label: (thing, value) => labelMatches(labels(thing), value),
    "label!": (thing, value) => !labelMatches(labels(thing), value),
    until: {
      read: (value) => {
        const until = parseMoment(value, "the filter until");
        // What does not say when it was made counts as old.
        return (thing) => !(new Date(created(thing)).getTime() >= until);
      },
    },
  };
}

/** Those that `mini image prune` knows. */
export const pruneMatchers = pruneKeys<ImageLine>(({ labels }) => labels, ({ image }) => image.created);

/** Those that `mini container prune` and `mini system prune` know, about containers. */
export const containerPruneMatchers = pruneKeys<Found>(
  ({ record }) => record.config.labels,
  ({ record }) => record.created,
);
