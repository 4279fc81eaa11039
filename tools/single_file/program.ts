/**
 * Packs the modules that `deno bundle --code-splitting --minify` writes into one block of bytes, of which a start reads only
 * what it needs. V8 looks through all the text that it is given, at 30 ms a megabyte; so each module stays a text of its
 * own until something imports it.
 *
 * Every module becomes a function that returns its exports:
 *
 *     import{a as b}from"./x.js";…import("./y.js")…export{c as d};
 *     (function(miniLoad,miniLazy,importMeta){"use strict";let{a:b}=miniLoad("x.js");…miniLazy("y.js")…return{d:c};})
 *
 * An importer gets the values that a module's exports have at its end: an exported variable that changes later would not
 * be followed (a test forbids them). The main module alone may `await` at its top level.
 *
 * The block begins with the *boot* script, which is evaluated first and given the block; the others follow.
 */

/** The packed program. */
export interface Program {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many of the first bytes are the boot script. */
  readonly bootLength: number;
}

const IMPORT = /^import(?:\{([^}]*)\}from)?"\.\/([\w.-]+)";/;
const EXPORT = /export\{([^}]*)\};\s*$/;

/** `a as b,c` of an import or export, as pairs. */
const names = (list: string) =>
  list.split(",").filter((name) => name !== "").map((name) => {
    const [first, second] = name.trim().split(" as ") as [string, string?];
    return [first, second ?? first] as const;
  });

/** What a script begins with in the place of the module's imports, and what follows them. */
function begin(module: string, isMain: boolean): { head: string; rest: string } {
  let head = `(${isMain ? "async " : ""}function(miniLoad,miniLazy,importMeta){"use strict";`, rest = module;
  for (let match = IMPORT.exec(rest); match; match = IMPORT.exec(rest)) {
    const pairs = names(match[1] ?? "").map(([theirs, ours]) => `${theirs}:${ours}`);
    head += `${match[1] === undefined ? "" : `let{${pairs}}=`}miniLoad("${match[2]}");`;
    rest = rest.slice(match[0].length);
  }
  return { head, rest };
}

/** How far what follows the imports lies to the right of where it was in the module, which has it in the first line. */
export function scriptShift(module: string, isMain: boolean): number {
  const { head, rest } = begin(module, isMain);
  return head.length - (module.length - rest.length);
}

/** The script that a module becomes. Throws if it is not of the form above. */
export function moduleToScript(name: string, module: string, isMain = false): string {
  const { head, rest } = begin(module, isMain);
  // Whatever is replaced keeps its length, so that positions can be found again (tools/where.ts).
  const body = rest.replace(
    EXPORT,
    (_, list: string) => `return{${names(list).map(([ours, theirs]) => `${theirs}:${ours}`)}};`,
  )
    .replaceAll(/\bimport\("\.\/([\w.-]+)"\)/g, 'miniLazy("$1")')
    .replaceAll("import.meta", "importMeta ");
  const script = `${head}${body}\n})`;
  try {
    new Function(script);
  } catch (error) {
    const [, from] = /^import\b[^"]*"([^"]*)"/.exec(body) ?? [];
    const why = from ? `it imports ${from} statically` : error instanceof Error ? error.message : String(error);
    throw new Error(`${name} of the bundle cannot be made a script: ${why}`);
  }
  return `${script}\n//# sourceURL=mini:${name}\n`;
}

/** The script that loads all others. It is written here as it is evaluated; `block` are the packed bytes. */
const boot = (table: string, main: string, globals: string) =>
  `(function(block){"use strict";Object.assign(globalThis,${globals});` +
  `const table=${table},loaded=new Map(),decoder=new TextDecoder(),meta={url:"mini:",main:true};` +
  `const load=(name)=>{let exports=loaded.get(name);if(exports===undefined){` +
  `if(loaded.has(name))throw new Error("the bundle's modules import each other: "+name);loaded.set(name,undefined);` +
  `const[at,size]=table[name];` +
  `try{exports=(0,eval)(decoder.decode(block.subarray(at,at+size)))(load,start,meta)??null}` +
  `finally{exports===undefined?loaded.delete(name):loaded.set(name,exports)}}` +
  `return exports};` +
  `const start=(name)=>new Promise((done)=>done(load(name)));` +
  `return load(${main})})\n//# sourceURL=mini:boot\n`;

/**
 * Packs modules.
 *
 * @param modules the text of each by its file name
 * @param main the one that is run
 * @param globals what they find as global variables
 */
export function packProgram(
  modules: Readonly<Record<string, string>>,
  main: string,
  globals: Readonly<Record<string, string>> = {},
): Program {
  if (!Object.hasOwn(modules, main)) throw new Error(`the bundle has no ${main}`);
  const utf8 = new TextEncoder();
  const scripts = Object.entries(modules).map(([name, module]) =>
    [name, utf8.encode(moduleToScript(name, module, name === main))] as const
  );
  const bootScript = (start: number) => {
    let at = start;
    const table: Record<string, [number, number]> = {};
    for (const [name, bytes] of scripts) {
      table[name] = [at, bytes.length];
      at += bytes.length;
    }
    return utf8.encode(boot(JSON.stringify(table), JSON.stringify(main), JSON.stringify(globals)));
  };
  // How long the table is depends on the offsets in it, which depend on that.
  let start = 0;
  while (bootScript(start).length > start) start = bootScript(start).length;
  const head = bootScript(start);
  const bytes = new Uint8Array(scripts.reduce((sum, [, script]) => sum + script.length, start)).fill(0x0a, 0, start);
  bytes.set(head);
  let at = start;
  for (const [, script] of scripts) {
    bytes.set(script, at);
    at += script.length;
  }
  return { bytes, bootLength: start };
}
