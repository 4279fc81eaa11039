import { assertEquals, assertThrows } from "@std/assert";
import { indexByName, op, result } from "./program.ts";

Deno.test("op makes an operation of its parts and leaves out what is not given", () => {
  assertEquals(op("getpid", [], "know ourselves"), { call: "getpid", args: [], why: "know ourselves" });
  assertEquals(op("close", [result("open")], "close it", { on: "/x", optional: true }), {
    call: "close",
    args: [{ result: "open" }],
    why: "close it",
    on: "/x",
    optional: true,
  });
});

Deno.test("names are indexed, and no two operations may have one", () => {
  const program = [op("getpid", [], "", { name: "a" }), op("getpid", [], ""), op("getpid", [], "", { name: "b" })];
  assertEquals([...indexByName(program)], [["a", 0], ["b", 2]]);
  const twice = [...program, op("getpid", [], "", { name: "a" })];
  assertThrows(() => indexByName(twice), Error, "two operations are named a");
});
