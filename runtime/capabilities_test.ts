import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { CAPABILITIES, capabilityMask, capabilityNumber, DEFAULT_CAPABILITIES } from "./capabilities.ts";

Deno.test("the default capabilities are Docker's fourteen", () => {
  assertEquals(DEFAULT_CAPABILITIES.length, 14);
  assertEquals(capabilityMask(DEFAULT_CAPABILITIES), 0xa80425fbn);
});

Deno.test("capabilities have the kernel's numbers", () => {
  assertEquals(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"].map(capabilityNumber), [0, 21, 40]);
  assertEquals(capabilityMask(CAPABILITIES), (1n << 41n) - 1n);
  assertEquals(capabilityMask([]), 0n);
});

Deno.test("a capability that there is not is refused", () => {
  for (const name of ["CHOWN", "cap_chown", "CAP_NOSUCH", ""]) assertThrows(() => capabilityNumber(name), MiniError);
});
