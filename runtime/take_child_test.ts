import { assertEquals, assertRejects } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { op } from "../ffi/program.ts";
import { spawn, waitForExit } from "../ffi/spawn.ts";
import { abandon, makePair } from "./handshake.ts";
import { takeChild } from "./take_child.ts";

/** A first process that tells a number, and ends. */
function telling(pid: number) {
  const [ours, theirs] = makePair();
  const number = new Uint8Array(new BigUint64Array([BigInt(pid)]).buffer);
  const spawned = spawn([op("write", [theirs, number, 8], "tell"), op("exit_group", [0], "end")], { pass: [theirs] });
  return { ours, theirs, spawned };
}

Deno.test("the process that is taken over is a child of whoever it is to be one of", async () => {
  const other = new Deno.Command("sh", { args: ["-c", "sleep 100 & echo $!; wait"], stdout: "piped" }).spawn();
  const output = other.stdout.getReader(), told = (await output.read()).value!;
  const grandchild = Number(new TextDecoder().decode(told));
  try {
    for (const pid of [1, 0, -1, 2 ** 40, Deno.pid, Deno.ppid, grandchild]) {
      const { ours, theirs, spawned } = telling(pid);
      await assertRejects(() => takeChild(spawned, ours), MiniError, "has interfered");
      close(theirs);
      abandon(spawned, ours);
    }
    const { ours, theirs, spawned } = telling(other.pid);
    const taken = await takeChild(spawned, ours);
    assertEquals(taken.pid, other.pid);
    trySyscall("pidfd_send_signal", taken.pidfd, 15, null, 0);
    close(taken.pidfd);
    close(ours);
    close(theirs);
    spawned.results.close();
  } finally {
    Deno.kill(grandchild);
    await output.cancel();
    await other.status;
  }
});

Deno.test("a process that has ended before it was taken over is taken over all the same, to be reaped", async () => {
  const first = spawn([op("exit_group", [0], "done")]), second = spawn([op("exit_group", [7], "killed")]);
  const [ours, theirs] = makePair();
  // As where the container ends just then: its kernel kills what was cloned, and nobody has the other end any more.
  syscall("write", theirs, new Uint8Array(new BigUint64Array([BigInt(second.pid)]).buffer), 8);
  close(theirs);
  const taken = await takeChild(first, ours);
  assertEquals(taken.pid, second.pid);
  assertEquals(waitForExit(taken.pidfd).code, 7);
  [ours, taken.pidfd, second.pidfd].forEach(close);
  for (const { results } of [first, second]) results.close();
});
