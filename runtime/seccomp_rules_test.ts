import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { compileSeccomp } from "./seccomp.ts";
import { readSection } from "./seccomp_rules.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";

const allow = (call: object) => ({
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", ...call }],
} as LinuxSeccomp);
const arg = (arg: object) => allow({ args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ", ...arg }] });
const section = (section: object) => ({ defaultAction: "SCMP_ACT_ALLOW", ...section }) as LinuxSeccomp;

const WRONG: [LinuxSeccomp, string][] = [
  [section({ defaultAction: "ALLOW" }), 'linux.seccomp.defaultAction: there is no action "ALLOW"'],
  [section({ defaultAction: undefined }), "linux.seccomp.defaultAction: there is no action nothing"],
  [section({ defaultErrnoRet: 5 }), "linux.seccomp.defaultAction: SCMP_ACT_ALLOW takes no errno value"],
  [section({ architectures: ["amd64"] }), 'linux.seccomp.architectures: there is no architecture "amd64"'],
  [section({ flags: ["LOG"] }), 'linux.seccomp.flags: there is no flag "LOG"'],
  [section({ syscalls: {} }), "linux.seccomp.syscalls: {} is not a list"],
  [section({ listenerMetadata: "x" }), "linux.seccomp.listenerMetadata: is for a process that is asked about"],
  [
    section({ syscalls: [{ names: [], action: "SCMP_ACT_LOG" }] }),
    "linux.seccomp.syscalls[0]: it names no system call",
  ],
  [section({ syscalls: [null] }), "linux.seccomp.syscalls[0]: it names no system call"],
  [allow({ names: ["read", 7] }), "linux.seccomp.syscalls[0]: 7 is not the name of a system call"],
  [allow({ action: "ALLOW" }), 'linux.seccomp.syscalls[0] (read): there is no action "ALLOW"'],
  [allow({ errnoRet: 1 }), "linux.seccomp.syscalls[0] (read): SCMP_ACT_ALLOW takes no errno value"],
  [allow({ action: "SCMP_ACT_ERRNO", errnoRet: 65536 }), "65536 is not an errno value"],
  [
    arg({ index: 6 }),
    "linux.seccomp.syscalls[0] (read).args[0]: a call has the arguments 0 to 5, and 6 is none of them",
  ],
  [arg({ op: "==" }), 'there is no comparison "=="'],
  [arg({ value: -1 }), "-1 is not a whole number"],
  [arg({ value: 1.5 }), "1.5 is not a whole number"],
  [arg({ value: 2 ** 53 }), "9007199254740992 is not a whole number from 0 to 9007199254740991"],
  [arg({ value: 1n << 64n }), "18446744073709551616 is not a whole number"],
];

for (const [wrong, sentence] of WRONG) {
  Deno.test(`a section is refused where ${sentence}`, () => {
    assertThrows(() => readSection(wrong), MiniError, sentence);
  });
}

Deno.test("actions are the kernel's values, with EPERM for an errno that is not given", () => {
  const action = (action: string, errnoRet?: number) =>
    readSection(section({ syscalls: [{ names: ["read"], action, ...errnoRet === undefined ? {} : { errnoRet } }] }))
      .rules[0]!.action;
  assertEquals(action("SCMP_ACT_KILL_PROCESS"), 0x80000000);
  assertEquals(action("SCMP_ACT_KILL"), 0);
  assertEquals(action("SCMP_ACT_KILL_THREAD"), 0);
  assertEquals(action("SCMP_ACT_TRAP"), 0x30000);
  assertEquals(action("SCMP_ACT_ERRNO"), 0x50001);
  assertEquals(action("SCMP_ACT_ERRNO", 38), 0x50026);
  assertEquals(action("SCMP_ACT_NOTIFY"), 0x7fc00000);
  assertEquals(action("SCMP_ACT_TRACE", 7), 0x7ff00007);
  assertEquals(action("SCMP_ACT_LOG"), 0x7ffc0000);
  assertEquals(action("SCMP_ACT_ALLOW"), 0x7fff0000);
});

Deno.test("conditions on the same argument are alternatives, as runc takes them", () => {
  const two = (second: number) =>
    readSection(allow({
      args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }, { index: second, value: 2, op: "SCMP_CMP_EQ" }],
    })).rules[0]!.alternatives.map((list) => list.length);
  assertEquals(two(1), [2]);
  assertEquals(two(0), [1, 1]);
});

Deno.test("values are taken apart exactly, as numbers and as bigints", () => {
  const value = (value: number | bigint) => readSection(arg({ value })).rules[0]!.alternatives[0]![0]!.value;
  assertEquals(value(0xffffffff), { high: 0, low: 0xffffffff });
  assertEquals(value(Number.MAX_SAFE_INTEGER), { high: 0x1fffff, low: 0xffffffff });
  assertEquals(value((1n << 64n) - 2n), { high: 0xffffffff, low: 0xfffffffe });
});

Deno.test("flags become bits for seccomp(2)", () => {
  const flags = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map((flag) => `SECCOMP_FILTER_FLAG_${flag}`);
  assertEquals(compileSeccomp(section({ flags }), { architecture: "x86_64" }).flags, 1 | 2 | 4 | 32);
});

Deno.test("a filter that gets too long is refused", () => {
  const syscalls = Array.from({ length: 2000 }, (_, i) => ({
    names: ["read"],
    action: "SCMP_ACT_LOG",
    args: [{ index: 0, value: i, op: "SCMP_CMP_EQ" }],
  }));
  assertThrows(
    () => compileSeccomp(section({ syscalls }), { architecture: "x86_64" }),
    MiniError,
    "the seccomp filter needs more than the 4096 instructions that the kernel takes",
  );
});
