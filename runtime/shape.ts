/** Checks that JSON has the shape that is expected, and says in one sentence where it has not. */
import { MiniError } from "../ffi/errors.ts";

/** Throws for a value that is not of the shape; `at` is where it stands, `process.user.uid`. */
export type Shape = (value: unknown, at: string) => void;

const MOST_SHOWN = 40;

function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value !== null && typeof value === "object") return "an object";
  const text = typeof value === "bigint" ? `${value}` : JSON.stringify(value) ?? String(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

const wrong = (at: string, wanted: string, value: unknown) =>
  new MiniError(`${at} must be ${wanted}, and is ${show(value)}`);

export const text: Shape = (value, at) => {
  if (typeof value !== "string") throw wrong(at, "a text", value);
  if (value.includes("\0")) throw new MiniError(`${at} has a NUL character in it`);
};

export const flag: Shape = (value, at) => {
  if (typeof value !== "boolean") throw wrong(at, "true or false", value);
};

/** A whole number in a range; beyond 2⁵³ they are bigints (`parseJson`). */
export const whole = (min: number | bigint, max: number | bigint): Shape => (value, at) => {
  const isWhole = typeof value === "bigint" || typeof value === "number" && Number.isInteger(value);
  if (!isWhole || value < min || value > max) throw wrong(at, `a whole number from ${min} to ${max}`, value);
};

export const int32 = whole(-(2 ** 31), 2 ** 31 - 1);
export const uint16 = whole(0, 2 ** 16 - 1);
export const uint32 = whole(0, 2 ** 32 - 1);
export const int64 = whole(-(2n ** 63n), 2n ** 63n - 1n);
export const uint64 = whole(0, 2n ** 64n - 1n);

/** One of some texts. */
export const oneOf = (...values: readonly string[]): Shape => (value, at) => {
  if (typeof value !== "string" || !values.includes(value)) throw wrong(at, `one of ${values.join(", ")}`, value);
};

export const listOf = (shape: Shape): Shape => (value, at) => {
  if (!Array.isArray(value)) throw wrong(at, "a list", value);
  value.forEach((item, i) => shape(item, `${at}[${i}]`));
};

function entries(value: unknown, at: string): [string, unknown][] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw wrong(at, "an object", value);
  return Object.entries(value);
}

/** An object whose keys are anybody's. */
export const mapOf = (shape: Shape): Shape => (value, at) => {
  for (const [key, item] of entries(value, at)) {
    text(key, `a key of ${at}`);
    shape(item, `${at}[${show(key)}]`);
  }
};

/**
 * An object with known fields. What is unknown is passed over, as the specification wants it ("Extensibility"). A field that
 * is null is one that is not there, and is removed.
 */
export const object =
  (fields: Readonly<Record<string, Shape>>, ...required: readonly string[]): Shape => (value, at) => {
    for (const [key, item] of entries(value, at)) {
      if (item === null) delete (value as Record<string, unknown>)[key];
      else if (Object.hasOwn(fields, key)) fields[key]!(item, at === "" ? key : `${at}.${key}`);
    }
    const missing = required.find((key) => !Object.hasOwn(value as object, key));
    if (missing !== undefined) throw new MiniError(`${at === "" ? missing : `${at}.${missing}`} is missing`);
  };

/** Numbers with so many digits may not fit a double. */
const LONG_NUMBER = /[0-9]{16}/;

/**
 * JSON, with whole numbers that a double does not hold exactly as bigints.
 *
 * @throws {MiniError} for text that is not JSON.
 */
export function parseJson(json: string, what: string): unknown {
  const exact = (_: string, value: unknown, context?: { source?: string }) => {
    const isExact = typeof value !== "number" || Number.isSafeInteger(value) || !context?.source;
    return isExact || !/^-?\d+$/.test(context.source!) ? value : BigInt(context.source!);
  };
  try {
    return LONG_NUMBER.test(json) ? JSON.parse(json, exact) : JSON.parse(json);
  } catch (error) {
    throw new MiniError(`${what} is not JSON: ${(error as Error).message}`);
  }
}
