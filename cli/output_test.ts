import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { layTable, printable, write } from "./output.ts";

Deno.test("write writes everything, however little is taken at once", () => {
  const taken: number[] = [];
  write("héllo", {
    writeSync(bytes) {
      const some = bytes.subarray(0, 4);
      taken.push(...some);
      return some.length;
    },
  });
  assertEquals(new TextDecoder().decode(new Uint8Array(taken)), "héllo");
});

Deno.test("write waits for a reader where the descriptor does not", () => {
  let text = "";
  let busy = 2;
  write("hello", {
    writeSync(bytes) {
      if (busy-- > 0) throw new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  assertEquals(text, "hello");
});

Deno.test("write tells a full disk in a sentence and leaves a broken pipe to the command line", () => {
  const failing = (error: Error) => ({
    writeSync(): number {
      throw error;
    },
  });
  assertThrows(
    () => write("x", failing(new Error("No space left on device (os error 28)"))),
    MiniError,
    "the output cannot be written: No space left on device",
  );
  assertThrows(() => write("x", failing(new Deno.errors.BrokenPipe("gone"))), Deno.errors.BrokenPipe);
});

Deno.test("printable shows control characters and leaves the rest alone", () => {
  assertEquals(printable("plain é 漢 🐳"), "plain é 漢 🐳");
  assertEquals(printable("a\nb\tc\x1b[31m\x7f\x9b\u202e"), "a\\nb\\tc\\x1b[31m\\x7f\\x9b\\u202e");
});

Deno.test("columns are at least 10 wide and 3 spaces apart, the last one as it is", () => {
  assertEquals(
    layTable([["A", "LONG HEADING", "C"], ["1", "x", ""]]),
    "A         LONG HEADING   C\n1         x              \n",
  );
  assertEquals(layTable([["only"]]), "only\n");
  assertEquals(layTable([]), "");
});
