import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { createHasher, digestOf, isDigest, parseDigest, shortId } from "./digest.ts";

const HEX = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Deno.test("only lower-case digests of known algorithms and full length are digests", () => {
  assertEquals(parseDigest(`sha256:${HEX}`), { algorithm: "sha256", hex: HEX });
  const bad = [
    "",
    HEX,
    `sha256:${HEX.toUpperCase()}`,
    `sha256:${HEX}0`,
    `sha512:${HEX}`,
    `md5:${HEX}`,
    "sha256:../../x",
    `sha256:${HEX}\n`,
  ];
  for (const text of bad) {
    assertEquals(isDigest(text), false);
    assertThrows(() => parseDigest(text), MiniError, "is not a digest");
  }
});

Deno.test("digests are computed at once and in pieces", async () => {
  const bytes = new TextEncoder().encode("abc");
  assertEquals(await digestOf(bytes), `sha256:${HEX}`);
  const hasher = await createHasher();
  for (const byte of bytes) hasher.update(new Uint8Array([byte]));
  assertEquals(hasher.digest(), `sha256:${HEX}`);
  const long = await createHasher("sha512:whatever");
  long.update(bytes);
  assertEquals(long.digest(), await digestOf(bytes, "sha512"));
});

Deno.test("a short ID is the first twelve digits", () => {
  assertEquals(shortId(`sha256:${HEX}`), "ba7816bf8f01");
});
