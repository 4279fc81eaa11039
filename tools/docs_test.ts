import { assert } from "@std/assert";
import { REFERENCE, reference } from "./docs.ts";

Deno.test("docs/commands.md is what the table of commands says", () => {
  assert(Deno.readTextFileSync(REFERENCE) === reference(), "run 'deno task docs' and commit docs/commands.md");
});
