import { assertEquals } from "@std/assert";
import { moduleToFunction } from "./single_file/program.ts";
import { decodeSegment, originOf, translate } from "./where.ts";

Deno.test("numbers of a source map have as many digits as they need, and a sign", () => {
  assertEquals(decodeSegment("AAgBC"), [0, 0, 16, 1]);
  assertEquals(decodeSegment("D+KAGI"), [-1, 175, 0, 3, 4]);
});

Deno.test("a place is where the last segment before it begins", () => {
  const map = { sources: ["a.ts", "b.ts"], mappings: "AAAA,UACE;;ECDF" };
  assertEquals(originOf(map, 1, 3), "a.ts:1:1");
  assertEquals(originOf(map, 1, 10), "a.ts:2:3");
  assertEquals(originOf(map, 2, 0), undefined);
  assertEquals(originOf(map, 3, 1), undefined);
  assertEquals(originOf(map, 3, 900), "b.ts:1:1");
});

Deno.test("a trace of a packed module is translated, and what is of another build stays", () => {
  const module =
    'import{a as b}from"./x.js";var u=import.meta.url,l=()=>import("./y.js"),f=()=>{throw b(u)};export{f};';
  const column = moduleToFunction("m.js", module).indexOf("throw") + 1;
  const parts = { "m.js": module, "m.js.map": JSON.stringify({ sources: ["../../m.ts"], mappings: "A,+EAKE" }) };
  assertEquals(module.indexOf("throw"), 79);
  assertEquals(translate(`  at f (mini:m.js, <anonymous>:1:${column})`, parts, []), "  at f (m.ts:6:3)");
  assertEquals(translate("  at f (mini:n.js:1:9)", parts, []), "  at f (mini:n.js:1:9)");
});
