/** The default profile, call by call, beside what Docker's does; and that each capability opens what it is there for. */
import { assert, assertEquals } from "@std/assert";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { compileSeccomp } from "../runtime/seccomp.ts";
import { defaultSeccomp, type DefaultSeccompOptions } from "../runtime/seccomp_default.ts";
import type { Architecture } from "../runtime/seccomp_verdicts.ts";
import { Interpreter, seccompData } from "./seccomp_interpreter.ts";
import { ALL_NAMES, CALL_KINDS } from "./seccomp_sections.ts";

const VERDICTS: Record<number, string> = { 0x7fff0000: "allow", 0x50001: "EPERM", 0x50026: "ENOSYS", 0: "kill" };

function profile(
  capabilities: readonly string[],
  architecture: Architecture = "x86_64",
  options?: DefaultSeccompOptions,
) {
  const filter = new Interpreter(
    compileSeccomp(defaultSeccomp(capabilities, architecture, options), { architecture }).bytes,
  );
  const own = architecture === "x86_64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
  return (call: string | number, args: readonly bigint[] = [], kind = own) => {
    const { audit, numbers } = CALL_KINDS[kind]!;
    const number = typeof call === "number" ? call : numbers.get(call);
    if (number === undefined) throw new Error(`${kind} has no ${call}`);
    const { value } = filter.run(seccompData({ arch: audit, number, args }));
    return VERDICTS[value] ?? value.toString(16);
  };
}

const usual = profile(DEFAULT_CAPABILITIES);

// What Docker's own documentation lists as refused, and the rest of what is refused there, with the default capabilities.
const REFUSED =
  ("acct add_key bpf clock_settime create_module delete_module fanotify_init finit_module fsconfig fsmount fsopen " +
    "fspick get_kernel_syms get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp " +
    "kexec_file_load kexec_load keyctl lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mbind mount " +
    "mount_setattr move_mount move_pages migrate_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd " +
    "pivot_root process_madvise query_module quotactl quotactl_fd reboot request_key sethostname setdomainname set_mempolicy " +
    "set_mempolicy_home_node setns settimeofday swapoff swapon syslog _sysctl sysfs umount2 unshare uselib userfaultfd ustat " +
    "vhangup vserver").split(" ");

Deno.test("calls that reach past the container fail with EPERM", () => {
  for (const call of REFUSED) assertEquals(usual(call), "EPERM", call);
});

Deno.test("what is allowed on x86-64 is what is known and not refused, and nothing else", () => {
  const withRules = ["clone", "clone3", "socket", "personality"];
  const gone = ["afs_syscall", "getpmsg", "putpmsg", "security", "tuxcall"],
    newer = ["open_tree_attr", "file_getattr", "file_setattr", "listns", "rseq_slice_yield"];
  const x86 = CALL_KINDS.SCMP_ARCH_X86_64!.numbers;
  for (const call of x86.keys()) {
    if (withRules.includes(call)) continue;
    const expected = newer.includes(call)
      ? "ENOSYS"
      : REFUSED.includes(call) || gone.includes(call) || call === "uprobe"
      ? "EPERM"
      : "allow";
    assertEquals(usual(call), expected, call);
  }
});

Deno.test("calls newer than the list fail with ENOSYS on both machines, for 32-bit programs too", () => {
  assertEquals(usual(600), "ENOSYS");
  assertEquals(usual(0x3fffffff), "ENOSYS");
  assertEquals(usual(600, [], "SCMP_ARCH_X86"), "ENOSYS");
  const arm = profile(DEFAULT_CAPABILITIES, "aarch64");
  assertEquals(arm(600), "ENOSYS");
  assertEquals(arm(600, [], "SCMP_ARCH_ARM"), "ENOSYS");
  assertEquals(arm("cacheflush", [], "SCMP_ARCH_ARM"), "allow");
  assertEquals(arm("get_tls", [], "SCMP_ARCH_ARM"), "ENOSYS");
});

Deno.test("calls of x32 and of foreign architectures end the thread", () => {
  assertEquals(usual("read", [], "SCMP_ARCH_X32"), "kill");
  assertEquals(usual(0xfffffffe), "kill");
  assertEquals(usual("read", [], "SCMP_ARCH_ARM"), "kill");
  assertEquals(usual("read", [], "SCMP_ARCH_AARCH64"), "kill");
});

const NAMESPACES = { NEWNS: 17, NEWCGROUP: 25, NEWUTS: 26, NEWIPC: 27, NEWUSER: 28, NEWPID: 29, NEWNET: 30 };

Deno.test("clone makes threads and processes, but no namespaces", () => {
  assertEquals(usual("clone", [17n]), "allow"); // SIGCHLD: fork
  assertEquals(usual("clone", [0x3d0f00n]), "allow"); // what a C library makes threads with
  for (const [name, bit] of Object.entries(NAMESPACES)) {
    for (const kind of ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]) {
      assertEquals(usual("clone", [17n | 1n << BigInt(bit)], kind), "EPERM", name);
    }
    assertEquals(usual("clone", [0xffffffff_00000000n | 1n << BigInt(bit)]), "EPERM", name);
  }
  assertEquals(usual("clone3", [0n]), "ENOSYS");
});

Deno.test("sockets of every family but AF_ALG and AF_VSOCK, whatever is in the upper half of the argument", () => {
  for (let family = 0n; family < 48n; family++) {
    const expected = family === 38n || family === 40n ? "EPERM" : "allow";
    for (const upper of [0n, 1n, 0xffffffffn]) {
      assertEquals(usual("socket", [upper << 32n | family]), expected, `${family}`);
    }
    assertEquals(usual("socket", [family], "SCMP_ARCH_X86"), expected);
  }
  for (const family of [48n, 255n, 0x126n, 0xffffffffn]) assertEquals(usual("socket", [family]), "EPERM", `${family}`);
});

Deno.test("i386 has no way around that through socketcall, unless it is asked for", () => {
  for (let call = 0n; call < 22n; call++) assertEquals(usual("socketcall", [call], "SCMP_ARCH_X86"), "ENOSYS");
  const open = profile(DEFAULT_CAPABILITIES, "x86_64", { socketcall: true });
  assertEquals(open("socketcall", [1n], "SCMP_ARCH_X86"), "allow");
  assertEquals(open("socket", [38n]), "EPERM");
});

Deno.test("personality takes the values that Docker lets by", () => {
  for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn]) assertEquals(usual("personality", [value]), "allow");
  for (const value of [1n, 0x40000n, 0x400000n, 0xfffffffen, 0x1_00000000n]) {
    assertEquals(usual("personality", [value]), "EPERM", `${value}`);
  }
});

const OPENED: Record<string, string> = {
  CAP_DAC_READ_SEARCH: "open_by_handle_at",
  CAP_SYS_ADMIN:
    "bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lsm_get_self_attr lsm_list_modules lsm_set_self_attr " +
    "mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog " +
    "umount2 unshare",
  CAP_SYS_BOOT: "reboot",
  CAP_SYS_CHROOT: "chroot",
  CAP_SYS_MODULE: "delete_module finit_module init_module",
  CAP_SYS_PACCT: "acct",
  CAP_SYS_PTRACE: "kcmp pidfd_getfd process_madvise",
  CAP_SYS_RAWIO: "ioperm iopl",
  CAP_SYS_TIME: "clock_settime settimeofday",
  CAP_SYS_TTY_CONFIG: "vhangup",
  CAP_SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  CAP_SYSLOG: "syslog",
  CAP_BPF: "bpf",
  CAP_PERFMON: "perf_event_open",
};

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`each capability opens what it is there for, and nothing else, on ${architecture}`, () => {
    const own = CALL_KINDS[architecture === "x86_64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64"]!.numbers;
    const none = profile([], architecture);
    const calls = [...own.keys()].filter((call) => none(call) !== "allow");
    for (const capability of CAPABILITIES) {
      const one = profile([capability], architecture);
      const opened = calls.filter((call) => one(call) === "allow").sort();
      assertEquals(
        opened.join(" "),
        (OPENED[capability] ?? "").split(" ").filter((call) => own.has(call)).join(" "),
        capability,
      );
    }
  });
}

Deno.test("CAP_SYS_ADMIN may make namespaces", () => {
  const admin = profile(["CAP_SYS_ADMIN"]);
  assertEquals(admin("clone", [1n << 28n]), "allow");
  assertEquals(admin("clone3"), "allow");
  assertEquals(admin("socket", [38n]), "EPERM");
});

Deno.test("what is never allowed is not, with every capability", () => {
  const all = profile(CAPABILITIES);
  const never =
    "io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key kexec_load kexec_file_load " +
    "pivot_root swapon swapoff move_pages migrate_pages nfsservctl uselib lookup_dcookie";
  for (const call of never.split(" ")) assertEquals(all(call), "EPERM", call);
});

Deno.test("every name in the profile is the name of a call, once", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const rules = defaultSeccomp(CAPABILITIES, architecture).syscalls!;
    const names = rules.flatMap((rule) => rule.names);
    for (const name of names) assert(ALL_NAMES.includes(name), name);
    const plain = rules.slice(0, 13).flatMap((rule) => rule.names);
    assertEquals(plain.length, new Set(plain).size);
  }
});
