import { assert, assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { containerPids, type Process, readProcess } from "./processes.ts";
import { type Host, readHost, terminalName, topColumns } from "./top.ts";

const NOW = new Date(2026, 5, 15, 12, 0, 0).getTime();
const host: Host = {
  now: NOW,
  boot: NOW - 100_000_000,
  memoryBytes: 1000 * 1024,
  users: new Map([[0, "root"]]),
  groups: new Map([[0, "wheel"]]),
};
const process: Process = {
  pid: 42,
  name: "sleep",
  state: "S",
  parent: 1,
  group: 42,
  session: 42,
  terminal: 136 << 8 | 3,
  foreground: 42,
  cpuTicks: 9_012_300,
  priority: 20,
  nice: 0,
  threads: 1,
  startTicks: 9_640_000,
  virtualBytes: 2048 * 1024,
  residentBytes: 50 * 1024,
  uid: 0,
  gid: 0,
  args: ["sleep", "1000"],
};
const line = (...options: string[]) =>
  topColumns(options).map(({ heading, show }) => `${heading}=${show(process, host)}`).join(" ");

Deno.test("options of ps choose columns", () => {
  const full = "UID=root PID=42 PPID=1 C=99 STIME=11:00 TTY=pts/3 TIME=1-01:02:03 CMD=sleep 1000";
  assertEquals(line(), full);
  assertEquals(line("-ef"), full);
  assertEquals(line("-e", "-f"), full);
  assertEquals(
    line("aux"),
    "USER=root PID=42 %CPU=2503.4 %MEM=5.0 VSZ=2048 RSS=50 TTY=pts/3 STAT=Ss+ START=11:00 TIME=1502:03 COMMAND=sleep 1000",
  );
  assertEquals(line("-e"), "PID=42 TTY=pts/3 TIME=1-01:02:03 CMD=sleep");
  assertEquals(line("-o", "pid,comm"), "PID=42 COMMAND=sleep");
  assertEquals(line("-eo", "pid=NUMBER,cmd,ppid"), "NUMBER=42 CMD=sleep 1000 PPID=1");
  assertEquals(line("-opid", "-ogroup,etime"), "PID=42 GROUP=wheel ELAPSED=01:00:00");
  assertEquals(line("axo", "user,pri,ni,nlwp"), "USER=root PRI=19 NI=0 NLWP=1");
});

Deno.test("other options of ps, and columns that are none, are refused", () => {
  for (const options of [["-C", "x"], ["--forest"], ["-q", "1"], ["-"], ["-efz"], ["aux", "-Z"]]) {
    assertThrows(() => topColumns(options), MiniError, "-ef, aux and -o COLUMN,… are");
  }
  assertThrows(() => topColumns(["-o", "pid,colour"]), MiniError, "ps has no column 'colour' here, only %cpu");
  assertThrows(() => topColumns(["-o"]), MiniError, "the option -o of ps needs columns, as in -o pid,comm");
  assertThrows(() => topColumns(["-o", "__proto__"]), MiniError, "ps has no column");
});

Deno.test("terminals are named by their numbers", () => {
  assertEquals([0, 136 << 8, 137 << 8 | 1, 4 << 8 | 1, 5 << 8].map(terminalName), [
    "?",
    "pts/0",
    "pts/257",
    "tty1",
    "?",
  ]);
});

Deno.test("this process is read as what it is", () => {
  const own = readProcess(Deno.pid)!;
  assertEquals([own.pid, own.uid, own.parent], [Deno.pid, Deno.uid(), Deno.ppid]);
  assert(own.residentBytes > 1e6 && own.virtualBytes > own.residentBytes && own.threads > 1);
  assert(own.args.length > 1);
  const started = readHost().boot + own.startTicks * 10;
  assert(started < Date.now() + 2000 && started > Date.now() - 3_600_000, `${started}`);
  assertEquals(readProcess(0x7fffffff), undefined);
});

Deno.test("without a cgroup a container's processes are those of its pid namespace", () => {
  const state = { ociVersion: "", id: "", status: "running", bundle: "", annotations: {} } as const;
  const pids = containerPids({ ...state, pid: Deno.pid });
  assert(pids.includes(Deno.pid) && pids.includes(Deno.ppid));
  assertEquals(containerPids({ ...state, pid: 0x7fffffff }), []);
});
