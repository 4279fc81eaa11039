/**
 * Makes one executable file of the `deno` executable, our JavaScript and other files. Nothing is extracted when it runs:
 *
 *     the deno executable, with one program header and the entry point changed
 *     the start code and its lists (start_code.ts), and snippets (ffi/kernel.ts), in a segment of their own
 *     the program (program.ts), the embedded files, the index of both (ffi/self.ts)
 *
 * The module that Deno is given is a `data:` URL of one line, which reads the program's boot script from the file's end and
 * evaluates it. (Given as a module, it would be parsed once more by Deno in search of imports: 10 ms for 250 kB.)
 */
import { linkSnippets } from "../../ffi/kernel.ts";
import { link } from "../../ffi/machine_code.ts";
import { encodeIndex } from "../../ffi/self.ts";
import { Elf, SEGMENT_ALIGNMENT } from "./elf.ts";
import type { Program } from "./program.ts";
import { encodeLists, type Rule } from "./start_code.ts";
import { startAarch64 } from "./start_aarch64.ts";
import { startX86_64 } from "./start_x86_64.ts";

/**
 * Without threads of its own for collecting garbage and compiling, V8 starts 0.8 ms earlier; four workers that inflate and
 * hash were measured to be as fast as with them. A young generation that takes a whole short command saves its garbage
 * collections, 1 ms of 23 for `run`.
 */
export const V8_FLAGS = "--single-threaded,--min-semi-space-size=16";

/** What Deno itself is told; the module and the user's arguments follow. */
const DENO_ARGS = [
  ...["deno", "run", "-A", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-code-cache"],
  `--v8-flags=${V8_FLAGS}`,
];

/** Variables that Deno starts with. */
const DENO_ENV = [
  // A folder that cannot be made: nothing is cached in the user's home, and nothing that others could write is read.
  "DENO_DIR=/dev/null",
  "DENO_NO_UPDATE_CHECK=1",
  // On a terminal Deno would say each time that it cannot cache anything there.
  "DENO_LOG=error,deno::cache::cache_db=off",
  // Deno puts a program named `node` into PATH where there is none; what we start must not find it.
  "DENO_DISABLE_NODE_SHIM=1",
];

/**
 * The user's variables that do not reach Deno, because they would change what it does, load code or write files. Those
 * about certificates and proxies are the user's to set.
 */
const RULES: Rule[] = [
  { prefix: "DENO_CERT=", keep: true },
  { prefix: "DENO_TLS_CA_STORE=", keep: true },
  { prefix: "DENO_", keep: false },
  { prefix: "NODE_EXTRA_CA_CERTS=", keep: true },
  { prefix: "NODE_USE_ENV_PROXY=", keep: true },
  { prefix: "NODE_", keep: false },
  { prefix: "OTEL_", keep: false },
];

/** Where in our segment the machine code is that ffi/kernel.ts would otherwise have to map. */
const SNIPPETS_AT = SEGMENT_ALIGNMENT - 4096;

/** The address of that code, if it is known because the executable has an address (prelink.ts). */
export function snippetsAddress(deno: Uint8Array<ArrayBuffer>): number | undefined {
  const elf = new Elf(deno);
  return elf.isFixed ? elf.freeAddress + SNIPPETS_AT : undefined;
}

const align = (offset: number) => Math.ceil(offset / SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT;

/**
 * The module of one line: reads the boot script and gives it what it needs (program.ts). Only characters that stand for
 * themselves in a data URL.
 */
function loader(offset: number, { boot: [at, length], bootCache: [from, cached] }: Program): string {
  return "data:application/javascript," +
    `let%20r=(a,n)=>{let%20f=Deno.openSync("/proc/self/exe"),b=new%20Uint8Array(n),d=0,k;f.seekSync(${offset}+a,0);` +
    `while(d<n&&(k=f.readSync(b.subarray(d))))d+=k;f.close();return%20b},` +
    `b=r(${at},${cached > 0 ? from + cached - at : length}),t=new%20TextDecoder().decode(b.subarray(0,${length})),` +
    `c=${cached > 0 ? "globalThis.Storage" : "undefined"};` +
    `await(c?c(t,"mini:boot",b.subarray(${from - at})):(0,eval)(t))(r,c)`;
}

/**
 * The bytes of the one file. `deno` is the executable to build on (changed in place; if `program`, which it runs, has code
 * caches, openCompiler has changed it already), `files` are embedded. Throws if it is not an executable as Deno's are.
 */
export function singleFile(
  deno: Uint8Array<ArrayBuffer>,
  program: Program,
  files: Record<string, Uint8Array<ArrayBuffer>>,
): Blob {
  const elf = new Elf(deno);
  const start = [startX86_64, startAarch64].find((code) => code.elfMachine === elf.machine);
  if (!start) throw new Error(`there is no start code for ELF machine ${elf.machine}`);
  const code = link(start.lines, start.setDistance);
  const address = elf.freeAddress, segmentAt = align(deno.length);
  const lists = (module: string) =>
    encodeLists({
      address: address + code.length,
      environSlot: elf.slotOf("environ", start.globDat),
      entry: elf.entry,
      args: [...DENO_ARGS, module],
      env: DENO_ENV,
      rules: RULES,
    });
  const content = { "mini.js": program.bytes, ...files };
  // The lists hold the loader, and the loader where the script begins: behind a page that is large enough for them.
  const contentAt = align(segmentAt + 1);
  const module = lists(loader(contentAt, program));
  if (code.length + module.length > SNIPPETS_AT) throw new Error("the start code's lists are too long");
  const snippets = linkSnippets();
  elf.addSegment(segmentAt, address, SNIPPETS_AT + snippets.length);

  const index: Record<string, [number, number]> = {};
  let at = contentAt;
  for (const [name, bytes] of Object.entries(content)) {
    index[name] = [at, bytes.length];
    at += bytes.length;
  }
  const zeros = (from: number, to: number) => new Uint8Array(to - from);
  return new Blob([
    deno,
    zeros(deno.length, segmentAt),
    code,
    module,
    zeros(code.length + module.length, SNIPPETS_AT),
    snippets,
    zeros(segmentAt + SNIPPETS_AT + snippets.length, contentAt),
    ...Object.values(content),
    encodeIndex(index, at),
  ]);
}
