import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { moduleToScript, packProgram } from "./program.ts";

/** Runs a packed program as the one file does; it leaves what it has to say in globalThis.said. */
async function run(modules: Record<string, string>, globals?: Record<string, string>): Promise<unknown> {
  const { bytes, bootLength } = packProgram(modules, "main.js", globals);
  const said: unknown[] = [];
  Object.assign(globalThis, { said });
  // deno-lint-ignore no-eval -- that is what the one file does
  await (0, eval)(new TextDecoder().decode(bytes.subarray(0, bootLength)))(bytes);
  return said;
}

Deno.test("modules import each other's exports under any name, each is evaluated once", async () => {
  const said = await run({
    "main.js": 'import{a as x,b}from"./one.js";import"./two.js";said.push(x,b(2));',
    "one.js": 'var n=1;function f(v){return v+n}said.push("one");export{n as a,f as b};',
    "two.js": 'import{a}from"./one.js";said.push("two",a);',
  });
  assertEquals(said, ["one", "two", 1, 1, 3]);
});

Deno.test("a module that is imported dynamically is evaluated only then", async () => {
  const said = await run({
    "main.js": 'said.push("main");let{a,default:d}=await import("./late.js");said.push(a,d);await import("./late.js");',
    "late.js": 'said.push("late");var x="ü€";export{x as a,x as default};',
    "never.js": "throw new Error",
  });
  assertEquals(said, ["main", "late", "ü€", "ü€"]);
});

Deno.test("a failure in a module that is imported dynamically is a rejection", async () => {
  const modules = { "main.js": 'await import("./bad.js");', "bad.js": 'throw new TypeError("in bad");' };
  await assertRejects(() => run(modules), TypeError, "in bad");
});

Deno.test("a module that failed fails again in the same way", async () => {
  const once = 'await import("./bad.js").catch((e)=>said.push(e.message));';
  assertEquals(await run({ "main.js": once + once, "bad.js": 'throw new TypeError("in bad");' }), ["in bad", "in bad"]);
});

Deno.test("modules that import each other are refused", async () => {
  const modules = { "main.js": 'import"./a.js";', "a.js": 'import"./b.js";', "b.js": 'import"./a.js";' };
  await assertRejects(() => run(modules), Error, "the bundle's modules import each other: a.js");
});

Deno.test("globals and import.meta are there", async () => {
  const main = "said.push(MINI_TEST,import.meta.url,import.meta.main);";
  assertEquals(await run({ "main.js": main }, { MINI_TEST: "x" }), ["x", "mini:", true]);
});

Deno.test("many modules do not move the table's own offsets", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `module-${i}.js`);
  const modules = Object.fromEntries(names.map((name, i) => [name, `var x=${i};export{x};`]));
  const imports = names.map((name, i) => `import{x as x${i}}from"./${name}";`).join("");
  const said = await run({ ...modules, "main.js": `${imports}said.push(${names.map((_, i) => `x${i}`).join("+")});` });
  assertEquals(said, [300 * 299 / 2]);
});

Deno.test("what cannot be made a script is refused with the reason", () => {
  assertThrows(() => moduleToScript("x.js", 'import a from"node:zlib";a();'), Error, "it imports node:zlib statically");
  assertThrows(
    () => moduleToScript("x.js", 'import{b}from"./y.js";import*as a from"node:fs";'),
    Error,
    "node:fs statically",
  );
  assertThrows(() => moduleToScript("x.js", "await 1;"), Error, "x.js of the bundle cannot be made a script");
  assertThrows(() => packProgram({}, "main.js"), Error, "the bundle has no main.js");
});
