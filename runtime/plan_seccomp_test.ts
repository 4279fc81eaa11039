import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { readyForSeccomp, seccompFilter, seccompOperations } from "./plan_seccomp.ts";
import { compileSeccomp } from "./seccomp.ts";
import { defaultSeccomp } from "./seccomp_default.ts";
import { PRECOMPILED } from "./seccomp_precompiled.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";

// Loads the compiler, which the sections below need.
await readyForSeccomp({ defaultAction: "SCMP_ACT_ALLOW" });

Deno.test("the precompiled filters are the default profile's: if not, run tools/precompile_seccomp.ts", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const { bytes } = compileSeccomp(defaultSeccomp(DEFAULT_CAPABILITIES, architecture), { architecture });
    assertEquals(PRECOMPILED[architecture], btoa(String.fromCharCode(...bytes)));
  }
});

Deno.test("the default section gets the precompiled filter, any other its own, and each is kept", () => {
  const { arch } = Deno.build;
  for (const capabilities of [DEFAULT_CAPABILITIES, [], ["CAP_SYS_ADMIN"]]) {
    const section = defaultSeccomp(capabilities, arch), filter = seccompFilter(section);
    assertEquals(filter, compileSeccomp(section, { architecture: arch }));
    assertEquals(seccompFilter(structuredClone(section)) === filter, true);
  }
});

Deno.test("a filter is loaded as late as can be, or, without no_new_privs, as long as there are capabilities", () => {
  const section: LinuxSeccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  for (const noNewPrivileges of [true, false]) {
    const { early, late } = seccompOperations(section, noNewPrivileges);
    const [load, ...others] = noNewPrivileges ? late : early;
    assertEquals([early.length, late.length, others.length], noNewPrivileges ? [0, 1, 0] : [1, 0, 0]);
    const { bytes, instructions } = seccompFilter(section);
    assert(load);
    assertEquals([load.call, load.args], ["seccomp", [1, 0, { words: [instructions, bytes] }]]);
  }
  assertEquals(seccompOperations(undefined, true), { early: [], late: [] });
});

Deno.test("flags that mean something for one thread without a listener go to the kernel", () => {
  const flags = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map((flag) => `SECCOMP_FILTER_FLAG_${flag}`);
  const { late } = seccompOperations({ defaultAction: "SCMP_ACT_ALLOW", flags }, true);
  assertEquals(late[0]!.args[1], 2 | 4);
});

Deno.test("asking another process needs one that listens, and calls that can be asked about", () => {
  const section = (names: string[], more: Partial<LinuxSeccomp> = {}): LinuxSeccomp => ({
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath: "/run/agent",
    syscalls: [{ names, action: "SCMP_ACT_NOTIFY" }],
    ...more,
  });
  const refused = (section: LinuxSeccomp, listen: number | undefined, words: string) =>
    assertThrows(() => seccompOperations(section, true, listen), MiniError, words);
  refused(section(["mkdirat"]), undefined, "SCMP_ACT_NOTIFY needs a process that is asked");
  refused(section(["mkdirat"], { listenerPath: "" }), 3, "listenerPath");
  refused(section(["mkdirat"], { defaultAction: "SCMP_ACT_NOTIFY" }), 3, "default action");
  refused(section(["mkdirat", "write"]), 3, "write");
  assertEquals(seccompOperations(section(["read"]), true, 3).late.length, 3);
  const { late } = seccompOperations(section(["mkdirat"]), true, 3);
  assertEquals(late.map((operation) => operation.call), ["seccomp", "write", "read"]);
  assertEquals(late[0]!.args[1], 8);
});
