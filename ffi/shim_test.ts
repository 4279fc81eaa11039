import { assert, assertEquals, assertThrows } from "@std/assert";
import { CLONE_NEWUTS, LOCK_EX, O_CREAT, O_NONBLOCK, O_RDWR, SOCK_CLOEXEC, SOCK_STREAM } from "./constants.ts";
import { waitForExit } from "./exit_status.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import { open, tryLock } from "./open.ts";
import { op, type Program } from "./program.ts";
import { readShimStatus, type ShimOptions, withShim } from "./shim.ts";
import { spawn, type Spawned } from "./spawn.ts";

const shell = (script: string, streams: Program = []): Program => [
  ...streams,
  op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "no signal blocked"),
  op("execve", ["/bin/sh", ["sh", "-c", script], ["PATH=/usr/bin:/bin"]], "the child"),
  op("exit_group", [125], "the caller is gone", { name: "orphaned" }),
];

function pair(): [ours: number, theirs: number] {
  const fds = new Int32Array(2);
  syscall("socketpair", 1, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
  return [fds[0]!, fds[1]!];
}

interface Under {
  readonly shim: Spawned;
  readonly folder: string;
  /** The number of the child. */
  readonly child: number;
  /** Lets the child go on. */
  go(): void;
}

/** Starts a program under a shim; `STATUS` is the file it will write. */
async function underShim(
  program: Program,
  body: (under: Under) => Promise<void> | void,
  options: (folder: string) => Partial<ShimOptions> = () => ({}),
) {
  const folder = await Deno.makeTempDir();
  const [caller, theirCaller] = pair(), [sync, theirSync] = pair();
  const more = options(folder);
  const whole = withShim(program, { statusFile: `${folder}/STATUS`, caller: theirCaller, sync: theirSync, ...more });
  const shim = spawn(whole, { pass: [theirCaller, theirSync, ...more.hold ?? []] });
  for (const fd of [theirCaller, theirSync, ...more.hold ?? []]) close(fd);
  const number = new Uint8Array(8);
  assertEquals(syscall("read", caller, number, 8), 8);
  const child = Number(new DataView(number.buffer).getBigUint64(0, true));
  try {
    await body({ shim, folder, child, go: () => void syscall("write", sync, new Uint8Array(1), 1) });
  } finally {
    close(sync);
    close(caller);
    shim.results.close();
    close(shim.pidfd);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a shim writes down its child's exit status and ends well itself", async () => {
  await underShim(shell("exit 7"), ({ shim, folder, go }) => {
    go();
    assertEquals(waitForExit(shim.pidfd), { code: 0, signaled: false, coreDumped: false });
    assertEquals(readShimStatus(`${folder}/STATUS`), { code: 7, signaled: false, coreDumped: false });
  });
});

Deno.test("a shim tells a signal from an exit status", async () => {
  await underShim(shell("kill -9 $$"), ({ shim, folder, go }) => {
    go();
    waitForExit(shim.pidfd);
    assertEquals(readShimStatus(`${folder}/STATUS`), { code: 9, signaled: true, coreDumped: false });
  });
});

Deno.test("a process whose caller is gone before it has begun does not begin", async () => {
  const folder = await Deno.makeTempDir();
  const [caller, theirCaller] = pair(), [sync, theirSync] = pair();
  const program = shell(`touch ${folder}/ran`);
  const shim = spawn(
    withShim(program, { statusFile: `${folder}/STATUS`, caller: theirCaller, sync: theirSync }),
    { pass: [theirCaller, theirSync] },
  );
  for (const fd of [caller, sync, theirCaller, theirSync]) close(fd);
  waitForExit(shim.pidfd);
  assertEquals(readShimStatus(`${folder}/STATUS`), { code: 125, signaled: false, coreDumped: false });
  assertThrows(() => Deno.statSync(`${folder}/ran`), Deno.errors.NotFound);
  shim.results.close();
  close(shim.pidfd);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("there is no status as long as the child runs, and the shim takes next to no memory", async () => {
  await underShim(shell("exec sleep 60"), async ({ shim, folder, child, go }) => {
    go();
    assertEquals(readShimStatus(`${folder}/STATUS`), undefined);
    const file = (name: string) => Deno.readTextFileSync(`/proc/${shim.pid}/${name}`);
    // It has closed everything, so that nobody waits for its end who waits for the end of a stream.
    for (let tries = 0; [...Deno.readDirSync(`/proc/${shim.pid}/fd`)].length > 0; tries++) {
      assert(tries < 100, "the shim keeps descriptors open");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(file("comm"), "mini-shim\n");
    const resident = Number(file("smaps_rollup").match(/^Pss:\s+(\d+) kB/m)![1]);
    assert(resident <= 64, `the shim has ${resident} kB resident`);
    Deno.kill(child, "SIGTERM");
    waitForExit(shim.pidfd);
    assertEquals(readShimStatus(`${folder}/STATUS`)?.code, 15);
  });
});

Deno.test("a shim holds a lock until it ends, and what nobody has read of a FIFO is kept in a file", async () => {
  const fifos: number[] = [];
  const options = (folder: string): Partial<ShimOptions> => {
    syscall("mknodat", -100, `${folder}/fifo`, 0o010600, 0);
    fifos.push(open(`${folder}/fifo`, O_RDWR | O_NONBLOCK), open(`${folder}/lock`, O_CREAT | O_RDWR, 0o600));
    assert(tryLock(fifos[1]!));
    return {
      hold: fifos,
      tails: { lock: `${folder}/reader`, files: [{ fifo: fifos[0]!, file: `${folder}/tail` }] },
    };
  };
  // The child opens the FIFO by the path below.
  await underShim(
    shell("echo one; echo two", []),
    async ({ shim, folder, go, child }) => {
      const reader = open(`${folder}/reader`, O_CREAT | O_RDWR, 0o600);
      syscall("flock", reader, LOCK_EX);
      const writer = open(`${folder}/fifo`, O_RDWR | O_NONBLOCK);
      syscall("write", writer, new TextEncoder().encode("left\n"), 5);
      close(writer);
      const lock = open(`${folder}/lock`, O_RDWR);
      assert(!tryLock(lock));
      go();
      // The status comes at once, the rest only when nobody reads any more.
      for (let tries = 0; readShimStatus(`${folder}/STATUS`) === undefined; tries++) {
        assert(tries < 500, "no status");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert(!tryLock(lock) && child > 0);
      close(reader);
      waitForExit(shim.pidfd);
      assert(tryLock(lock));
      close(lock);
      assertEquals(Deno.readTextFileSync(`${folder}/tail`), "left\n");
    },
    options,
  );
});

Deno.test("the child is born in the namespaces that it is given", async () => {
  const own = Deno.readLinkSync("/proc/self/ns/uts");
  const missing = trySyscall("geteuid") !== 0;
  if (missing) return; // a namespace without a user namespace takes root
  await underShim(
    shell("exec sleep 60"),
    ({ shim, child, go }) => {
      go();
      assert(Deno.readLinkSync(`/proc/${child}/ns/uts`) !== own);
      assertEquals(Deno.readLinkSync(`/proc/${shim.pid}/ns/uts`), own);
      Deno.kill(child, "SIGKILL");
      waitForExit(shim.pidfd);
    },
    () => ({ flags: CLONE_NEWUTS }),
  );
});
