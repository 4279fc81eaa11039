/**
 * Packs the modules that `deno bundle --code-splitting --minify` writes into one block of bytes, of which a start reads only
 * what it needs: V8 looks through all the text that it is given, at 30 ms a megabyte.
 *
 * Every module becomes a function that returns its exports:
 *
 *     import{a as b}from"./x.js";…import("./y.js")…export{c as d};
 *     (function(miniLoad,miniLazy,importMeta){"use strict";let{a:b}=miniLoad("x.js");…miniLazy("y.js")…return{d:c};})
 *
 * An importer gets the values that a module's exports have at its end: an exported variable that changes later would not
 * be followed (a test forbids them). The main module alone may `await` at its top level.
 *
 * The block is
 *
 *     the hot scripts, each of many modules (hot.ts), and its code cache: what V8 makes of the text (code_cache.ts)
 *     the other modules, each a script of its own, and an index of them
 *     the boot script, which is evaluated first and finds all others, and its code cache
 *
 * Code caches begin at multiples of eight bytes, as V8 wants them.
 */
import { hotScripts } from "./hot.ts";

/** The packed program. */
export interface Program {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the boot script is. */
  readonly boot: Range;
  /** Its code cache, right behind it but for what aligns it; of no length if there is none. */
  readonly bootCache: Range;
}

/** Where something is in the block: its first byte, and how many they are. */
export type Range = readonly [at: number, length: number];

/** A script for V8. */
export interface Script {
  /** As stack traces have it. */
  readonly name: string;
  readonly text: string;
}

export interface ProgramOptions {
  /** What the modules find as global variables. */
  readonly globals?: Readonly<Record<string, string>>;
  /** The modules that each of the commands imports that shall start fast; see hot.ts. */
  readonly hot?: readonly (readonly string[])[];
  /** Makes code caches (code_cache.ts); without it there are none. */
  readonly cache?: (scripts: readonly Script[]) => Uint8Array[];
}

const IMPORT = /^import(?:\{([^}]*)\}from)? *"\.\/([\w.-]+)";/;
const EXPORT = /export\{([^}]*)\};\s*$/;

/** `a as b,c` of an import or export, as pairs. */
const names = (list: string) =>
  list.split(",").filter((name) => name !== "").map((name) => {
    const [first, second] = name.trim().split(" as ") as [string, string?];
    return [first, second ?? first] as const;
  });

/** What a script begins with in the place of the module's imports, what follows them, and what is imported. */
function begin(module: string, isMain: boolean): { head: string; rest: string; imports: string[] } {
  const imports: string[] = [];
  let head = `(${isMain ? "async " : ""}function(miniLoad,miniLazy,importMeta){"use strict";`, rest = module;
  for (let match = IMPORT.exec(rest); match; match = IMPORT.exec(rest)) {
    const pairs = names(match[1] ?? "").map(([theirs, ours]) => `${theirs}:${ours}`);
    head += `${match[1] === undefined ? "" : `let{${pairs}}=`}miniLoad("${match[2]}");`;
    imports.push(match[2]!);
    rest = rest.slice(match[0].length);
  }
  return { head, rest, imports };
}

/** The modules that a module imports statically. */
export function importsOf(module: string): string[] {
  return begin(module, false).imports;
}

/** How far what follows the imports lies to the right of where it was in the module, which has it in the first line. */
export function scriptShift(module: string, isMain: boolean): number {
  const { head, rest } = begin(module, isMain);
  return head.length - (module.length - rest.length);
}

/** The function that a module becomes. Throws if it is not of the form above. */
export function moduleToFunction(name: string, module: string, isMain = false): string {
  const { head, rest } = begin(module, isMain);
  // Whatever is replaced keeps its length, so that positions can be found again (tools/where.ts).
  const body = rest.replace(
    EXPORT,
    (_, list: string) => `return{${names(list).map(([ours, theirs]) => `${theirs}:${ours}`)}};`,
  )
    .replaceAll(/\bimport( *)\("\.\/([\w.-]+)"\)/g, 'miniLazy$1("$2")')
    .replaceAll("import.meta", "importMeta ");
  const script = `${head}${body}\n})`;
  try {
    new Function(script);
  } catch (error) {
    const [, from] = /^import\b[^"]*"([^"]*)"/.exec(body) ?? [];
    const why = from ? `it imports ${from} statically` : error instanceof Error ? error.message : String(error);
    throw new Error(`${name} of the bundle cannot be made a script: ${why}`);
  }
  return script;
}

/** Where a script is, and its code cache, of no length if there is none. */
type Place = readonly [text: Range, cache: Range];

/**
 * The script that loads all others. It is written here as it is evaluated; `read` reads from the block, and `compile` takes a
 * script's text, its name and its code cache. Without that (in a worker) the texts are evaluated.
 *
 * @param hot the number of the hot script that a module is in
 * @param index where the index of the other modules is
 */
const boot = (scripts: readonly Place[], hot: Record<string, number>, index: Range, main: string, globals: object) =>
  `(function(read,compile){"use strict";Object.assign(globalThis,${JSON.stringify(globals)});` +
  `const scripts=${JSON.stringify(scripts)},hot=${JSON.stringify(hot)},functions={},` +
  `loaded=new Map(),decoder=new TextDecoder(),meta={url:"mini:",main:true};let others;` +
  `const open=(number)=>{const[[at,size],[from,length]]=scripts[number],name="mini:hot"+number+".js",` +
  `bytes=read(at,length>0?from+length-at:size),text=decoder.decode(bytes.subarray(0,size));` +
  `Object.assign(functions,compile&&length>0?compile(text,name,bytes.subarray(from-at))` +
  `:(0,eval)(text+"\\n//# sourceURL="+name))};` +
  `const find=(name)=>{const number=hot[name];if(number===undefined){` +
  `others??=JSON.parse(decoder.decode(read(${index})));return(0,eval)(decoder.decode(read(...others[name])))}` +
  `if(functions[name]===undefined)open(number);return functions[name]};` +
  `const load=(name)=>{let exports=loaded.get(name);if(exports===undefined){` +
  `if(loaded.has(name))throw new Error("the bundle's modules import each other: "+name);loaded.set(name,undefined);` +
  `try{exports=find(name)(load,start,meta)??null}` +
  `finally{exports===undefined?loaded.delete(name):loaded.set(name,exports)}}` +
  `return exports};` +
  `const start=(name)=>new Promise((done)=>done(load(name)));` +
  `return load(${JSON.stringify(main)})})`;

/**
 * Packs modules.
 *
 * @param modules the text of each by its file name
 * @param main the one that is run
 */
export function packProgram(
  modules: Readonly<Record<string, string>>,
  main: string,
  { globals = {}, hot = [], cache }: ProgramOptions = {},
): Program {
  if (!Object.hasOwn(modules, main)) throw new Error(`the bundle has no ${main}`);
  const utf8 = new TextEncoder(), parts: Uint8Array[] = [];
  let end = 0;
  const add = (bytes: Uint8Array): Range => {
    parts.push(bytes);
    end += bytes.length;
    return [end - bytes.length, bytes.length];
  };
  const place = (text: string, cache: Uint8Array | undefined): Place => {
    add(new Uint8Array(-end & 7));
    const place = add(utf8.encode(text));
    add(new Uint8Array(-end & 7));
    return [place, add(cache ?? new Uint8Array())];
  };

  const groups = hotScripts(modules, main, hot);
  const caches = cache?.(groups.map(({ script }) => script));
  const places = groups.map(({ script }, i) => place(script.text, caches?.[i]));
  const numbers = Object.fromEntries(groups.flatMap(({ modules }, i) => modules.map(([name]) => [name, i])));
  const others = Object.entries(modules).filter(([name]) => numbers[name] === undefined).map(([name, module]) => {
    const text = moduleToFunction(name, module, name === main);
    return [name, add(utf8.encode(`${text}\n//# sourceURL=mini:${name}\n`))];
  });
  const index = add(utf8.encode(JSON.stringify(Object.fromEntries(others))));
  const script = { name: "mini:boot", text: boot(places, numbers, index, main, globals) };
  const [at, bootCache] = place(script.text, cache?.([script])[0]);

  const bytes = new Uint8Array(end);
  let to = 0;
  for (const part of parts) {
    bytes.set(part, to);
    to += part.length;
  }
  return { bytes, boot: at, bootCache };
}
