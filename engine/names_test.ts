import { assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { checkHostname, checkName, randomId, randomName } from "./names.ts";

Deno.test("names are letters, digits and three signs, two at least", () => {
  for (const name of ["ab", "a.b", "A_1-x", "0b", "a".repeat(255)]) checkName(name);
  for (const name of ["", "a", "-a", ".a", "_a", "a b", "a/b", "../x", "a\n", "ü2", "a\0b", "a".repeat(256)]) {
    assertThrows(() => checkName(name), MiniError, "not a name");
  }
});

Deno.test("made-up names and ids are names and ids", () => {
  for (let i = 0; i < 200; i++) checkName(randomName());
  assertMatch(randomId(), /^[0-9a-f]{64}$/);
  assertNotEquals(randomId(), randomId());
});

Deno.test("host names are what can stand in /etc/hosts", () => {
  for (const name of ["a", "web-1.example", "a_b", "1", "a".repeat(64)]) assertEquals(checkHostname(name), undefined);
  for (const name of ["", "-a", "a-", ".", "a b", "a\nb", "ü", "a/b", "a".repeat(65)]) {
    assertThrows(() => checkHostname(name), MiniError, "not a host name");
  }
});
