import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { DetachKeys, parseDetachKeys } from "./detach_keys.ts";

Deno.test("detach keys are letters and control letters", () => {
  assertEquals(parseDetachKeys("ctrl-p,ctrl-q"), [16, 17]);
  assertEquals(parseDetachKeys("a,Z,~"), [97, 90, 126]);
  assertEquals(parseDetachKeys("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL"), [0, 27, 28, 29, 30, 31, 127]);
  assertEquals(parseDetachKeys(""), []);
  for (const text of ["ctrl-", "ctrl-1", "ab", "a,,b", "alt-x", "é"]) {
    assertThrows(() => parseDetachKeys(text), MiniError, "is no key");
  }
});

/** What goes on of what is typed in these parts, and whether the keys were found. */
function type(keys: string, ...parts: string[]): [string, boolean] {
  let found = false;
  const detach = new DetachKeys([...keys].map((key) => key.charCodeAt(0)), () => found = true);
  const passed = parts.map((part) => new TextDecoder().decode(detach.filter(new TextEncoder().encode(part))));
  return [passed.join(""), found];
}

Deno.test("detach keys are found in whatever parts they are typed, and nothing else is held back for good", () => {
  assertEquals(type("pq", "a", "p", "q"), ["a", true]);
  assertEquals(type("pq", "apq"), ["a", true]);
  assertEquals(type("pq", "p", "x", "q"), ["pxq", false]);
  assertEquals(type("pq", "p", "p", "q"), ["p", true]);
  assertEquals(type("aab", "aaab"), ["a", true]);
  assertEquals(type("abac", "ababac"), ["ab", true]);
  assertEquals(type("pq", "p"), ["", false]);
  assertEquals(type("", "pq"), ["pq", false]);
});
