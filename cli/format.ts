/** `--format`: lists and single things as Docker prints them. */

import { layTable, printable } from "./output.ts";
import { compileTemplate } from "./template.ts";
import { json, type TemplateFunction, type TemplateFunctions, type Value } from "./template_functions.ts";

/** A line of a list: text by Docker's name of the field, and methods such as `Label`. */
export type Row = Readonly<Record<string, Value>>;

/** How a list is printed. */
export interface ListFormat {
  /** What the user gave with `--format`: a template, `table TEMPLATE`, `table`, `json`, or nothing. */
  readonly format?: string | undefined;
  /** The table when the user gave nothing or `table`, `{{.ID}}\t{{.Names}}`. */
  readonly columns: string;
  /** The heading of every field, `ID` → `CONTAINER ID`. */
  readonly headings: Readonly<Record<string, string | ((...args: Value[]) => string)>>;
}

/** In the line of headings, what functions do with a value is not done with its heading. */
const same = (args: number): TemplateFunction => [args, args, (heading) => heading];
const HEADING_FUNCTIONS: TemplateFunctions = {
  json: same(1),
  lower: same(1),
  upper: same(1),
  title: same(1),
  join: same(2),
  split: same(2),
  truncate: same(2),
};

/**
 * The text of a list.
 *
 * @throws {MiniError} when the template is wrong or asks for a field that rows do not have
 */
export function formatList(rows: readonly Row[], { format = "table", columns, headings }: ListFormat): string {
  if (format === "json") return rows.map((row) => json(sorted(row)) + "\n").join("");
  const table = /^table(?:\s+|$)([^]*)/.exec(format);
  if (!table) {
    const template = compileTemplate(unescape(format), {}, forReader());
    return rows.map((row) => template(sorted(row)) + "\n").join("");
  }
  const text = unescape(table[1] || columns);
  const template = compileTemplate(text);
  const heading = compileTemplate(text, HEADING_FUNCTIONS)(headings);
  return layTable([heading, ...rows.map((row) => template(inTable(row)))].map((line) => line.split("\t")));
}

/**
 * The text of one thing, as `inspect -f` and `version --format` print it.
 *
 * @throws {MiniError} when the template is wrong or asks for a field that the thing does not have
 */
export function formatOne(thing: Value, format: string): string {
  return (format === "json" ? json(thing) : compileTemplate(unescape(format), {}, forReader())(thing)) + "\n";
}

/**
 * Whoever reads from a pipe or a file gets every value as it is. A terminal gets none that could steer it: what a hostile image has in
 * its labels is not the user's own.
 */
function forReader(): (text: string) => string {
  if (!Deno.stdout.isTerminal()) return (text) => text;
  return (text) => text.replace(/[^\n\t]+/g, printable);
}

/** Shells hand over `\t` and `\n` as two characters; Docker takes them for the character. */
function unescape(format: string): string {
  return format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

function sorted(row: Row): Row {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => a < b ? -1 : 1));
}

/** Control characters in a cell would break the table or steer the terminal. */
function inTable(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (typeof value === "function") return [name, (...args: Value[]) => cell(value(...args))];
      return [name, cell(value)];
    }),
  );
}

function cell(value: Value): Value {
  return typeof value === "string" ? printable(value) : value;
}
