import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { cleanPath, shortPath } from "./unpack_path.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const clean = (text: string) => new TextDecoder().decode(cleanPath(bytes(text)));

Deno.test("a name is cleaned as Docker cleans it", () => {
  const cases: Record<string, string> = {
    "": "",
    ".": "",
    "/": "",
    "./": "",
    "././": "",
    "etc/passwd": "etc/passwd",
    "./etc/passwd": "etc/passwd",
    "/etc//passwd/": "etc/passwd",
    "a/./b": "a/b",
    "a/.": "a",
    "a/b/..": "a",
    "a/../b": "b",
    "a/..": "",
    ".profile": ".profile",
    "..data/...x/.": "..data/...x",
    "a/.b/..c": "a/.b/..c",
  };
  for (const [name, expected] of Object.entries(cases)) assertEquals(clean(name), expected, name);
  const long = `${"d/".repeat(400)}${"n".repeat(255)}`;
  assertEquals(clean(long), long);
  assertEquals(cleanPath(new Uint8Array([0x2f, 0xff, 0xfe])), new Uint8Array([0xff, 0xfe]));
});

Deno.test("what leads out or is too long for any file is refused", () => {
  for (const name of ["..", "../x", "/..", "a/../..", "./../x", "a/b/../../../c"]) {
    assertThrows(() => clean(name), MiniError, "leads out of the root");
  }
  assertThrows(() => clean("n".repeat(256)), MiniError, "too long");
  assertThrows(() => clean("a/".repeat(2049)), MiniError, "too long");
});

Deno.test("a name in a message is short and steers no terminal", () => {
  assertEquals(shortPath(bytes("a\x1b[2J\nb")), "a\\x1b[2J\\x0ab");
  assertEquals(shortPath(new Uint8Array(1000).fill(65)).length, 201);
});
