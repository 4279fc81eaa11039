import { assert, assertEquals, assertThrows } from "@std/assert";
import { openCompiler } from "./compiler.ts";

const THEIRS =
  '"use strict"; return ((function(){const{core:e}=__bootstrap;const{op_webstorage_iterate_keys:n,Storage:r}=e.ops;' +
  `${"/* more */".repeat(50)}return{localStorage,sessionStorage,Storage:r}})());`;
const OTHER = '"use strict"; return ((function(){return{prompt}})());';
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("our script takes the place of Deno's, and nothing else moves", () => {
  const deno = bytes(`ELF ${OTHER}${THEIRS}${OTHER} end`);
  openCompiler(deno);
  const text = new TextDecoder().decode(deno);
  assert(text.startsWith(`ELF ${OTHER}`) && text.endsWith(`${OTHER} end`), text);
  const ours = text.slice(4 + OTHER.length, -4 - OTHER.length);
  assertEquals(ours.length, THEIRS.length);

  // Evaluated as Deno does, it provides a function in the place of Storage.
  const ops = {
    op_vm_create_script: (text: string, name: string, _line: number, _column: number, cache: unknown) => ({
      value: { text, name, cache },
    }),
    op_vm_script_run_in_context: (script: unknown) => ({ script }),
  };
  const provided = new Function("__bootstrap", ours)({ core: { ops } });
  assertEquals(provided.Storage("1", "mini:x", "cache"), { script: { text: "1", name: "mini:x", cache: "cache" } });
});

Deno.test("another Deno than those that are known is refused", () => {
  for (const text of ["", OTHER, THEIRS + THEIRS, THEIRS.replace("return{", "return {"), THEIRS.slice(20)]) {
    assertThrows(() => openCompiler(bytes(text)), Error, "Deno's script of localStorage is not where it was");
  }
});
