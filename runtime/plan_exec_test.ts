import { assert, assertEquals } from "@std/assert";
import { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER } from "../ffi/constants.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { type ExecInput, planExec } from "./plan_exec.ts";
import { readyForSeccomp } from "./plan_seccomp.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";
import type { Process } from "./spec.ts";

const capabilities = [...DEFAULT_CAPABILITIES];
const process: Process = {
  cwd: "/work",
  args: ["/bin/tool"],
  user: { uid: 7, gid: 8 },
  capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
  noNewPrivileges: true,
  rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: 20 }],
};
const plan = (more: Partial<ExecInput> = {}) =>
  planExec({
    process,
    seccomp: undefined,
    namespaces: CLONE_NEWPID | CLONE_NEWNS,
    container: 9,
    sync: 3,
    streams: [4, 5, 6],
    lastCapability: 40,
    detached: false,
    ...more,
  });

/** The mask that a capset makes permitted. */
function permitted(program: ReturnType<typeof plan>, after: number): bigint {
  const set = program.slice(after).find((o) => o.call === "capset")!.args[1] as Uint8Array<ArrayBuffer>;
  const words = new Uint32Array(set.buffer);
  return BigInt(words[1]!) | BigInt(words[4]!) << 32n;
}

Deno.test("whoever may trace the process that joins a container gains no right that the container has not", () => {
  const at = (call: string) => program.findIndex((o) => o.call === call);
  let program = plan();
  assert(at("capset") < at("clone3"));
  const default14 = 0xa80425fbn; // with SETUID, SETGID and SETPCAP among them
  assertEquals([permitted(program, 0), permitted(program, at("clone3"))], [default14, default14]);
  const dropped = program.findLastIndex((o) => o.call === "prctl" && o.args[0] === 24);
  for (const before of [at("prlimit64"), at("chdir"), dropped]) assert(before > 0 && before < at("clone3"));
  assert(at("setresuid") > at("clone3"));
  // What it holds is its standard streams, and what it speaks to the caller through.
  const closed = program.slice(0, at("clone3")).filter((o) => o.call === "close_range" && o.args[2] === 0).map((o) =>
    o.args.slice(0, 2)
  );
  assertEquals(closed, [[4, 0xffffffff]]);
  program = plan({ process: { ...process, capabilities: {} } });
  assertEquals([permitted(program, 0), permitted(program, at("clone3"))], [0b111000000n, 0n]);
});

Deno.test("in a user namespace it is the root of that before it does anything there", () => {
  const program = plan({ namespaces: CLONE_NEWPID | CLONE_NEWUSER });
  const calls = program.map((o) => o.call);
  assertEquals(calls.slice(0, 3), ["setns", "setresgid", "setresuid"]);
});

Deno.test("a filter that is loaded without no_new_privs is loaded before the clone, where it lets that by", async () => {
  const names = ["clone", "read", "write", "exit_group", "capset", "setsid", "ioctl", "close_range", "waitid"];
  const section = (without?: string): LinuxSeccomp => ({
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: [`SCMP_ARCH_${Deno.build.arch.toUpperCase()}`],
    syscalls: [{ names: names.filter((name) => name !== without), action: "SCMP_ACT_ALLOW" }],
  });
  const admin = 1n << 21n;
  for (const detached of [false, true]) {
    for (const without of [undefined, ...names]) {
      const seccomp = section(without);
      await readyForSeccomp(seccomp);
      const program = plan({ process: { ...process, noNewPrivileges: false }, seccomp, detached });
      const calls = program.map((o) => o.call), clone = calls.findIndex((call) => /^clone/.test(call));
      const isNeeded = without !== undefined && (detached || !["close_range", "waitid"].includes(without));
      assertEquals(calls[clone], isNeeded ? "clone3" : "clone", without);
      assertEquals(calls.indexOf("seccomp") < clone, !isNeeded, without);
      const last = program.slice(0, clone).findLastIndex((o) => o.call === "capset");
      assertEquals((permitted(program, last) & admin) !== 0n, isNeeded, without);
    }
  }
});
