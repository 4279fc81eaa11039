/**
 * Finds the places in the source that a stack trace of ./mini stands for: `mini:chunk-ABC.js, <anonymous>:1:2345`.
 *
 *     deno run -A tools/where.ts < TRACE
 *
 * To be run in the source that was built, at the commit that the trace's last line names, with the same Deno.
 */
import { bundleParts, hotOf } from "./build.ts";
import { type HotScript, moduleAt } from "./single_file/hot.ts";
import { scriptShift } from "./single_file/program.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of a segment of a source map's `mappings`: variable length, the sign in the lowest bit. */
export function decodeSegment(text: string): number[] {
  const numbers: number[] = [];
  let value = 0, shift = 0;
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    value = shift = 0;
  }
  return numbers;
}

/** The parts of a source map (ECMA-426) that are used. */
export interface SourceMap {
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** `file:line:column` of a place in what was generated, lines from 1 and columns from 0; undefined where the map has none. */
export function originOf({ sources, mappings }: SourceMap, line: number, column: number): string | undefined {
  let source = 0, sourceLine = 0, sourceColumn = 0, found: string | undefined;
  for (const [i, segments] of mappings.split(";").entries()) {
    let at = 0;
    for (const segment of segments.split(",").filter(Boolean)) {
      const [columns = 0, ofSource, ofLine = 0, ofColumn = 0] = decodeSegment(segment);
      at += columns;
      if (i + 1 === line && at > column) return found;
      if (ofSource === undefined) continue;
      source += ofSource;
      sourceLine += ofLine;
      sourceColumn += ofColumn;
      if (i + 1 === line) found = `${sources[source]}:${sourceLine + 1}:${sourceColumn + 1}`;
    }
    if (i + 1 === line) return found;
  }
  return found;
}

/**
 * A trace with the places that it stands for; a place of another build stays as it is.
 *
 * @param parts what bundleParts() returns
 * @param hot the scripts of several modules
 */
export function translate(trace: string, parts: Readonly<Record<string, string>>, hot: readonly HotScript[]): string {
  return trace.replaceAll(
    /mini:([\w.-]+\.js)(?:, <anonymous>)?:(\d+):(\d+)/g,
    (place, script: string, scriptLine: string, column: string) => {
      const of = hot.find((of) => of.script.name === `mini:${script}`);
      const { name, line } = of ? moduleAt(of, Number(scriptLine)) : { name: script, line: Number(scriptLine) };
      const module = parts[name], map = parts[`${name}.map`];
      if (module === undefined || map === undefined) return place;
      const shift = line === 1 ? scriptShift(module, name === "main.js") : 0;
      return originOf(JSON.parse(map), line, Number(column) - 1 - shift)?.replace(/^(\.\.\/)+/, "") ?? place;
    },
  );
}

if (import.meta.main) {
  const trace = await new Response(Deno.stdin.readable).text(), parts = bundleParts();
  const found = translate(trace, parts, hotOf(parts));
  await Deno.stdout.write(new TextEncoder().encode(found));
  if (found === trace) {
    console.error("where: nothing in it is a place of this source: check out the commit that its last line names");
    Deno.exit(1);
  }
}
