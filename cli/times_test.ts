import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { formatMoment, parseMoment, parseMomentNanoseconds } from "./times.ts";

const NOW = Date.UTC(2026, 0, 31, 12);

Deno.test("moments are dates, seconds, or how long ago", () => {
  const moments: [string, number][] = [
    ["1767225600", 1_767_225_600_000],
    ["1767225600.25", 1_767_225_600_250],
    ["2026-01-31T12:00:00Z", NOW],
    ["2026-01-31T13:00+01:00", NOW],
    ["2026-01-31T12:00:00.5Z", NOW + 500],
    ["2026-01-31Z", NOW - 12 * 3_600_000],
    ["2026-01-31", new Date(2026, 0, 31).getTime()],
    ["2026-01-31T12:00:00", new Date(2026, 0, 31, 12).getTime()],
    ["90s", NOW - 90_000],
    ["-1h", NOW + 3_600_000],
    ["0", 0],
  ];
  for (const [text, time] of moments) assertEquals(parseMoment(text, "it", NOW), time, text);
});

Deno.test("moments are as exact as they are given", () => {
  const second = BigInt(NOW) * 1_000_000n;
  for (
    const text of ["2026-01-31T12:00:00.123456789Z", "2026-01-31T13:00:00.123456789+01:00", `${NOW / 1000}.123456789`]
  ) {
    assertEquals(parseMomentNanoseconds(text, "it"), second + 123_456_789n, text);
  }
  assertEquals(parseMomentNanoseconds("2026-01-31T12:00:00.5Z", "it"), second + 500_000_000n);
  const ago = BigInt(Date.now()) * 1_000_000n - parseMomentNanoseconds("1.5s", "it");
  assertEquals(ago / 1_000_000_000n, 1n);
  assertThrows(() => parseMomentNanoseconds("soon.5", "it"), MiniError, "it is a time such as");
});

Deno.test("what is no moment is refused", () => {
  for (const text of ["", "soon", "2026-13-01", "12:00", "1e9"]) {
    assertThrows(() => parseMoment(text, "the filter until", NOW), MiniError, "the filter until is a time such as");
  }
});

Deno.test("a moment is printed with nanoseconds and its zone", () => {
  const nanoseconds = NOW * 1e6 + 123_456_000;
  const text = formatMoment(nanoseconds);
  assertEquals(/\.123456000(Z|[+-]\d\d:\d\d)$/.test(text), true, text);
  assertEquals(formatMoment(1_795_514_614_219_937_000).slice(20, 29), "219937000");
  assertEquals(parseMoment(text, "it"), Math.floor(nanoseconds / 1e6));
});
