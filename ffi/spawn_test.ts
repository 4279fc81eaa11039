import { ticksPerMicrosecond } from "./ticks.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { RESULTS_HEADER } from "./elf.ts";
import { SyscallError } from "./errors.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import { type Argument, op, type Operation, type Program, result } from "./program.ts";
import { Results, shellStatus, showArgument, spawn, type Spawned, type SpawnOptions, waitForExit } from "./spawn.ts";

const exit = (status: Argument, name = "exit"): Operation => op("exit_group", [status], "end", { name });
/** A program that lives until the other end of the pipe `fd` is closed. */
const waiting = (fd: number): Program => [
  op("getpid", [], "begin", { name: "began" }),
  op("read", [fd, { cell: "byte", size: 1 }, 1], "wait", { name: "read" }),
  exit(0),
];
function pipe(flags = 0o2000000): [reader: number, writer: number] {
  const ends = new Int32Array(2);
  syscall("pipe2", ends, flags);
  return [ends[0]!, ends[1]!];
}
const openDescriptors = (pid: number | "self" = "self") =>
  [...Deno.readDirSync(`/proc/${pid}/fd`)].map((entry) => Number(entry.name)).toSorted((a, b) => a - b);
const status = (pid: string, field: string) =>
  new RegExp(`^${field}:\\s*(.*)$`, "m").exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]!;

function until(condition: () => boolean) {
  for (const end = Date.now() + 5000; !condition();) assert(Date.now() < end, "in time");
}

/** Runs a program to its end and gives back its exit status; `fn` looks at it while the results are open. */
function run(program: Program, options?: SpawnOptions, fn: (spawned: Spawned) => void = () => {}): number {
  const spawned = spawn(program, options);
  try {
    const end = waitForExit(spawned.pidfd);
    fn(spawned);
    return shellStatus(end);
  } finally {
    close(spawned.pidfd);
    spawned.results.close();
  }
}
/** Runs a program that waits; `fn` looks at the process, which ends behind it. */
function whileWaiting(fn: (spawned: Spawned, reader: number) => void, options: SpawnOptions = {}) {
  const [reader, writer] = pipe();
  const spawned = spawn(waiting(reader), { ...options, pass: [reader, ...options.pass ?? []] });
  // We may go on before the kernel has closed what is close-on-exec in the process.
  until(() => spawned.results.of("began") !== undefined);
  try {
    fn(spawned, reader);
  } finally {
    close(writer);
    assertEquals(waitForExit(spawned.pidfd), { code: 0, signaled: false, coreDumped: false });
    [reader, spawned.pidfd].forEach(close);
    spawned.results.close();
  }
}
/** Runs a script in a Deno of its own, with what it needs imported, and returns what it prints. */
function script(body: string, ...prefix: string[]): string {
  const from = (names: string, file: string) =>
    `import { ${names} } from ${JSON.stringify(import.meta.resolve(`./${file}.ts`))};`;
  const code = from("spawn, waitForExit", "spawn") + from("op", "program") + from("syscall, trySyscall", "kernel") +
    body;
  const [command, ...args] = [...prefix, Deno.execPath(), "eval", code];
  const { stdout } = new Deno.Command(command!, { args, stderr: "inherit" }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("a process runs its program and is reaped with its exit status", () => {
  assertEquals(run([exit(7)]), 7);
  assertEquals(
    run([op("getppid", [], "", { name: "parent" }), exit(0)], {}, ({ results, pid }) => {
      assertEquals(results.of("parent"), Deno.pid);
      assert(pid > 0);
    }),
    0,
  );
});

Deno.test("a process killed by a signal is told from one that exits", () => {
  const [reader, writer] = pipe();
  const { pidfd, results } = spawn(waiting(reader), { pass: [reader] });
  syscall("pidfd_send_signal", pidfd, 9, null, 0);
  const end = waitForExit(pidfd);
  assertEquals(end, { code: 9, signaled: true, coreDumped: false });
  assertEquals(shellStatus(end), 137);
  assertEquals(results.failure(), undefined);
  [reader, writer, pidfd].forEach(close);
  results.close();
});

Deno.test("a process has the descriptors that were passed, its results, and no others", () => {
  const [other, otherWriter] = pipe(0); // not close-on-exec, as what we were started with may be
  whileWaiting(({ pid, results }, reader) => {
    assertEquals(openDescriptors(pid), [0, 1, 2, reader, results.fd].toSorted((a, b) => a - b));
  });
  whileWaiting(({ pid, results }, reader) => {
    assertEquals(openDescriptors(pid), [0, 1, 2, reader, results.fd, other].toSorted((a, b) => a - b));
    assertEquals(syscall("fcntl", reader, 1 /* F_GETFD */), 1, "what is passed stays close-on-exec with us");
  }, { pass: [other] });
  [other, otherWriter].forEach(close);
});

Deno.test("a process begins with all signals blocked, none ignored and none handled", () => {
  whileWaiting(({ pid }) => {
    const fields = ["SigBlk", "SigIgn", "SigCgt"].map((field) => BigInt(`0x${status(String(pid), field)}`));
    // SIGKILL and SIGSTOP cannot be blocked.
    assertEquals(fields, [0xffff_ffff_fffb_feffn, 0n, 0n]);
  });
});

Deno.test("the caller's signal mask is the same after a spawn and after one that failed", () => {
  const before = status("thread-self", "SigBlk");
  run([exit(0)]);
  assertEquals(status("thread-self", "SigBlk"), before);
  assertThrows(() => spawn([exit(0)], { flags: 0x20200n }), SyscallError);
  assertEquals(status("thread-self", "SigBlk"), before);
});

Deno.test("a process's memory is small, and no page of it is both writable and executable", () => {
  whileWaiting(({ pid }) => {
    const maps = Deno.readTextFileSync(`/proc/${pid}/maps`).trim().split("\n");
    for (const line of maps) assert(!/ .w.?x/.test(line) && !/ rwx/.test(line), line);
    assert(maps.some((line) => / rw-s .*memfd:mini results/.test(line)), maps.join("\n"));
    assert(parseInt(status(String(pid), "VmRSS")) < 100, "kB");
  });
});

Deno.test("what a process executes is not the deno binary, and cannot be changed while it runs or later", () => {
  let held = -1;
  whileWaiting(({ pid }) => {
    const exe = `/proc/${pid}/exe`;
    assert(Deno.readLinkSync(exe) !== Deno.execPath());
    held = syscall("openat", -100, exe, 0o2000000);
    const writable = trySyscall("openat", -100, exe, 2 | 0o2000000);
    if (writable === -26) return; // ETXTBSY
    assert(writable >= 0);
    assertEquals(trySyscall("write", writable, new Uint8Array(1), 1), -1, "EPERM: sealed");
    close(writable);
  });
  const writable = syscall("openat", -100, `/proc/self/fd/${held}`, 2 | 0o2000000);
  assertEquals(trySyscall("write", writable, new Uint8Array(1), 1), -1);
  assertEquals(trySyscall("ftruncate", writable, 0), -1);
  assertEquals(trySyscall("ftruncate", writable, 1 << 20), -1);
  assertEquals(trySyscall("mmap", 0, 4096, 3, 1, writable, 0), -1);
  assertEquals(trySyscall("fcntl", writable, 1033, 0), -1, "no seal can be taken back, none added");
  [held, writable].forEach(close);
});

Deno.test("results can be read while the program runs, and tell what has not run yet", () => {
  whileWaiting(({ pid, results }) => {
    assertEquals([results.of("read"), results.of("exit"), results.reached(2)], [undefined, undefined, false]);
    assertEquals([results.at(1), results.reached(1)], [pid, true]);
    assertEquals(results.failure(), undefined);
    assertThrows(() => results.of("nothing"), Error, "no operation is named nothing");
  });
});

Deno.test("whatever a container writes into the results, they can be read", () => {
  run([op("getpid", [], ""), exit(0)], {}, ({ results }) => {
    const write = (offset: number, value: bigint) =>
      syscall("pwrite64", results.fd, new BigInt64Array([value]), 8, offset);
    const extremes = [0n, 1n, 2n, 3n, 4n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -4095n, -4096n, 999n];
    for (const index of extremes) {
      for (const value of extremes) {
        write(RESULTS_HEADER - 8, index);
        for (let i = 0; i < 3; i++) write(RESULTS_HEADER + 8 * i, value);
        const failure = results.failure();
        const believed = index >= 1n && index <= 3n && value < 0n && value >= -4095n;
        assertEquals(failure?.errno, believed ? Number(-value) : undefined, `${index} ${value}`);
        if (failure) assertEquals(failure.operation, results.program[failure.index]!);
      }
    }
  });
});

Deno.test("the results' memory cannot be cut off below those who share it", () => {
  whileWaiting(({ results }) => {
    assertEquals(trySyscall("ftruncate", results.fd, 0), -1);
    assertEquals(trySyscall("ftruncate", results.fd, 1 << 20), -1);
  });
});

Deno.test("each failure of making a process is one error that leaves no descriptor and no child", () => {
  const before = openDescriptors();
  const message = (options: SpawnOptions, program: Program = [exit(0)]) =>
    assertThrows(() => spawn(program, options), SyscallError).message;
  // CLONE_NEWNS with CLONE_FS
  assertEquals(message({ flags: 0x20200n }), "clone3: invalid argument (EINVAL)");
  assertEquals(message({ cgroup: 99_999 }), "clone3: bad file descriptor (EBADF)");
  assertEquals(message({ pass: [99_999] }), "fcntl descriptor 99999: bad file descriptor (EBADF)");
  assertThrows(() => spawn([op("getpid", [], "")]), Error, "its last operation can be passed by");
  assertEquals(openDescriptors(), before);
  assertEquals(trySyscall("waitid", 0, 0, new Int32Array(32), 4 | 1, 0), -10, "ECHILD: no child is left");
});

Deno.test("too many open files, at whichever descriptor, is an error that leaves none open", () => {
  // Fill every gap, so that `highest + 1 + n` as the limit leaves room for exactly n more.
  const fill: number[] = [], highest = openDescriptors().at(-1)!;
  for (let fd = 0; fd <= highest;) fill.push(fd = syscall("fcntl", 2, 1030, /* F_DUPFD_CLOEXEC */ 0));
  close(fill.pop()!);
  const limit = new BigUint64Array(2);
  syscall("prlimit64", 0, 7, /* RLIMIT_NOFILE */ null, limit);
  const before = openDescriptors(), messages: string[] = [];
  try {
    for (let room = 0; room < 3; room++) {
      syscall("prlimit64", 0, 7, new BigUint64Array([BigInt(highest + 1 + room), limit[1]!]), null);
      messages.push(assertThrows(() => spawn([exit(0)]), SyscallError).message);
    }
    syscall("prlimit64", 0, 7, new BigUint64Array([BigInt(highest + 4), limit[1]!]), null);
    assertEquals(run([exit(3)]), 3);
  } finally {
    syscall("prlimit64", 0, 7, limit, null);
  }
  assertEquals(openDescriptors(), before);
  fill.forEach(close);
  const full = "too many open files (EMFILE)";
  assertEquals(messages, [`memfd_create mini results: ${full}`, `memfd_create mini: ${full}`, `clone3: ${full}`]);
});

Deno.test("a limit on processes is told as EAGAIN", () => {
  // Of root nothing is limited; so the thread that spawns gives it up first.
  const output = script(`
    if (Deno.uid() === 0) syscall("setresuid", 65534, 65534, 65534);
    syscall("prlimit64", 0, 6 /* RLIMIT_NPROC */, new BigUint64Array([0n, 0n]), null);
    const open = () => trySyscall("dup", 0), before = open();
    syscall("close", before);
    try { spawn([op("exit_group", [0], "")]); } catch (error) { console.log(error.message, open() - before); }`);
  assertEquals(output, "clone3: resource temporarily unavailable (EAGAIN) 0");
});

Deno.test("exit statuses are kept although SIGCHLD was ignored when Deno was started", () => {
  const output = script(`
    syscall("rt_sigaction", 17, new BigUint64Array([1n, 0n, 0n, 0n]), null, 8);
    console.log(waitForExit(spawn([op("exit_group", [5], "")]).pidfd).code);`);
  assertEquals(output, "5");
});

Deno.test("an interrupted call is seen by the program, which can go on", () => {
  const [reader, writer] = pipe(), [told, tell] = pipe(0o2004000);
  const event = new Uint8Array(12);
  new DataView(event.buffer).setUint32(0, 1, true); // EPOLLIN
  const { pid, pidfd, results } = spawn([
    op("epoll_create1", [0], "", { name: "epoll" }),
    op("epoll_ctl", [result("epoll"), 1, reader, new Uint8Array([...event, 0, 0, 0, 0])], ""),
    op("epoll_pwait", [result("epoll"), { cell: "event", size: 16 }, 1, -1, 0, 8], "wait", {
      name: "wait",
      jump: { when: "=", than: -4, to: "interrupted" },
    }),
    exit(6),
    op("write", [tell, "i", 1], "say so", { name: "interrupted", jump: { when: "always", to: "wait" } }),
  ], { pass: [reader, tell] });
  const state = () => Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]![0];
  // A stop and going on again interrupts epoll_pwait even without a handler (signal(7)).
  until(() => {
    syscall("pidfd_send_signal", pidfd, 19, null, 0);
    until(() => state() === "T");
    syscall("pidfd_send_signal", pidfd, 18, null, 0);
    until(() => state() === "S");
    return trySyscall("read", told, new Uint8Array(8), 8) > 0;
  });
  close(writer);
  assertEquals(waitForExit(pidfd).code, 6);
  [reader, told, tell, pidfd].forEach(close);
  results.close();
});

Deno.test("the child of a fork with CLONE_PARENT is the caller's own child", () => {
  const CLONE_PARENT_SETTID = 0x100000, CLONE_PARENT = 0x8000;
  const [reader, writer] = pipe();
  const status = run(
    [
      op("clone", [17 | CLONE_PARENT | CLONE_PARENT_SETTID, 0, { cell: "pid", size: 4 }, 0, 0], "fork", {
        jump: { when: ">", to: "parent" },
      }),
      op("read", [reader, { cell: "byte", size: 1 }, 1], "wait"),
      exit(9, "child"),
      op("add", [{ load: "pid", size: 4 }, 0], "tell the child's number", { name: "parent" }),
      exit(8),
    ],
    { pass: [reader] },
    ({ results, pid }) => {
      const child = results.of("parent")!;
      assert(child > 0 && child !== pid);
      const pidfd = syscall("pidfd_open", child, 0);
      close(writer);
      assertEquals(waitForExit(pidfd).code, 9);
      assertThrows(() => waitForExit(pidfd), SyscallError, "ECHILD");
      close(pidfd);
    },
  );
  assertEquals(status, 8);
  close(reader);
});

Deno.test("a thousand processes one after the other leave no descriptor and no memory behind", () => {
  const round = (n: number) => {
    for (let i = 0; i < n; i++) {
      assertEquals(run([op("getpid", ["a string", ["and", "a vector"]], ""), exit(i & 0x7f)]), i & 0x7f);
    }
  };
  round(200);
  const before = openDescriptors(), memory = Deno.memoryUsage().rss;
  round(800);
  assertEquals(openDescriptors(), before);
  assert(Deno.memoryUsage().rss - memory < 48e6, `${Deno.memoryUsage().rss - memory} bytes more`);
});

Deno.test("two isolates start processes at the same time", async () => {
  const source = `
    import { spawn, waitForExit } from ${JSON.stringify(import.meta.resolve("./spawn.ts"))};
    import { close } from ${JSON.stringify(import.meta.resolve("./kernel.ts"))};
    let wrong = 0;
    for (let i = 0; i < 200; i++) {
      const { pidfd, results } = spawn([{ call: "exit_group", args: [i & 0x7f], why: "" }]);
      if (waitForExit(pidfd).code !== (i & 0x7f)) wrong++;
      close(pidfd);
      results.close();
    }
    postMessage(wrong);`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const before = openDescriptors();
  const workers = [0, 1].map(() => new Worker(url, { type: "module" }));
  const wrong = await Promise.all(workers.map((worker) =>
    new Promise((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(event.message));
    })
  ));
  workers.forEach((worker) => worker.terminate());
  URL.revokeObjectURL(url);
  assertEquals(wrong, [0, 0]);
  // The workers' own descriptors may still be open; ours are memfds and pidfds.
  const left = openDescriptors().filter((fd) => {
    try {
      return !before.includes(fd) && /memfd:mini|pidfd/.test(Deno.readLinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // closed meanwhile
    }
  });
  assertEquals(left, []);
});

Deno.test("arguments are shown as a person may read them", () => {
  const shown: [Argument, string][] = [
    [-100, "-100"],
    [5n, "5"],
    ["/a b\n", '"/a b\\n"'],
    [new Uint8Array(3), "<3 bytes>"],
    [["sh", "-c"], '["sh", "-c"]'],
    [{ result: "open" }, "<open>"],
    [{ resultAddress: "open" }, "&open"],
    [{ cell: "info", size: 8 }, "&info"],
    [{ load: "info", size: 8 }, "info"],
    [{ words: [1, "x"] }, '{1, "x"}'],
  ];
  for (const [argument, text] of shown) assertEquals(showArgument(argument), text);
});

Deno.test("results of a file that is too short are an error, not a value", () => {
  const fd = syscall("memfd_create", "short", 1);
  assertThrows(() => new Results(fd, [exit(0)]).at(0), Error, "cut short");
  close(fd);
});

Deno.test("a timed program tells how long each operation took", () => {
  const pause = op("nanosleep", [{ words: [0, 5_000_000] }, 0], "five milliseconds");
  const { pidfd, results } = spawn([op("getpid", [], "quick"), pause, op("exit_group", [0], "end")], { timed: true });
  waitForExit(pidfd);
  const microseconds = [1, 2].map((i) => {
    const { began, ended } = results.times(i);
    return Number(ended! - began!) / ticksPerMicrosecond();
  });
  assert(microseconds[0]! < 5000 && microseconds[1]! >= 4900, `${microseconds}`);
  assertEquals(results.times(3).ended, undefined, "exit_group never returns");
  results.close();
  close(pidfd);
});
