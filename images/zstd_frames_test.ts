import { assertEquals, assertRejects } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { MiniError } from "../ffi/errors.ts";
import { inflate } from "./unpack_inflate.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();
function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
async function* pieces(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
async function plain(bytes: Uint8Array, length = bytes.length): Promise<string> {
  let text = "";
  await inflate(pieces(bytes, length), (piece) => (text += decoder.decode(piece)), "the test");
  return text;
}
const hello = encoder.encode("hello, ".repeat(20000)), world = encoder.encode("world");
const skippable = new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
const expected = decoder.decode(hello) + "world";

Deno.test("plain, gzip and zstd bytes of several members and frames are inflated, in pieces of any length", async () => {
  const gz = concat(gzipSync(hello), gzipSync(world));
  const zst = concat(skippable, zstdCompressSync(hello), skippable, zstdCompressSync(world), skippable);
  for (const length of [1, 3, 100, 1 << 20]) {
    assertEquals(await plain(gz, length), expected);
    assertEquals(await plain(zst, length), expected);
    assertEquals(await plain(concat(hello, world), Math.max(length, 100)), expected);
  }
  assertEquals(await plain(encoder.encode("tiny")), "tiny");
  assertEquals(await plain(new Uint8Array(), 1), "");
});

Deno.test("data that is damaged, cut off or compressed by something else is refused", async () => {
  const gz = new Uint8Array(gzipSync(hello)), zst = new Uint8Array(zstdCompressSync(hello));
  const refused = (bytes: Uint8Array, why: string) => assertRejects(() => plain(bytes, 1000), MiniError, why);
  await refused(gz.subarray(0, gz.length - 3), "the test is damaged: gzip");
  await refused(gz.with(gz.length - 6, gz[gz.length - 6]! ^ 1), "damaged");
  await refused(gz.with(30, gz[30]! ^ 0xff), "damaged");
  await refused(zst.subarray(0, zst.length - 3), "middle of a zstd frame");
  await refused(concat(zst, world), "no zstd frame");
  await refused(new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), "compressed with xz");
  await refused(encoder.encode("BZh91AY&SY"), "compressed with bzip2");
});

Deno.test("a failure of whoever takes the bytes ends the inflating", async () => {
  for (const bytes of [gzipSync(hello), zstdCompressSync(hello), hello]) {
    const take = () => {
      throw new MiniError("enough");
    };
    await assertRejects(() => inflate(pieces(bytes, 100), take, "the test"), MiniError, "enough");
  }
});
