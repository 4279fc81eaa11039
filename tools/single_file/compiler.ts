/**
 * How a program in the one file comes to V8's compiler, to give it code caches. Deno has that for `node:vm` only, which loads
 * so much of Node that nothing would be gained. So one script of Deno's own takes the place of another: Deno has those that
 * only some programs need as text in its executable, and evaluates one when what it provides is first asked for. That of
 * `Storage` and `localStorage` is not needed here. `globalThis.Storage` becomes a function that compiles and runs a script.
 *
 * Workers do not have `Storage`; they evaluate their texts.
 */

/** What is in their script and nowhere else, how each script of Deno's begins, and how theirs ends. */
const THEIRS = "{op_webstorage_iterate_keys:",
  BEGIN = '"use strict"; return (',
  END = /return\{localStorage,sessionStorage,Storage:\w+\}\}\)\(\)\);/;
/** They are of some 1500 bytes. */
const MOST_BYTES = 4000;

/** Run in the current context (no object of its own), with no time limit. The first -1 lets import() find Deno's modules. */
const OURS = `${BEGIN}(function(){const{op_vm_create_script:c,op_vm_script_run_in_context:r}=__bootstrap.core.ops;` +
  "return{Storage:(text,name,cache)=>r(c(text,name,0,0,cache,false,undefined,-1).value,undefined,-1,false,false)}})());";

/**
 * Puts our script into the bytes of the `deno` executable, in the place of theirs, filled up with spaces.
 *
 * @throws {Error} if theirs is not there as it is in the versions of Deno that are known.
 */
export function openCompiler(deno: Uint8Array): void {
  // A character for each byte.
  const text = new TextDecoder("latin1").decode(deno);
  const found = text.indexOf(THEIRS);
  const begin = text.lastIndexOf(BEGIN, found);
  const theirs = text.slice(begin, begin + MOST_BYTES);
  const end = END.exec(theirs);
  if (found < 0 || begin < 0 || !end || begin + end.index < found || text.includes(THEIRS, found + 1)) {
    throw new Error("Deno's script of localStorage is not where it was");
  }
  deno.set(new TextEncoder().encode(OURS.padEnd(end.index + end[0].length)), begin);
}
