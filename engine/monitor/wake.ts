/**
 * Makes sure that there is a monitor, and that it looks around. It is found by a FIFO: whoever opens that for writing finds a
 * reader, or learns that there is none and starts one.
 */
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDWR, O_WRONLY, P_PID, SIG_SETMASK, WEXITED } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { op, type Program, result } from "../../ffi/program.ts";
import { selfCommand, userEnvironment } from "../../ffi/self.ts";
import { spawn } from "../../ffi/spawn.ts";
import { cgroupTree, openCgroup } from "../../runtime/cgroup.ts";
import { OWN_CGROUP } from "../cgroups.ts";
import type { Containers } from "../containers.ts";

/** Where the monitor listens, and what it holds the lock of, both in the state folder. */
export const MONITOR_FIFO = "monitor", MONITOR_LOCK = "monitor.lock";

const CLONE_PARENT_SETTID = 0x100000, SIGCHLD = 17, CLD_EXITED = 1;
/** How long after a monitor was killed the next one is started. */
const PAUSE_NANOSECONDS = 20_000_000;

/** Has the monitor look around, and starts one if there is none. It goes on without this process. */
export function wakeMonitor(containers: Containers): void {
  if (!tellMonitor(containers)) startMonitor(containers);
}

/** Has the monitor look around. @returns false when there is none. */
export function tellMonitor({ state }: Containers): boolean {
  const fd = trySyscall("openat", AT_FDCWD, `${state}/${MONITOR_FIFO}`, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd === -Errno.ENXIO || fd === -Errno.ENOENT) return false;
  if (fd < 0) throw new SyscallError("openat", -fd, `${state}/${MONITOR_FIFO}`);
  try {
    const written = trySyscall("write", fd, new Uint8Array([10]), 1);
    // Full: it has been told often enough. EPIPE: it has gone in between.
    return written === 1 || written === -Errno.EAGAIN;
  } finally {
    close(fd);
  }
}

/** Starts a monitor, under a guardian that starts it again if it is killed. */
function startMonitor({ root, state }: Containers): void {
  const command = [...selfCommand(), "--root", root, "--state", state, "monitor"];
  const tree = cgroupTree(), own = tree && openCgroup(tree, OWN_CGROUP);
  try {
    const { pidfd, results } = spawn(guardian(command, `${state}/monitor.log`), { cgroup: own?.fd });
    results.close();
    close(pidfd);
  } finally {
    if (own) close(own.fd);
  }
}

/**
 * The guardian: some 20 kB that wait. A monitor that ends by itself has nothing left to do, and one that fails has said why;
 * one that was killed is started again.
 */
function guardian(command: readonly string[], log: string): Program {
  const child = { cell: "monitor", size: 8 } as const, info = { cell: "monitor's end", size: 128 } as const;
  const O_APPEND_CREAT = 0o2000 | 0o100 | O_WRONLY | O_CLOEXEC;
  return [
    op("setsid", [], "it outlives the session that it was started from"),
    op("chdir", ["/"], "it keeps no folder busy"),
    op("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0], "nothing of the caller's stays open", {
      name: "null",
    }),
    op("openat", [AT_FDCWD, log, O_APPEND_CREAT, 0o600], "what goes wrong is told here", { name: "log" }),
    op("dup3", [result("null"), 0, 0], "standard input"),
    op("dup3", [result("null"), 1, 0], "standard output"),
    op("dup3", [result("log"), 2, 0], "standard error"),
    op("clone", [SIGCHLD | CLONE_PARENT_SETTID, 0, child, 0, 0], "the guardian stays, the monitor goes on", {
      name: "again",
      jump: { when: ">", to: "guard" },
    }),
    op("rt_sigprocmask", [SIG_SETMASK, new Uint8Array(8), 0, 8], "no signal blocked"),
    op("close_range", [3, 0xffffffff, 0], "nothing else is open"),
    op("execve", [command[0]!, command, Object.entries(userEnvironment()).map(([k, v]) => `${k}=${v}`)], "the monitor"),
    op("prctl", [15, "mini-guardian", 0, 0, 0], "what ps calls it", { name: "guard", optional: true }),
    op("waitid", [P_PID, { load: "monitor", size: 8 }, info, WEXITED, 0], "until it ends"),
    op("add", [{ load: "monitor's end", size: 128, offset: 8 }, 0], "by itself?", {
      jump: { when: "=", than: CLD_EXITED, to: "done" },
    }),
    op("nanosleep", [{ words: [0, PAUSE_NANOSECONDS] }, 0], "it was killed: start it again", {
      jump: { when: "always", to: "again" },
    }),
    op("exit_group", [0], "nothing is left to watch", { name: "done" }),
  ];
}

/** Makes the FIFO that the monitor listens on. @returns a descriptor for reading; the caller's to close. */
export function listenForWakes(state: string): number {
  const path = `${state}/${MONITOR_FIFO}`;
  const made = trySyscall("mknodat", AT_FDCWD, path, 0o010600, 0);
  if (made < 0 && made !== -Errno.EEXIST) throw new SyscallError("mknodat", -made, path);
  return syscall("openat", AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
}
