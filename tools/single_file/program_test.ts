import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { hotScripts, moduleAt } from "./hot.ts";
import { moduleToFunction, packProgram, type ProgramOptions, type Script } from "./program.ts";

/** Runs a packed program as the one file does; it leaves what it has to say in globalThis.said. */
async function run(modules: Record<string, string>, options: ProgramOptions = {}, compile?: Compile): Promise<unknown> {
  const { bytes, boot: [at, length], bootCache } = packProgram(modules, "main.js", options);
  const read = (at: number, length: number) => bytes.slice(at, at + length);
  const said: unknown[] = [], text = new TextDecoder().decode(read(at, length));
  Object.assign(globalThis, { said });
  // deno-lint-ignore no-eval -- that is what the one file does
  const boot = compile ? compile(text, "mini:boot", read(...bootCache)) : (0, eval)(text);
  await (boot as (...args: unknown[]) => unknown)(read, compile);
  return said;
}

type Compile = (text: string, name: string, cache: Uint8Array) => unknown;

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
  assertEquals(await run({ "main.js": main }, { globals: { MINI_TEST: "x" } }), ["x", "mini:", true]);
});

const HOT = {
  "main.js":
    'import{a}from"./shared.js";said.push(a);said.push((await import("./one.js")).b,(await import("./cold.js")).c);',
  "one.js": 'import{a}from"./shared.js";import{d}from"./deep.js";var b=a+d;said.push("one");export{b};',
  "two.js": 'import{d}from"./deep.js";said.push("two",d);',
  "shared.js": 'var a=1;said.push("shared");export{a};',
  "deep.js": "var d=2;export{d};",
  "cold.js": 'import{a}from"./shared.js";var c="ü€"+a;export{c};',
};

Deno.test("modules that the same commands need are one script, and each is evaluated once", async () => {
  const hot = [[], ["one.js"], ["two.js"]];
  const large = (text: string) => text.replace("export", `var large="${"x".repeat(2000)}";export`);
  const modules = { ...HOT, "one.js": large(HOT["one.js"]), "deep.js": large(HOT["deep.js"]) };
  assertEquals(
    hotScripts(modules, "main.js", hot).map(({ modules }) => modules.map(([name]) => name)),
    // two.js is small.
    [["deep.js"], ["main.js", "shared.js", "two.js"], ["one.js"]],
  );
  assertEquals(await run(modules, { hot }), ["shared", 1, "one", 3, "ü€1"]);
});

Deno.test("a hot script is compiled with the code cache that was made of it, and a cold one evaluated", async () => {
  const made = new Map<string, string>(), compiled: string[] = [];
  const cache = (scripts: readonly Script[]) =>
    scripts.map(({ name, text }) => {
      made.set(name, text);
      return new TextEncoder().encode(`cache of ${name}`);
    });
  const said = await run(HOT, { hot: [["one.js"]], cache }, (text, name, cache) => {
    compiled.push(name);
    assertEquals([made.get(name), new TextDecoder().decode(cache)], [text, `cache of ${name}`]);
    assertEquals(cache.byteOffset % 8, 0);
    return (0, eval)(text);
  });
  assertEquals(said, ["shared", 1, "one", 3, "ü€1"]);
  assertEquals(compiled, ["mini:boot", "mini:hot0.js"]);
});

Deno.test("a line of a hot script is found in its module", () => {
  const modules = { "a.js": "var a=`\n\n`;throw a;", "main.js": 'import"./a.js";\nvar b;' };
  const [script] = hotScripts(modules, "main.js", [[]]);
  const lines = script!.script.text.split("\n");
  const line = (text: string) => lines.findIndex((line) => line.includes(text)) + 1;
  assertEquals(moduleAt(script!, line("throw a")), { name: "a.js", line: 3 });
  assertEquals(moduleAt(script!, line("var b")), { name: "main.js", line: 2 });
});

Deno.test("a hot module that is not there is refused", () => {
  assertThrows(() => packProgram(HOT, "main.js", { hot: [["none.js"]] }), Error, "the bundle has no none.js");
});

Deno.test("what cannot be made a script is refused with the reason", () => {
  assertThrows(
    () => moduleToFunction("x.js", 'import a from"node:zlib";a();'),
    Error,
    "it imports node:zlib statically",
  );
  assertThrows(
    () => moduleToFunction("x.js", 'import{b}from"./y.js";import*as a from"node:fs";'),
    Error,
    "node:fs statically",
  );
  assertThrows(() => moduleToFunction("x.js", "await 1;"), Error, "x.js of the bundle cannot be made a script");
  assertThrows(() => packProgram({}, "main.js"), Error, "the bundle has no main.js");
});
