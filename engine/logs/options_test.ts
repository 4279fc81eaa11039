import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../../ffi/errors.ts";
import { logLimits, parseLogConfig } from "./options.ts";

Deno.test("logs are rotated by default", () => {
  assertEquals(logLimits(parseLogConfig(undefined, [])), { maxBytes: 10_000_000, maxFiles: 3 });
  assertEquals(logLimits(parseLogConfig("json-file", [])), { maxBytes: 10_000_000, maxFiles: 3 });
});

Deno.test("options have Docker's names and units", () => {
  const limits = (...options: string[]) => logLimits(parseLogConfig("local", options));
  assertEquals(limits("max-size=20m", "max-file=5"), { maxBytes: 20_000_000, maxFiles: 5 });
  assertEquals(limits("max-size=1.5k", "compress=false", "mode=blocking").maxBytes, 1500);
  assertEquals(limits("max-size=1k").maxBytes, 1000);
  assertEquals(limits("max-size=1G", "labels=a,b").maxBytes, 1e9);
  assertEquals(limits("max-size=-1").maxBytes, Infinity);
});

Deno.test("what is not known or not possible is refused in one sentence", () => {
  for (
    const [driver, options, words] of [
      ["syslog", [], "--log-driver syslog is not supported"],
      ["foo", [], "there is no log driver 'foo'"],
      ["local", ["max-size"], "--log-opt max-size is not of the form NAME=value"],
      ["local", ["max-size=many"], "max-size=many is not a size"],
      ["local", ["max-size=0"], "too small"],
      ["local", ["max-size=999999999999999999g"], "is not a size"],
      ["local", ["max-file=0"], "max-file=0"],
      ["local", ["max-file=-1"], "max-file=-1"],
      ["json-file", ["compress=true"], "compress"],
      ["json-file", ["mode=non-blocking"], "mode=non-blocking"],
      ["local", ["tag=x"], "there is no --log-opt tag"],
      ["none", ["max-size=1m"], "--log-driver none keeps none"],
    ] as const
  ) assertThrows(() => parseLogConfig(driver, options), MiniError, words);
});
