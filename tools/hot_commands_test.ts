import { assert, assertEquals } from "@std/assert";
import { bundledName, flatten, HOT_MODULES } from "./hot_commands.ts";

Deno.test("a bundle in folders becomes one in a folder, and nothing in it moves", () => {
  const [run, row] = [bundledName("cli/run.ts"), bundledName("cli/rows/run.ts")];
  const files = {
    "main.js": 'import"./chunk-A.js";import("./cli/run.js");import("./late-B.js");say("./cli/run.js")',
    "cli/run.js": 'import{a as b}from"../chunk-A.js";import("./rows/run.js");import("../late-B.js");export{b};',
    "cli/rows/run.js": 'import"../../chunk-A.js";import"../run.js";',
    "cli/run.js.map": "{}",
    "chunk-A.js": "var a;export{a};",
  };
  const flat = flatten(files);
  const pad = (text: string, like: string) => " ".repeat(like.length - text.length) + text;
  assertEquals(flat, {
    "main.js": `import"./chunk-A.js";import${
      pad(`("./${run}"`, '("./cli/run.js"')
    });import("./late-B.js");say("./cli/run.js")`,
    [run]: `import{a as b}from "./chunk-A.js";import${
      pad(`("./${row}"`, '("./rows/run.js"')
    });import ("./late-B.js");export{b};`,
    [row]: `import${pad('"./chunk-A.js"', '"../../chunk-A.js"')};import${pad(`"./${run}"`, '"../run.js"')};`,
    [`${run}.map`]: "{}",
    "chunk-A.js": "var a;export{a};",
  });
  assertEquals(Object.values(flat).map((text) => text.length), Object.values(files).map((text) => text.length));
});

Deno.test("the names of hot modules are different, and short", () => {
  const names = HOT_MODULES.map(bundledName);
  assertEquals(new Set(names).size, names.length);
  assert(names.every((name) => name.length === 4), names.join());
});
