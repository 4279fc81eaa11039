import { assertEquals } from "@std/assert";
import { median, table } from "./hyperfine.ts";

Deno.test("the median is the middle value, or between the two in the middle", () => {
  assertEquals([median([3]), median([5, 1, 3]), median([4, 1, 2, 3])], [3, 3, 2.5]);
});

Deno.test("a table has a row for each command and ratios to the first", () => {
  const measured = [{ medianMs: 12.34, minMs: 10, ratio: 1 }, { medianMs: 24.68, minMs: 20, ratio: 2 }];
  assertEquals(table(["a", "b"], measured).split("\n").slice(2), [
    "| a | 12.3 ms | 10.0 ms | 1 × |",
    "| b | 24.7 ms | 20.0 ms | 2.00 × |",
  ]);
});
