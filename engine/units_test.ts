import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { parseBytes, parseDuration } from "./units.ts";

Deno.test("parseBytes reads Docker's sizes in powers of 1024", () => {
  assertEquals(parseBytes("0"), 0);
  assertEquals(parseBytes("512"), 512);
  assertEquals(parseBytes("512b"), 512);
  assertEquals(parseBytes("64m"), 64 * 1024 ** 2);
  assertEquals(parseBytes("64M"), 64 * 1024 ** 2);
  assertEquals(parseBytes("64MB"), 64 * 1024 ** 2);
  assertEquals(parseBytes("1.5GiB"), 1.5 * 1024 ** 3);
  assertEquals(parseBytes("2 kb"), 2048);
});

Deno.test("parseBytes refuses what is no size", () => {
  for (const text of ["", "m", "-1", "1x", "1e3", "64mm", "1.m", " 1", "1\n", "9999999p", "0x10"]) {
    assertThrows(() => parseBytes(text), MiniError, "size");
  }
});

Deno.test("parseDuration reads Go's durations in milliseconds", () => {
  assertEquals(parseDuration("0"), 0);
  assertEquals(parseDuration("90s"), 90_000);
  assertEquals(parseDuration("1h30m"), 5_400_000);
  assertEquals(parseDuration("1.5s"), 1500);
  assertEquals(parseDuration("250ms"), 250);
  assertEquals(parseDuration("-10s"), -10_000);
  assertEquals(parseDuration("1m0.5s"), 60_500);
});

Deno.test("parseDuration refuses what is no duration", () => {
  for (const text of ["", "5", "s", "1 s", "1d", "1h30", "1..5s", "9999999h", "1s\n"]) {
    assertThrows(() => parseDuration(text), MiniError, "duration");
  }
});
