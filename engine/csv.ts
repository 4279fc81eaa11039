/** One line of comma-separated values, RFC 4180 as Docker reads it: `"a,b"` is one value, `""` in it a quotation mark. */
import { MiniError } from "../ffi/errors.ts";

/**
 * The values of a line.
 *
 * @param what names the line in messages: `--mount "…"`. @throws {MiniError} for quotation marks that do not fit.
 */
export function readCsv(line: string, what: string): string[] {
  const values: string[] = [];
  for (let at = 0;;) {
    let value: string;
    if (line[at] === '"') {
      value = "";
      for (at++;; at++) {
        if (at >= line.length) throw new MiniError(`${what} has a quotation mark that is never closed`);
        if (line[at] !== '"') value += line[at];
        else if (line[at + 1] === '"') value += line[at++];
        else break;
      }
      at++;
      if (at < line.length && line[at] !== ",") {
        throw new MiniError(`${what}: after the closing quotation mark there must be a comma, not ${line[at]}`);
      }
    } else {
      const comma = line.indexOf(",", at), end = comma < 0 ? line.length : comma;
      value = line.slice(at, end);
      if (value.includes('"')) {
        throw new MiniError(`${what}: put all of ${value} in quotation marks, and double those in it`);
      }
      at = end;
    }
    values.push(value);
    if (at >= line.length) return values;
    at++;
  }
}
