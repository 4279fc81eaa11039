/** The functions of templates: those of Go's text/template and those that Docker adds. */

import { MiniError } from "../ffi/errors.ts";
import { jsonText } from "./output.ts";

/**
 * What a template works on: what JSON can say, `Map` for tables with keys of the user's own (a key that is missing there
 * is no error), functions for methods such as `.Label "key"`, and undefined for what is missing.
 */
export type Value = unknown;

/** Whether `if` and `and` take a value as true: what is empty, zero or missing is not. */
export function truth(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** The entries of a table, sorted by key as Go does. */
export function entries(value: object): [string, Value][] {
  const pairs: [string, Value][] = value instanceof Map
    ? [...value].map(([key, item]) => [String(key), item])
    : Object.entries(value);
  return pairs.filter(([, item]) => typeof item !== "function").sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}

/** A value as Go prints it: `[a b]`, `map[k:v]`, `<nil>`. */
export function show(value: Value): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (typeof value === "object") {
    return `map[${entries(value).map(([key, item]) => `${key}:${show(item)}`).join(" ")}]`;
  }
  return String(value);
}

/** A value as one line of JSON. */
export function json(value: Value): string {
  return jsonText(value, undefined, (_, item) => item instanceof Map ? Object.fromEntries(entries(item)) : item) ??
    "null";
}

function text(value: Value, name: string): string {
  if (typeof value === "string") return value;
  throw new MiniError(`the template function ${name} takes text, not ${describe(value)}`);
}

function integer(value: Value, name: string): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new MiniError(`the template function ${name} takes a whole number, not ${describe(value)}`);
}

/** A value in a message. */
export function describe(value: Value): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a table";
  if (typeof value === "function") return "a method";
  return typeof value === "string" ? `'${value}'` : String(value);
}

function equal(a: Value, b: Value): boolean {
  if ((a ?? null) === null || (b ?? null) === null) return (a ?? null) === (b ?? null);
  comparable(a, b, "eq");
  return a === b;
}

function comparable(a: Value, b: Value, name: string): void {
  for (const value of [a, b]) {
    if (typeof value === "object" || typeof value === "function") {
      throw new MiniError(`the template function ${name} cannot compare ${describe(value)}`);
    }
  }
  if (typeof a !== typeof b) {
    throw new MiniError(`the template function ${name} cannot compare ${describe(a)} with ${describe(b)}`);
  }
}

function compare(a: Value, b: Value, name: string): number {
  comparable(a, b, name);
  if (typeof a === "boolean" || a === undefined) {
    throw new MiniError(`the template function ${name} cannot order ${describe(a)}`);
  }
  const [x, y] = [a as string | number, b as string | number];
  return x < y ? -1 : x > y ? 1 : 0;
}

function length(value: Value): number {
  if (typeof value === "string") return new TextEncoder().encode(value).length;
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return entries(value).length;
  throw new MiniError(`the template function len takes text, a list or a table, not ${describe(value)}`);
}

function index(value: Value, ...keys: Value[]): Value {
  for (const key of keys) {
    if (Array.isArray(value)) {
      const at = integer(key, "index");
      if (at < 0 || at >= value.length) {
        throw new MiniError(`the template asks for item ${at} of a list that has ${value.length}`);
      }
      value = value[at];
    } else if (typeof value === "object" && value !== null) {
      value = item(value, text(key, "index"));
    } else throw new MiniError(`the template function index takes a list or a table, not ${describe(value)}`);
  }
  return value;
}

/** A value of a table by key. What is missing in a table of texts is an empty text, as in Go; elsewhere no value. */
function item(table: object, key: string): Value {
  const all = entries(table);
  const found = all.find(([name]) => name === key);
  if (found) return found[1];
  return all.every(([, value]) => typeof value === "string") ? "" : undefined;
}

function slice(value: Value, from: Value = 0, to?: Value): Value {
  if (typeof value !== "string" && !Array.isArray(value)) {
    throw new MiniError(`the template function slice takes text or a list, not ${describe(value)}`);
  }
  const [start, end] = [integer(from, "slice"), to === undefined ? value.length : integer(to, "slice")];
  if (start < 0 || end > value.length || start > end) {
    throw new MiniError(`the template asks for items ${start} to ${end} of something that has ${value.length}`);
  }
  return value.slice(start, end);
}

function join(list: Value, separator: Value): string {
  if (!Array.isArray(list)) throw new MiniError(`the template function join takes a list, not ${describe(list)}`);
  return list.map(show).join(text(separator, "join"));
}

/** Go's Sprint: a space between two values when neither is text. */
function print(...values: Value[]): string {
  return values.map((value, i) => {
    const space = i > 0 && typeof value !== "string" && typeof values[i - 1] !== "string";
    return (space ? " " : "") + show(value);
  }).join("");
}

/** Go's Sprintf with the verbs that make sense for what templates print. */
function printf(format: Value, ...values: Value[]): string {
  let used = 0;
  const printed = text(format, "printf").replace(
    /%([-+ 0#]*)(\d*)(?:\.(\d+))?(.?)/gsu,
    (directive: string, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      if (Number(width) > 1000 || Number(precision) > 100) {
        throw new MiniError(`the template function printf does not pad as far as ${directive}`);
      }
      if (used >= values.length) throw new MiniError(`the template function printf has no value for ${directive}`);
      const shown = formatVerb(verb, values[used++], precision, directive);
      if (flags.includes("-")) return shown.padEnd(Number(width));
      const sign = flags.includes("+") && typeof values[used - 1] === "number" && !shown.startsWith("-") ? "+" : "";
      if (!flags.includes("0") || verb === "s") return (sign + shown).padStart(Number(width));
      const minus = shown.startsWith("-") ? "-" : sign;
      return minus + shown.replace(/^-/, "").padStart(Number(width) - minus.length, "0");
    },
  );
  if (used < values.length) throw new MiniError(`the template function printf has more values than its text asks for`);
  return printed;
}

function formatVerb(verb: string, value: Value, precision: string | undefined, directive: string): string {
  switch (verb) {
    case "s":
    case "v":
      return precision === undefined ? show(value) : [...show(value)].slice(0, Number(precision)).join("");
    case "q":
      return json(text(value, `printf ${directive}`));
    case "d":
      return String(integer(value, `printf ${directive}`));
    case "x":
      return integer(value, `printf ${directive}`).toString(16);
    case "X":
      return integer(value, `printf ${directive}`).toString(16).toUpperCase();
    case "f":
      if (typeof value === "number") return value.toFixed(Number(precision ?? 6));
      throw new MiniError(`the template function printf ${directive} takes a number, not ${describe(value)}`);
    case "t":
      if (typeof value === "boolean") return String(value);
      throw new MiniError(`the template function printf ${directive} takes true or false, not ${describe(value)}`);
  }
  throw new MiniError(`the template function printf does not know ${directive}`);
}

function title(value: Value): string {
  return text(value, "title").replace(/(^|[^\p{L}\p{N}_])(\p{L})/gu, (_, before, letter) => {
    return before + letter.toUpperCase();
  });
}

/** A function and how many arguments it takes at least and at most. */
export type TemplateFunction = readonly [min: number, max: number, run: (...args: Value[]) => Value];

/** Functions by name. */
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

/** All functions but `and` and `or`, which do not evaluate all of their arguments. */
export const functions: TemplateFunctions = {
  not: [1, 1, (value) => !truth(value)],
  eq: [2, Infinity, (first, ...others) => others.some((other) => equal(first, other))],
  ne: [2, 2, (a, b) => !equal(a, b)],
  lt: [2, 2, (a, b) => compare(a, b, "lt") < 0],
  le: [2, 2, (a, b) => compare(a, b, "le") <= 0],
  gt: [2, 2, (a, b) => compare(a, b, "gt") > 0],
  ge: [2, 2, (a, b) => compare(a, b, "ge") >= 0],
  len: [1, 1, length],
  index: [1, Infinity, index],
  slice: [1, 3, slice],
  json: [1, 1, json],
  join: [2, 2, join],
  split: [2, 2, (value, separator) => text(value, "split").split(text(separator, "split"))],
  lower: [1, 1, (value) => text(value, "lower").toLowerCase()],
  upper: [1, 1, (value) => text(value, "upper").toUpperCase()],
  title: [1, 1, title],
  pad: [3, 3, (value, before, after) => {
    const [left, right] = [integer(before, "pad"), integer(after, "pad")];
    if (left < 0 || right < 0 || left + right > 1000) {
      throw new MiniError(`the template function pad adds 0 to 1000 spaces`);
    }
    return text(value, "pad") === "" ? "" : " ".repeat(left) + value + " ".repeat(right);
  }],
  truncate: [2, 2, (value, most) => text(value, "truncate").slice(0, Math.max(0, integer(most, "truncate")))],
  print: [0, Infinity, print],
  printf: [1, Infinity, printf],
  println: [0, Infinity, (...values) => values.map(show).join(" ") + "\n"],
};
