import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { rlimitNumber } from "./rlimits.ts";

Deno.test("limits have the kernel's numbers, and only full names are known", () => {
  assertEquals(["RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_RTTIME"].map(rlimitNumber), [0, 6, 7, 15]);
  for (const name of ["NOFILE", "RLIMIT_", "RLIMIT_nofile", "RLIMIT_RLIMIT_CPU", ""]) {
    assertThrows(() => rlimitNumber(name), MiniError, "no resource limit");
  }
});
