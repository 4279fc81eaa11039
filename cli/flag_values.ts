/** The values of the flags of one command line. */

import type { Flag } from "./command.ts";

/** A value as the parser reads it, by the flag's kind. Sizes are in bytes, durations in milliseconds. */
export type FlagValue = boolean | number | string | string[];

/**
 * Values by flag name, defaults included. Asking for a flag that the command does not have, or as another type than its
 * kind, is a defect of the caller and throws a `TypeError`.
 */
export class FlagValues {
  readonly #flags: readonly Flag[];
  readonly #given: ReadonlyMap<string, FlagValue>;
  readonly #defaults: ReadonlyMap<string, FlagValue>;

  constructor(
    flags: readonly Flag[],
    given: ReadonlyMap<string, FlagValue>,
    defaults: ReadonlyMap<string, FlagValue> = new Map(),
  ) {
    this.#flags = flags;
    this.#given = given;
    this.#defaults = defaults;
  }

  /** Whether the flag was on the command line, with whatever value. */
  given(name: string): boolean {
    this.#flag(name);
    return this.#given.has(name);
  }

  /** The value of a boolean flag; false when it has neither been given nor has a default. */
  boolean(name: string): boolean {
    return this.#value(name, "boolean") === true;
  }

  /** The value of a string or choice flag. */
  string(name: string): string | undefined {
    return this.#value(name, "string", "choice") as string | undefined;
  }

  /** All values of a list flag in the order of the command line. */
  list(name: string): readonly string[] {
    return (this.#value(name, "list") ?? []) as readonly string[];
  }

  /** The value of an integer or number flag; bytes for a size, milliseconds for a duration. */
  number(name: string): number | undefined {
    return this.#value(name, "integer", "number", "bytes", "duration") as number | undefined;
  }

  #value(name: string, ...kinds: Flag["kind"][]): FlagValue | undefined {
    const flag = this.#flag(name);
    if (!kinds.includes(flag.kind)) throw new TypeError(`flag --${name} is a ${flag.kind}, not a ${kinds[0]}`);
    return this.#given.get(name) ?? this.#defaults.get(name);
  }

  #flag(name: string): Flag {
    const flag = this.#flags.find((flag) => flag.name === name);
    if (!flag) throw new TypeError(`this command has no flag --${name}`);
    return flag;
  }
}
