import { assert, assertEquals, assertThrows } from "@std/assert";
import { waitForExit } from "./exit_status.ts";
import { close } from "./kernel.ts";
import { op, type Program } from "./program.ts";
import { readShimStatus, withShim } from "./shim.ts";
import { spawn, type Spawned } from "./spawn.ts";

const shell = (script: string): Program => [
  op("rt_sigprocmask", [2, new Uint8Array(8), 0, 8], "no signal blocked"),
  op("execve", ["/bin/sh", ["sh", "-c", script], ["PATH=/usr/bin:/bin"]], "the child"),
];

/** Starts `script` under a shim; gives the shim and the file it will write. */
async function underShim(script: string, body: (shim: Spawned, statusFile: string) => Promise<void> | void) {
  const folder = await Deno.makeTempDir();
  const statusFile = `${folder}/status`;
  const shim = spawn(withShim(shell(script), { statusFile }));
  try {
    await body(shim, statusFile);
  } finally {
    shim.results.close();
    close(shim.pidfd);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a shim writes down its child's exit status and ends well itself", async () => {
  await underShim("exit 7", (shim, statusFile) => {
    assertEquals(waitForExit(shim.pidfd), { code: 0, signaled: false, coreDumped: false });
    assertEquals(readShimStatus(statusFile), { code: 7, signaled: false, coreDumped: false });
  });
});

Deno.test("a shim tells a signal from an exit status", async () => {
  await underShim("kill -9 $$", (shim, statusFile) => {
    waitForExit(shim.pidfd);
    assertEquals(readShimStatus(statusFile), { code: 9, signaled: true, coreDumped: false });
  });
});

Deno.test("there is no status as long as the child runs, and the shim takes next to no memory", async () => {
  await underShim("exec sleep 60", async (shim, statusFile) => {
    assertEquals(readShimStatus(statusFile), undefined);
    const file = (name: string) => Deno.readTextFileSync(`/proc/${shim.pid}/${name}`);
    let child = 0;
    for (let tries = 0; child === 0; tries++) {
      assert(tries < 1000, "the shim makes no child");
      await new Promise((resolve) => setTimeout(resolve, 1));
      child = Number(file(`task/${shim.pid}/children`).trim());
    }
    // It has closed everything, so that nobody waits for its end who waits for the end of a stream.
    for (let tries = 0; [...Deno.readDirSync(`/proc/${shim.pid}/fd`)].length > 0; tries++) {
      assert(tries < 100, "the shim keeps descriptors open");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const resident = Number(file("smaps_rollup").match(/^Pss:\s+(\d+) kB/m)![1]);
    assert(resident <= 64, `the shim has ${resident} kB resident`);
    Deno.kill(child, "SIGTERM");
    waitForExit(shim.pidfd);
    assertEquals(readShimStatus(statusFile)?.code, 15);
  });
});

Deno.test("a status file that was cut short is an error, not a status", async () => {
  const path = await Deno.makeTempFile();
  try {
    assertThrows(() => readShimStatus(path), Error, "is not what a shim writes");
  } finally {
    await Deno.remove(path);
  }
});
