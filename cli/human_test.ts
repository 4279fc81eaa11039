import { assertEquals } from "@std/assert";
import { ago, humanBinarySize, humanDuration, humanSize } from "./human.ts";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

Deno.test("durations read as Docker prints them", () => {
  const durations: [number, string][] = [
    [-5 * SECOND, "Less than a second"],
    [450, "Less than a second"],
    [1 * SECOND, "1 second"],
    [47 * SECOND, "47 seconds"],
    [1 * MINUTE, "About a minute"],
    [119 * SECOND, "About a minute"],
    [3 * MINUTE, "3 minutes"],
    [35 * MINUTE, "35 minutes"],
    [1 * HOUR, "About an hour"],
    [1 * HOUR + 29 * MINUTE, "About an hour"],
    [1 * HOUR + 45 * MINUTE, "2 hours"],
    [47 * HOUR, "47 hours"],
    [3 * DAY, "3 days"],
    [13 * DAY, "13 days"],
    [14 * DAY, "2 weeks"],
    [35 * DAY, "5 weeks"],
    [60 * DAY, "2 months"],
    [365 * DAY, "12 months"],
    [729 * DAY, "24 months"],
    [730 * DAY, "2 years"],
    [3 * 365 * DAY, "3 years"],
  ];
  for (const [milliseconds, text] of durations) assertEquals(humanDuration(milliseconds), text);
});

Deno.test("ago counts from now", () => {
  assertEquals(ago(new Date("2026-01-01T10:00:00Z"), new Date("2026-01-01T12:10:00Z")), "2 hours ago");
});

Deno.test("sizes read as Docker prints them", () => {
  assertEquals(humanSize(0), "0B");
  assertEquals(humanSize(999), "999B");
  assertEquals(humanSize(1000), "1kB");
  assertEquals(humanSize(7_797_000), "7.8MB");
  assertEquals(humanSize(187_654_321), "188MB");
  assertEquals(humanSize(1_240_000_000), "1.24GB");
  assertEquals(humanSize(1_234_567_890, 4), "1.235GB");
  assertEquals(humanSize(999_999), "1000kB");
  assertEquals(humanBinarySize(1024), "1KiB");
  assertEquals(humanBinarySize(2_088_763_392), "1.945GiB");
});
