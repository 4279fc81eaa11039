/**
 * Code caches: the bytecode that V8 makes of a script, kept in the one file. A start that is given it neither reads nor
 * compiles what it runs: of the 46 ms of processor time that `mini run` takes beyond an empty program, that was 18.
 *
 * V8 takes a cache only from the same version with the same flags, for a text of the same length, and compiles where it does
 * not. So it is made by the `deno` executable that the one file is built on.
 */
import type { Script } from "./program.ts";

/** What a code cache begins with, in words of 32 bits: a mark, V8's version, the text's length, V8's flags, its snapshot. */
const HEADER_BYTES = 20;
/** Where the hash of the flags is in that. */
const FLAG_HASH = 12;
const MAKER = new URL("./code_cache_maker.ts", import.meta.url).pathname;

/** Makes the code caches of these texts with all functions in them. */
function make(texts: readonly string[], v8Flags: string): Uint8Array<ArrayBuffer>[] {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/texts.json`, JSON.stringify(texts));
    const { success, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", "--no-lock", `--v8-flags=${v8Flags}`, MAKER, folder],
      stdin: "null",
    }).outputSync();
    if (!success) throw new Error(`no code caches can be made: ${new TextDecoder().decode(stderr).trim()}`);
    return texts.map((_, i) => Deno.readFileSync(`${folder}/${i}.cache`));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/**
 * Makes code caches for programs that run with the flags `v8Flags`, with every function of the scripts in them.
 *
 * V8 would put into them only functions that have run, or all of them with --no-lazy, and then with the hash of its flags that
 * says so. What else is in a cache does not depend on that flag; so it gets the hash that caches have without it.
 */
export function makeCodeCaches(scripts: readonly Script[], v8Flags: string): Uint8Array<ArrayBuffer>[] {
  const probe = "0";
  const [lazy] = make([probe], v8Flags);
  const [eager, ...caches] = make([probe, ...scripts.map(({ text }) => text)], `${v8Flags},--no-lazy`);
  if (!lazy || !eager) throw new Error("no code caches were made");
  const hash = lazy.subarray(FLAG_HASH, FLAG_HASH + 4);
  const isFlags = (at: number) => at >= FLAG_HASH && at < FLAG_HASH + hash.length;
  // Nothing else may differ, or this is another V8 than the one that this was written for.
  if (!lazy.subarray(0, HEADER_BYTES).every((byte, at) => (eager[at] === byte) || isFlags(at))) {
    throw new Error("a code cache of this V8 does not begin as they did");
  }
  for (const cache of caches) cache.set(hash, FLAG_HASH);
  return caches;
}
