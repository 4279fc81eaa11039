import { assertEquals } from "@std/assert";
import { isMissing, PROBED } from "./available.ts";

Deno.test("the calls that this kernel has are not missing, with privileges and without", () => {
  for (const call of PROBED) assertEquals([call, isMissing(call)], [call, false]);
});
