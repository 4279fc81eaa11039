import { assertEquals } from "@std/assert";
import { timingOf } from "./config.ts";
import { afterProbe, BEGINNING, type Health, type ProbeResult, untilNext } from "./state.ts";

const timing = { ...timingOf({ Retries: 2 }), startPeriod: 1000 };
const probe = (ExitCode: number, Output = ""): ProbeResult => ({ Start: "a", End: "b", ExitCode, Output });

/** The health after probes with these exit codes, `start` milliseconds after the container's start. */
const after = (codes: readonly number[], start = 5000, health: Health = BEGINNING) =>
  codes.reduce((health, code) => afterProbe(health, probe(code), start, timing), health);
const short = ({ Status, FailingStreak, Log }: Health) => [Status, FailingStreak, Log.length];

Deno.test("one probe that is well makes a container healthy, whatever was before", () => {
  assertEquals(short(BEGINNING), ["starting", 0, 0]);
  assertEquals(short(after([0])), ["healthy", 0, 1]);
  assertEquals(short(after([1, 0])), ["healthy", 0, 2]);
  assertEquals(short(after([1, 1, 1, 0])), ["healthy", 0, 4]);
});

Deno.test("so many failures in a row make it unhealthy, whatever the exit status", () => {
  assertEquals(short(after([1])), ["starting", 1, 1]);
  assertEquals(short(after([-1, 137])), ["unhealthy", 2, 2]);
  assertEquals(short(after([0, 1])), ["healthy", 1, 2]);
  assertEquals(short(after([0, 1, 0, 1])), ["healthy", 1, 4]);
  assertEquals(short(after([0, 1, 1, 1])), ["unhealthy", 3, 4]);
});

Deno.test("failures in the start period do not count before the first success", () => {
  assertEquals(short(after([1, 1, 1], 999)), ["starting", 0, 3]);
  assertEquals(short(after([1, 1], 1000)), ["unhealthy", 2, 2]);
  assertEquals(short(after([0, 1, 1], 10)), ["unhealthy", 2, 3]);
});

Deno.test("the last five results are kept", () => {
  const { Log } = [1, 2, 3, 4, 5, 6, 7].reduce(
    (health, n) => afterProbe(health, probe(1, `${n}`), 0, timing),
    BEGINNING,
  );
  assertEquals(Log.map(({ Output }) => Output), ["3", "4", "5", "6", "7"]);
});

Deno.test("in the start period it is asked more often, until it is healthy", () => {
  const { interval, startInterval } = timing;
  assertEquals(untilNext(BEGINNING, 0, timing), startInterval);
  assertEquals(untilNext(BEGINNING, 1000, timing), interval);
  assertEquals(untilNext(after([0]), 0, timing), interval);
  assertEquals(untilNext(BEGINNING, 0, timingOf({})), 30_000);
});
