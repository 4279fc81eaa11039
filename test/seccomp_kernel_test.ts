/** What the kernel itself makes of the filters: real calls under them, and real programs under the default profile. No root. */
import { assertEquals } from "@std/assert";
import { AT_FDCWD, O_CREAT, O_WRONLY, PR_SET_NO_NEW_PRIVS } from "../ffi/constants.ts";
import { close } from "../ffi/kernel.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import { readable } from "../ffi/reactor.ts";
import { type ExitStatus, spawn, waitForExit } from "../ffi/spawn.ts";
import { DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { readyForSeccomp, seccompOperations } from "../runtime/plan_seccomp.ts";
import { defaultSeccomp } from "../runtime/seccomp_default.ts";
import type { LinuxSeccomp, SeccompSyscall } from "../runtime/seccomp_types.ts";
import { tinyElf } from "./tiny_elf.ts";

// Loads the compiler, which the sections below need.
await readyForSeccomp({ defaultAction: "SCMP_ACT_ALLOW" });

const EPERM = 1, ENOSYS = 38, SIGSYS = 31;

/** Operations under a filter; what each of them returned, and how the process ended. */
async function under(
  section: LinuxSeccomp | undefined,
  operations: Operation[],
): Promise<{ results: (number | undefined)[]; end: ExitStatus }> {
  const program = [
    op("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], "an ordinary user may load a filter then"),
    ...seccompOperations(section, true).late,
    ...operations,
    op("exit_group", [0], "the end"),
  ];
  const { pidfd, results } = spawn(program);
  try {
    await readable(pidfd);
    const end = waitForExit(pidfd);
    // The first operation of the program is the one that maps the results.
    const first = program.indexOf(operations[0]!) + 1;
    return { results: operations.map((_, i) => results.at(first + i)), end };
  } finally {
    results.close();
    close(pidfd);
  }
}

const call = (name: Operation["call"], ...args: Operation["args"]) => op(name, args, `try ${name}`, { optional: true });
const standard = defaultSeccomp(DEFAULT_CAPABILITIES, Deno.build.arch);

Deno.test("under the default profile the kernel refuses what it is to refuse, and carries out the rest", async () => {
  const AF_UNIX = 1, AF_ALG = 38, AF_VSOCK = 40, SOCK_SEQPACKET = 5, CLONE_NEWUSER = 0x10000000, SIGCHLD = 17;
  const tries: [Operation, (result: number) => boolean][] = [
    [call("getppid"), (r) => r > 0],
    [call("socket", AF_UNIX, SOCK_SEQPACKET, 0), (r) => r >= 0],
    [call("socket", AF_ALG, SOCK_SEQPACKET, 0), (r) => r === -EPERM],
    [call("socket", AF_VSOCK, SOCK_SEQPACKET, 0), (r) => r === -EPERM],
    // The kernel takes the lower half alone: this is AF_ALG.
    [call("socket", 0x1_0000_0000 + AF_ALG, SOCK_SEQPACKET, 0), (r) => r === -EPERM],
    [call("personality", 0xffffffff), (r) => r >= 0],
    [call("personality", 0x400000), (r) => r === -EPERM],
    [call("unshare", CLONE_NEWUSER), (r) => r === -EPERM],
    [call("clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), (r) => r === -EPERM],
    [call("clone3", 0, 0), (r) => r === -ENOSYS],
    [call("listns", 0, 0, 0, 0), (r) => r === -ENOSYS],
    [call("io_uring_setup", 1, 0), (r) => r === -EPERM],
    [call("keyctl", 0, 0, 0, 0, 0), (r) => r === -EPERM],
    [call("userfaultfd", 0), (r) => r === -EPERM],
    [call("bpf", 0, 0, 0), (r) => r === -EPERM],
    [call("mount", 0, 0, 0, 0, 0), (r) => r === -EPERM],
    [call("ptrace", 0x4200, 1, 0, 0), (r) => r === -3 || r === -EPERM || r === -5],
  ];
  const { results, end } = await under(standard, tries.map(([operation]) => operation));
  tries.forEach(([operation, expected], i) => {
    assertEquals(
      results[i] !== undefined && expected(results[i]!),
      true,
      `${operation.call} ${operation.args} returned ${results[i]}`,
    );
  });
  assertEquals([end.signaled, end.code], [false, 0]);
});

const rule = (action: SeccompSyscall["action"], more: Partial<SeccompSyscall> = {}): LinuxSeccomp => ({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["getppid"], action, ...more }],
});

Deno.test("each action does in the kernel what it says", async () => {
  const getppid = [call("getppid"), call("getpid")];
  const killed = { signaled: true, code: SIGSYS };
  for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] as const) {
    const { end, results } = await under(rule(action), getppid);
    assertEquals([end.signaled, end.code, results], [killed.signaled, killed.code, [undefined, undefined]], action);
  }
  assertEquals((await under(rule("SCMP_ACT_ERRNO"), getppid)).results[0], -EPERM);
  assertEquals((await under(rule("SCMP_ACT_ERRNO", { errnoRet: 99 }), getppid)).results[0], -99);
  assertEquals((await under(rule("SCMP_ACT_ERRNO", { errnoRet: 0 }), getppid)).results[0], 0);
  // Without a tracer there is no such call.
  assertEquals((await under(rule("SCMP_ACT_TRACE"), getppid)).results[0], -ENOSYS);
  for (const action of ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] as const) {
    assertEquals((await under(rule(action), getppid)).results[0]! > 0, true);
  }
});

Deno.test("the kernel compares arguments as 64 bits without sign", async () => {
  const values = [0, 4, 5, 6, 0x1_0000_0004, 0x1_0000_0005, 0x1_0000_0006, -1];
  const outcomes = async (op: string, value: number | bigint, valueTwo?: number) => {
    const args = [{ index: 1, op: op as "SCMP_CMP_EQ", value, ...valueTwo === undefined ? {} : { valueTwo } }];
    const section = rule("SCMP_ACT_ERRNO", { errnoRet: 77, names: ["getppid"], args });
    const { results } = await under(section, values.map((value) => call("getppid", 0, value)));
    return values.filter((_, i) => results[i] === -77);
  };
  const V = 0x1_0000_0005;
  assertEquals(await outcomes("SCMP_CMP_EQ", V), [V]);
  assertEquals(await outcomes("SCMP_CMP_NE", V), values.filter((v) => v !== V));
  assertEquals(await outcomes("SCMP_CMP_LT", V), [0, 4, 5, 6, V - 1]);
  assertEquals(await outcomes("SCMP_CMP_LE", V), [0, 4, 5, 6, V - 1, V]);
  assertEquals(await outcomes("SCMP_CMP_GT", V), [V + 1, -1]);
  assertEquals(await outcomes("SCMP_CMP_GE", V), [V, V + 1, -1]);
  assertEquals(await outcomes("SCMP_CMP_MASKED_EQ", 0x1_0000_0004, 0x1_0000_0004), [V - 1, V, V + 1, -1]);
  assertEquals(await outcomes("SCMP_CMP_EQ", (1n << 64n) - 1n), [-1]);
});

Deno.test("the kernel takes a filter of nearly 4096 instructions, with jumps of every length", async () => {
  const names = ["getppid", "getpid", "getuid", "geteuid", "getgid", "getegid"];
  const syscalls = Array.from({ length: 800 }, (_, i): SeccompSyscall => ({
    names: [names[i % names.length]!],
    action: "SCMP_ACT_ERRNO",
    errnoRet: 1 + i,
    args: [{ index: 0, op: "SCMP_CMP_EQ", value: 1000 + i }],
  }));
  const tries = [0, 1, 2, 3, 400, 798, 799];
  const { results } = await under(
    { defaultAction: "SCMP_ACT_ALLOW", syscalls },
    tries.map((i) => call(names[i % names.length] as "getpid", 1000 + i)),
  );
  assertEquals(results, tries.map((i) => -(1 + i)));
});

/** `exit(-socketcall(SYS_SOCKET, NULL))` as an i386 program makes the call. */
function socketcallProgram(): Uint8Array<ArrayBuffer> {
  // mov eax, 102; mov ebx, 1; xor ecx, ecx; int 0x80; neg eax; mov edi, eax; mov eax, 60 (exit); syscall
  const code = [
    0xb8,
    102,
    0,
    0,
    0,
    0xbb,
    1,
    0,
    0,
    0,
    0x31,
    0xc9,
    0xcd,
    0x80,
    0xf7,
    0xd8,
    0x89,
    0xc7,
    0xb8,
    60,
    0,
    0,
    0,
    0x0f,
    0x05,
  ];
  const whole = tinyElf("x86_64"), headers = 64 + 56;
  const bytes = new Uint8Array(headers + code.length), view = new DataView(bytes.buffer);
  bytes.set(whole.subarray(0, headers));
  bytes.set(code, headers);
  for (const at of [32, 40]) view.setBigUint64(64 + at, BigInt(bytes.length), true); // p_filesz, p_memsz
  return bytes;
}

Deno.test({
  name: "i386 calls have no way around the filter of sockets",
  ignore: Deno.build.arch !== "x86_64",
  fn: async () => {
    const EFAULT = 14;
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeFile(path, socketcallProgram());
      await Deno.chmod(path, 0o755);
      const run = async (section?: LinuxSeccomp) =>
        (await under(section, [op("execve", [path, [path], []], "the program")])).end;
      const without = await run();
      if (without.signaled) return; // a kernel without 32-bit programs
      assertEquals(without.code, EFAULT);
      assertEquals((await run(standard)).code, ENOSYS);
      assertEquals((await run(defaultSeccomp([], "x86_64", { socketcall: true }))).code, EFAULT);
    } finally {
      await Deno.remove(path);
    }
  },
});

const PROGRAMS: Record<string, string> = {
  busybox: "busybox sh -c 'echo a | busybox sed s/a/b/ | busybox grep b && busybox ls / && busybox date && kill -0 $$'",
  "apt-get": "apt-get --version && dpkg --version",
  python3: `python3 -c '
import threading, socket, subprocess, multiprocessing, asyncio, tempfile, os
t = threading.Thread(target=lambda: None); t.start(); t.join()
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); c.close(); s.close()
assert subprocess.run(["true"]).returncode == 0
async def f():
    p = await asyncio.create_subprocess_exec("true"); assert await p.wait() == 0
asyncio.run(f())
with tempfile.NamedTemporaryFile() as n: os.utime(n.name)
assert os.getrandom(4) and os.sched_getaffinity(0) and os.memfd_create("m") > 0
'`,
  node:
    'node -e \'require("fs").readFile("/etc/passwd", e => { if (e) process.exit(1); new (require("worker_threads").Worker)("0", {eval: true}).on("exit", c => process.exit(c)) })\'',
  deno:
    `'${Deno.execPath()}' eval 'const l = Deno.listen({ port: 0, hostname: "127.0.0.1" }); const [c, s] = await Promise.all([Deno.connect(l.addr), l.accept()]); c.close(); s.close(); l.close(); if ((await new Deno.Command("true").output()).code) Deno.exit(1); await Deno.readTextFile("/etc/passwd")'`,
  git:
    "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline && git gc -q",
  gcc: "printf 'int main(void) { return 7; }' >a.c && gcc -o a a.c && ./a; test $? = 7",
  perl: "perl -e 'fork // die; wait; exit 0'",
  strace: "strace -f -o t true && grep -q execve t",
};

for (const [program, script] of Object.entries(PROGRAMS)) {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  const installed = program === "deno" || path.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
  Deno.test({
    name: `${program} works under the default profile${installed ? "" : " (skipped: it is not installed)"}`,
    ignore: !installed,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const environment = [`PATH=${path.join(":")}`, `HOME=${folder}`, "LC_ALL=C.UTF-8", `TMPDIR=${folder}`];
        const output = `${folder}/output`;
        const { end, results } = await under(standard, [
          op("chdir", [folder], "a folder of its own"),
          op("openat", [AT_FDCWD, output, O_WRONLY | O_CREAT, 0o600], "what it says", { name: "output" }),
          op("dup3", [result("output"), 1, 0], "standard output"),
          op("dup3", [result("output"), 2, 0], "standard error"),
          op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "no signal blocked"),
          op("execve", ["/bin/sh", ["/bin/sh", "-c", script], environment], "the program"),
        ]);
        const said = await Deno.readTextFile(output);
        assertEquals([end.signaled, end.code], [false, 0], `${results}: ${said}`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
