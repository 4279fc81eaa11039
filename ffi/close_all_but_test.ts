import { assertEquals } from "@std/assert";
import { gaps } from "./close_all_but.ts";

Deno.test("the ranges between descriptors leave out those alone", () => {
  assertEquals(gaps(3, []), [[3, 0xffffffff]]);
  assertEquals(gaps(3, [7, 3, 4, 7, 1]), [[5, 6], [8, 0xffffffff]]);
  assertEquals(gaps(0, [0xffffffff]), [[0, 0xfffffffe]]);
});
