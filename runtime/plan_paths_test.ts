import { assertEquals, assertThrows } from "@std/assert";
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { components, makeInside, openInside } from "./plan_paths.ts";

Deno.test("a path is taken apart without ever leading above its root", () => {
  assertEquals(components("/a/./b/../c//", "it"), ["a", "c"]);
  assertEquals(components("/", "it"), []);
  assertEquals(components("/../../etc/..", "it"), []);
  for (const path of ["", "a", "./a", "../a"]) assertThrows(() => components(path, "it"), MiniError, "absolute");
});

Deno.test("the kernel resolves paths, below the root's descriptor and without magic links", () => {
  const { call, args } = openInside(["etc", "passwd"], "look");
  assertEquals([call, args[0], args[1]], ["openat2", { result: "root" }, "etc/passwd"]);
  const { words } = args[2] as { words: number[] };
  assertEquals(words[2], RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  assertEquals(openInside([], "look").args[1], ".");
});

Deno.test("making a place walks down from the root, folder by folder", () => {
  const operations = makeInside(["a", "b", "file"], "file", "place");
  assertEquals(operations.map(({ call }) => call), [
    "openat2",
    ...["openat2", "mkdirat", "openat2", "mkdirat", "openat2", "mknodat"],
    "openat2",
  ]);
  // Where it is there already, everything up to the last is passed over.
  assertEquals(operations[0]!.jump, { when: ">=", to: "place" });
  assertEquals(operations.at(-1)!.name, "place");
  // Names are single: nothing is ever made through a path that links could redirect.
  for (const { call, args } of operations) if (call !== "openat2") assertEquals(String(args[1]).includes("/"), false);
});
