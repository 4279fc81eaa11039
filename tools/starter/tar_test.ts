import { assertEquals, assertThrows } from "@std/assert";
import { tar } from "./tar.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0.*$/s, "");

Deno.test("an archive holds its entries in the order of their paths", () => {
  const archive = tar([
    { path: "b", mode: 0o644, content: "hello" },
    { path: "a", mode: 0o1777 },
    { path: "a/link", mode: 0o777, link: "../b" },
  ]);
  const entries = [0, 512, 1024].map((at) => ({
    path: text(archive.subarray(at, at + 100)),
    mode: text(archive.subarray(at + 100, at + 108)),
    type: String.fromCharCode(archive[at + 156]!),
    link: text(archive.subarray(at + 157, at + 257)),
  }));
  assertEquals(entries, [
    { path: "a/", mode: "0001777", type: "5", link: "" },
    { path: "a/link", mode: "0000777", type: "2", link: "../b" },
    { path: "b", mode: "0000644", type: "0", link: "" },
  ]);
  assertEquals(text(archive.subarray(1536, 2048)), "hello");
  assertEquals(archive.length, 1536 + 512 + 1024);
});

Deno.test("the checksum of a header is the sum of its bytes with blanks in the checksum's place", () => {
  const archive = tar([{ path: "x", mode: 0o755 }]).slice(0, 512);
  const stored = parseInt(text(archive.subarray(148, 156)), 8);
  archive.fill(0x20, 148, 156);
  assertEquals(stored, archive.reduce((sum, byte) => sum + byte, 0));
});

Deno.test("a path that does not fit into a header is refused", () => {
  assertThrows(() => tar([{ path: "x".repeat(101), mode: 0o644, content: "" }]), Error, "too long for a ustar header");
});
