/** `--filter key=value`: values of the same key are alternatives, different keys must all match. */

import { MiniError } from "../ffi/errors.ts";
import { nearest } from "./suggest.ts";

/** Whether a thing matches one value of a filter. */
export type Matcher<Thing> = (thing: Thing, value: string) => boolean;

/** Filters that have been read: whether a thing passes all of them. */
export type Filter<Thing> = (thing: Thing) => boolean;

/** A key of a filter whose values are not just any text: each is read once, and refused where it is wrong. */
export interface ValueReader<Thing> {
  /** @throws {MiniError} when it is no value for this key. */
  readonly read: (value: string) => Filter<Thing>;
  /** What Docker has and this has not: why; the key is not among those that are known. */
  readonly absent?: true;
}

/** The keys of a filter. */
export type Matchers<Thing> = Readonly<Record<string, Matcher<Thing> | ValueReader<Thing>>>;

/**
 * Reads the values of `--filter`.
 *
 * @param matchers by key; of the keys in `every` all values must match and not one of them, as for labels
 * @throws {MiniError} on a filter without `=`, on an unknown key, and on a value that its key does not take
 */
export function parseFilters<Thing>(
  filters: readonly string[],
  matchers: Matchers<Thing>,
  every: readonly string[] = ["label", "label!"],
): Filter<Thing> {
  const byKey = new Map<string, Filter<Thing>[]>();
  for (const [key, value] of splitFilters(filters)) {
    const matcher = Object.hasOwn(matchers, key) ? matchers[key]! : undefined;
    if (!matcher) throw new MiniError(unknownKey(key, knownKeys(matchers)));
    const filter = typeof matcher === "function" ? (thing: Thing) => matcher(thing, value) : matcher.read(value);
    byKey.set(key, [...byKey.get(key) ?? [], filter]);
  }
  return (thing) => {
    return [...byKey].every(([key, all]) => {
      return every.includes(key) ? all.every((matches) => matches(thing)) : all.some((matches) => matches(thing));
    });
  };
}

/** The keys and values of `--filter`. @throws {MiniError} on a filter without `=` */
export function splitFilters(filters: readonly string[]): [key: string, value: string][] {
  return filters.map((filter) => {
    const equals = filter.indexOf("=");
    if (equals < 0) throw new MiniError(`the filter '${filter}' is not of the form key=value`);
    return [filter.slice(0, equals).trim().toLowerCase(), filter.slice(equals + 1).trim()];
  });
}

/** The keys that there are, as help and failures list them. */
export function knownKeys<Thing>(matchers: Matchers<Thing>): string[] {
  const isKnown = (key: string) => {
    const matcher = matchers[key]!;
    return typeof matcher === "function" || !matcher.absent;
  };
  return Object.keys(matchers).filter(isKnown).sort();
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `there is no filter '${key}'${near ? ` (did you mean '${near}'?)` : ""}, only ${known.join(", ")}`;
}

/** A key with these values alone. */
export function oneOf<Thing>(
  key: string,
  values: readonly string[],
  matches: Matcher<Thing>,
): ValueReader<Thing> {
  return {
    read: (value) => {
      const given = value.toLowerCase();
      if (!values.includes(given)) {
        throw new MiniError(`the filter ${key} is one of ${values.join(", ")}, not '${value}'`);
      }
      return (thing) => matches(thing, given);
    },
  };
}

/** A key that is true or false. */
export function trueOrFalse<Thing>(
  key: string,
  matches: (thing: Thing, value: boolean) => boolean,
): ValueReader<Thing> {
  return {
    read: (value) => {
      if (!/^(true|false|1|0)$/i.test(value)) {
        throw new MiniError(`the filter ${key} is true or false, not '${value}'`);
      }
      const given = /^(true|1)$/i.test(value);
      return (thing) => matches(thing, given);
    },
  };
}

/** A key that Docker has and this has not. */
export function absent<Thing>(key: string, why: string): ValueReader<Thing> {
  return {
    absent: true,
    read: () => {
      throw new MiniError(`the filter ${key} is not for mini: ${why}`);
    },
  };
}

/** Whether labels match `key` or `key=value`, the value of a `label` filter. */
export function labelMatches(labels: Readonly<Record<string, string>>, value: string): boolean {
  const equals = value.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, value);
  const key = value.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === value.slice(equals + 1);
}
