/** The keys of `--filter` about images, and about what is pruned. */

import { MiniError } from "../ffi/errors.ts";
import type { Found } from "../engine/containers.ts";
import { type ImageLine, imageTime, referenceMatches } from "../engine/images.ts";
import { labelMatches, type Matcher } from "./filter.ts";
import { parseDuration } from "../engine/units.ts";

/** Every key that `mini images` knows. */
export function imageMatchers(root: string): Record<string, Matcher<ImageLine>> {
  return {
    ...pruneMatchers,
    dangling: ({ image }, value) => {
      if (!/^(true|false|1|0)$/i.test(value)) {
        throw new MiniError(`the filter dangling is true or false, not '${value}'`);
      }
      return /^(true|1)$/i.test(value) === (image.names.length === 0);
    },
    reference: referenceMatches,
    before: ({ image }, value) => image.created < imageTime(root, value),
    since: ({ image }, value) => image.created > imageTime(root, value),
  };
}

/** Those that `mini image prune` knows. */
export const pruneMatchers: Record<string, Matcher<ImageLine>> = {
  label: ({ labels }, value) => labelMatches(labels, value),
  // What does not say when it was made counts as old.
  until: ({ image }, value) => !(new Date(image.created).getTime() >= timeOf(value)),
};

/** Those that `mini system prune` knows, about containers. */
export const containerPruneMatchers: Record<string, Matcher<Found>> = {
  label: ({ record }, value) => labelMatches(record.config.labels, value),
  until: ({ record }, value) => !(new Date(record.created).getTime() >= timeOf(value)),
};

/** A time as `until` takes it: `2026-01-31`, `2026-01-31T12:00:00`, seconds since 1970, or how long ago: `24h`. */
function timeOf(text: string): number {
  if (/^[0-9]+$/.test(text)) return Number(text) * 1000;
  if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text)) {
    const time = new Date(text.length === 10 ? `${text}T00:00:00` : text).getTime();
    if (!Number.isNaN(time)) return time;
  }
  try {
    return Date.now() - parseDuration(text);
  } catch {
    throw new MiniError(`the filter until is a time such as 2026-01-31T12:00:00 or 24h, not '${text}'`);
  }
}
