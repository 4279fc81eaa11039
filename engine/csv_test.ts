import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { readCsv } from "./csv.ts";

Deno.test("values are separated by commas, and quotation marks hold a comma or a quotation mark", () => {
  assertEquals(readCsv("a=b,c", "x"), ["a=b", "c"]);
  assertEquals(readCsv('"a=b,c",d', "x"), ["a=b,c", "d"]);
  assertEquals(readCsv('"say ""hi""",""', "x"), ['say "hi"', ""]);
  assertEquals(readCsv("", "x"), [""]);
  assertEquals(readCsv("a,,", "x"), ["a", "", ""]);
  assertEquals(readCsv(" a , b", "x"), [" a ", " b"]);
});

Deno.test("quotation marks that do not fit are refused", () => {
  for (const line of ['a"b', '"a', '"a"b', '"a""', 'x,"']) assertThrows(() => readCsv(line, "x"), MiniError, "x");
});
