/** `--filter key=value`: values of the same key are alternatives, different keys must all match. */

import { MiniError } from "../ffi/errors.ts";
import { nearest } from "./suggest.ts";

/** Whether a thing matches one value of a filter. */
export type Matcher<Thing> = (thing: Thing, value: string) => boolean;

/** Filters that have been read: whether a thing passes all of them. */
export type Filter<Thing> = (thing: Thing) => boolean;

/**
 * Reads the values of `--filter`.
 *
 * @param matchers by key; of the keys in `every` all values must match and not one of them, as for labels
 * @throws {MiniError} on a filter without `=`, and on an unknown key
 */
export function parseFilters<Thing>(
  filters: readonly string[],
  matchers: Readonly<Record<string, Matcher<Thing>>>,
  every: readonly string[] = ["label"],
): Filter<Thing> {
  const valuesByKey = new Map<string, string[]>();
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    if (equals < 0) throw new MiniError(`the filter '${filter}' is not of the form key=value`);
    const key = filter.slice(0, equals).trim().toLowerCase();
    if (!Object.hasOwn(matchers, key)) throw new MiniError(unknownKey(key, Object.keys(matchers)));
    valuesByKey.set(key, [...valuesByKey.get(key) ?? [], filter.slice(equals + 1).trim()]);
  }
  return (thing) => {
    return [...valuesByKey].every(([key, values]) => {
      const matches = (value: string) => matchers[key]!(thing, value);
      return every.includes(key) ? values.every(matches) : values.some(matches);
    });
  };
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `there is no filter '${key}', ${near ? `did you mean '${near}'?` : `only ${known.join(", ")}`}`;
}

/** Whether labels match `key` or `key=value`, the value of a `label` filter. */
export function labelMatches(labels: Readonly<Record<string, string>>, value: string): boolean {
  const equals = value.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, value);
  const key = value.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === value.slice(equals + 1);
}
