import { assert, assertEquals } from "@std/assert";
import { allSyscallNumbers, type SyscallName, syscallNumbers } from "./syscall_numbers.ts";

Deno.test("every name in the table is found with its numbers, and no part of a name is", () => {
  const all = allSyscallNumbers();
  assert(all.size > 380);
  for (const [name, numbers] of all) assertEquals(syscallNumbers(name), numbers);
  const ofType: SyscallName[] = ["read", "mount", "clone3", "file_setattr"];
  assertEquals(ofType.map((name) => syscallNumbers(name)![0]), [0, 165, 435, 469]);
  for (const none of ["", "rea", "ead", "read 0", ",", "no_such_call"]) assertEquals(syscallNumbers(none), undefined);
});

Deno.test("no number stands for two calls of one machine", () => {
  for (const column of [0, 1] as const) {
    const numbers = [...allSyscallNumbers().values()].map((row) => row[column]).filter((number) => number >= 0);
    assertEquals(new Set(numbers).size, numbers.length);
  }
});
