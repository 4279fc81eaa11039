import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { signalName, signalNumber } from "./signals.ts";

Deno.test("signals are known by name and number, in any case, with and without SIG", () => {
  for (const text of ["TERM", "SIGTERM", "sigterm", "term", "15", " 15 "]) assertEquals(signalNumber(text), 15);
  assertEquals(["HUP", "KILL", "USR1", "CHLD", "SYS"].map(signalNumber), [1, 9, 10, 17, 31]);
  assertEquals(["RTMIN", "RTMIN+0", "SIGRTMIN+3", "RTMAX-2", "RTMAX"].map(signalNumber), [34, 34, 37, 62, 64]);
});

Deno.test("what is no signal is refused", () => {
  for (
    const text of [
      "",
      "0",
      "65",
      "-1",
      "1.5",
      "0x9",
      "9 9",
      "NOSUCH",
      "RTMIN+31",
      "RTMAX-31",
      "RTMIN-1",
      "SIG",
      "toString",
    ]
  ) {
    assertThrows(() => signalNumber(text), MiniError, "no signal");
  }
});

Deno.test("every number has a name that leads back to it", () => {
  for (let number = 1; number <= 64; number++) {
    if (number !== 32 && number !== 33) assertEquals(signalNumber(signalName(number)), number);
  }
  assertEquals([signalName(9), signalName(37), signalName(32)], ["SIGKILL", "SIGRTMIN+3", "signal 32"]);
});
