import { assertEquals } from "@std/assert";
import { lastOfEach } from "./environment.ts";

Deno.test("of variables with one name the last one counts", () => {
  assertEquals(lastOfEach(["A=1", "B=2", "A=3", "C=x=y", "C=", "D"]), ["B=2", "A=3", "C=", "D"]);
  assertEquals(lastOfEach([]), []);
});
