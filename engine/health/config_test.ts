import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { checkHealthFlags, healthcheckOf, probeOf, timingOf } from "./config.ts";
import { describeTime } from "./probe.ts";

const SECOND = 1e9;

function refuses(body: () => unknown, ...words: string[]): void {
  const { message } = assertThrows(body, MiniError);
  for (const word of words) assertStringIncludes(message, word);
}

Deno.test("flags go before what the image says, one by one", () => {
  const image = { Healthcheck: { Test: ["CMD", "/check"], Interval: 5 * SECOND, Retries: 9 } };
  assertEquals(healthcheckOf({ none: false }, {}), undefined);
  assertEquals(healthcheckOf({ none: false }, image), { check: image.Healthcheck });
  assertEquals(healthcheckOf({ none: false, timeout: 1500, retries: 2 }, image), {
    check: { Test: ["CMD", "/check"], Interval: 5 * SECOND, Retries: 2, Timeout: 1.5 * SECOND },
  });
  assertEquals(healthcheckOf({ none: false, command: "true", interval: 0, onFailure: "kill" }, image), {
    check: { Test: ["CMD-SHELL", "true"], Interval: 5 * SECOND, Retries: 9 },
    onFailure: "kill",
  });
  assertEquals(healthcheckOf({ none: true }, image), { check: { Test: ["NONE"] } });
  assertEquals(healthcheckOf({ none: false }, { ...image, Shell: ["/bin/ash", "-ec"] })?.shell, ["/bin/ash", "-ec"]);
  // What an image has switched off stays so.
  assertEquals(healthcheckOf({ none: false }, { Healthcheck: { Test: ["NONE"] } }), { check: { Test: ["NONE"] } });
});

Deno.test("flags that mean nothing are refused", () => {
  refuses(() => checkHealthFlags({ none: true, command: "x" }), "--no-healthcheck");
  refuses(() => checkHealthFlags({ none: true, retries: 0 }), "--no-healthcheck");
  refuses(() => checkHealthFlags({ none: false, interval: 0.5 }), "--health-interval", "1ms");
  refuses(() => checkHealthFlags({ none: false, startPeriod: 1e-3 }), "--health-start-period");
  checkHealthFlags({ none: false, interval: 0, timeout: 1 });
  checkHealthFlags({ none: true });
  refuses(() => healthcheckOf({ none: false, interval: 5 }, {}), "--health-cmd");
  refuses(() => healthcheckOf({ none: false, onFailure: "kill" }, { Healthcheck: { Test: ["NONE"] } }), "--health-cmd");
});

Deno.test("what is run: a command as it is, or one for a shell", () => {
  const probe = (...Test: string[]) => probeOf({ check: { Test } });
  assertEquals([probe(), probeOf({ check: {} }), probe("NONE")], [undefined, undefined, undefined]);
  assertEquals(probe("CMD", "a", "b c"), ["a", "b c"]);
  assertEquals(probe("CMD-SHELL", "a | b"), ["/bin/sh", "-c", "a | b"]);
  assertEquals(probeOf({ check: { Test: ["CMD-SHELL", "a"] }, shell: ["/bin/x", "-y"] }), ["/bin/x", "-y", "a"]);
  for (const bad of [["CMD"], ["CMD-SHELL"], ["CMD-SHELL", "a", "b"], ["curl", "x"], ["cmd", "x"]]) {
    refuses(() => probe(...bad), "--no-healthcheck");
  }
});

Deno.test("times have Docker's defaults, and none keeps the host busy or overflows a timer", () => {
  assertEquals(timingOf({}), { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000, retries: 3 });
  assertEquals(
    timingOf({ Interval: 0, Timeout: 2 * SECOND, StartPeriod: 3 * SECOND, StartInterval: SECOND, Retries: 7 }),
    {
      interval: 30_000,
      timeout: 2000,
      startPeriod: 3000,
      startInterval: 1000,
      retries: 7,
    },
  );
  assertEquals(timingOf({ Interval: 1, Timeout: 9e15 }), { ...timingOf({}), interval: 10, timeout: 2 ** 31 - 1 });
});

Deno.test("times as Docker writes them", () => {
  assertEquals([250, 1000, 1500, 30_000, 90_000, 3_600_000, 3_661_500].map(describeTime), [
    "250ms",
    "1s",
    "1.5s",
    "30s",
    "1m30s",
    "1h0m0s",
    "1h1m1.5s",
  ]);
});
