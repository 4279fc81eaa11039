import { assert, assertEquals, assertRejects } from "@std/assert";
import { backoffMs, parseRetryAfter, pause, retry } from "./retry.ts";

class Passing extends Error {
  readonly transient = true;
  constructor(readonly retryAfterMs?: number) {
    super("passing");
  }
}
const FAST = { attempts: 3, firstDelayMs: 1, longestDelayMs: 4 };

Deno.test("what fails in passing is tried again, and what fails for good is not", async () => {
  let calls = 0;
  assertEquals(
    await retry((attempt) => ++calls < 3 ? Promise.reject(new Passing()) : Promise.resolve(attempt), { policy: FAST }),
    3,
  );
  calls = 0;
  await assertRejects(
    () => retry(() => (calls++, Promise.reject(new Error("for good"))), { policy: FAST }),
    Error,
    "for good",
  );
  assertEquals(calls, 1);
});

Deno.test("the attempts come to an end", async () => {
  let calls = 0;
  await assertRejects(() => retry(() => (calls++, Promise.reject(new Passing())), { policy: FAST }), Passing);
  assertEquals(calls, 3);
});

Deno.test("work that gets on is given new attempts", async () => {
  let calls = 0;
  await assertRejects(() =>
    retry(() => (calls++, Promise.reject(new Passing())), {
      policy: FAST,
      progress: () => Math.min(calls, 5) * 10,
      progressStep: 10,
    }), Passing);
  assertEquals(calls, 7); // five that got on, and the two more that the last of them allows
});

Deno.test("the pause doubles up to its limit, with jitter of half", () => {
  const policy = { attempts: 9, firstDelayMs: 100, longestDelayMs: 1000 };
  assertEquals([1, 2, 3, 4, 5, 6].map((n) => backoffMs(policy, n, 1)), [100, 200, 400, 800, 1000, 1000]);
  assertEquals(backoffMs(policy, 3, 0), 200);
});

Deno.test("a server that asks for time is given it", async () => {
  const begin = performance.now();
  let calls = 0;
  await retry(() => calls++ ? Promise.resolve() : Promise.reject(new Passing(60)), { policy: FAST });
  assert(performance.now() - begin >= 55);
});

Deno.test("an abort ends a pause at once", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("stopped")), 5);
  await assertRejects(() => pause(60_000, controller.signal), Error, "stopped");
});

Deno.test("Retry-After is seconds or a date", () => {
  assertEquals(parseRetryAfter("3"), 3000);
  assertEquals(parseRetryAfter(null), undefined);
  assertEquals(parseRetryAfter("soon"), undefined);
  const now = Date.parse("2030-01-01T00:00:00Z");
  assertEquals(parseRetryAfter("Tue, 01 Jan 2030 00:00:07 GMT", now), 7000);
  assertEquals(parseRetryAfter("Tue, 01 Jan 2019 00:00:07 GMT", now), 0);
});
