/** What the OCI command line hands over by sockets: terminals, processes, and seccomp's notifications. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { readable } from "../ffi/reactor.ts";
import { windowSize } from "../ffi/terminal.ts";
import { assertRefused, miniTest } from "./harness.ts";
import { makeBundle, miniRuntime, scriptSpec, writeSpec } from "./oci_bundle.ts";
import { Receiver } from "./unix_receiver.ts";

/** Reads a terminal's master side until it has nothing more. */
async function readAll(fd: number): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let length; await readable(fd) && (length = trySyscall("read", fd, buffer, buffer.length)) > 0;) {
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
  return text;
}

miniTest("a terminal's master side is sent to the console socket, of the size that is asked for", async (context) => {
  const { folder } = context, runtime = miniRuntime(context), bundle = await makeBundle(`${folder}/bundle`);
  try {
    writeSpec(
      bundle,
      scriptSpec("tty; stty size; ls -l /dev/console", (s) => {
        s.process.terminal = true;
        s.process.consoleSize = { height: 33, width: 111 };
      }),
    );
    const path = `${folder}/console`;
    assertRefused(await runtime.run(["create", "-b", bundle, "--console-socket", path, "web"]), 1, path);
    using receiver = new Receiver(path);
    const [{ fd }] = await Promise.all([
      receiver.receive(),
      runtime.do(["create", "-b", bundle, "--console-socket", path, "web"]),
    ]);
    assertEquals(windowSize(fd), { rows: 33, columns: 111 });
    await runtime.do(["start", "web"]);
    assertMatch(await readAll(fd), /^\/dev\/pts\/0\r\n33 111\r\ncrw.* 136, +0 .*\/dev\/console\r\n$/);
    close(fd);
    await runtime.until("web", "stopped");

    // A process that joins has one of its own.
    await runtime.do(["delete", "web"]);
    writeSpec(bundle, scriptSpec("exec sleep 1000"));
    await runtime.do(["run", "-d", "-b", bundle, "web"]);
    const [second] = await Promise.all([
      receiver.receive(),
      runtime.do(["exec", "--tty", "--detach", "--console-socket", path, "web", "echo", "from exec"]),
    ]);
    assertEquals(await readAll(second.fd), "from exec\r\n");
    close(second.fd);
  } finally {
    await runtime.clear();
  }
});

miniTest("a descriptor of the first process is sent to the pidfd socket", async (context) => {
  const { folder } = context, runtime = miniRuntime(context);
  const bundle = await makeBundle(`${folder}/bundle`, scriptSpec("exec sleep 1000"));
  try {
    using receiver = new Receiver(`${folder}/pidfd`);
    const [{ fd }] = await Promise.all([
      receiver.receive(),
      runtime.do(["run", "-d", "-b", bundle, "--pidfd-socket", `${folder}/pidfd`, "web"]),
    ]);
    const { pid } = await runtime.state("web");
    assertMatch(await Deno.readTextFile(`/proc/self/fdinfo/${fd}`), new RegExp(`^Pid:\\s+${pid}$`, "m"));
    close(fd);
  } finally {
    await runtime.clear();
  }
});

miniTest("exec --process gives the terminal the size that it asks for", async (context) => {
  const { folder } = context, runtime = miniRuntime(context), path = `${folder}/console`;
  const bundle = await makeBundle(`${folder}/bundle`, scriptSpec("exec sleep 60"));
  const process = {
    terminal: true,
    consoleSize: { height: 10, width: 110 },
    args: ["stty", "size"],
    env: ["PATH=/bin:/usr/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0 },
  };
  await Deno.writeTextFile(`${folder}/process.json`, JSON.stringify(process));
  try {
    await runtime.do(["run", "-d", "-b", bundle, "web"]);
    using receiver = new Receiver(path);
    const [{ fd }] = await Promise.all([
      receiver.receive(),
      runtime.do(["exec", "-d", "--console-socket", path, "--process", `${folder}/process.json`, "web"]),
    ]);
    assertEquals(await readAll(fd), "10 110\r\n");
    close(fd);
  } finally {
    await runtime.clear();
  }
});

// include/uapi/linux/seccomp.h: struct seccomp_notif and seccomp_notif_resp.
const NOTIF_RECV = 0xc0502100, NOTIF_SEND = 0xc0182101, ENOSPC = 28;

/** Answers one question of a filter: the call fails with this error. Returns the number of the process that asked. */
async function answer(listener: number, errno: number): Promise<number> {
  await readable(listener);
  const question = new Uint8Array(80), reply = new Uint8Array(24), view = new DataView(reply.buffer);
  syscall("ioctl", listener, NOTIF_RECV, question);
  reply.set(question.subarray(0, 8));
  view.setInt32(16, -errno, true);
  syscall("ioctl", listener, NOTIF_SEND, reply);
  return new DataView(question.buffer).getUint32(8, true);
}

for (const noNewPrivileges of [true, false]) {
  const name = `a filter asks the process that listens at listenerPath (noNewPrivileges ${noNewPrivileges})`;
  miniTest(name, async (context) => {
    const { folder } = context, runtime = miniRuntime(context), path = `${folder}/agent`;
    const bundle = await makeBundle(
      `${folder}/bundle`,
      scriptSpec("mkdir /x 2> /said; exec sleep 1000", (s) => {
        s.process.noNewPrivileges = noNewPrivileges;
        s.linux!.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          listenerPath: path,
          listenerMetadata: "meta",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
        };
      }),
    );
    try {
      assertRefused(await runtime.run(["create", "-b", bundle, "web"]), 1, path);
      using receiver = new Receiver(path);
      const [{ text, fd }] = await Promise.all([receiver.receive(), runtime.do(["create", "-b", bundle, "web"])]);
      const message = JSON.parse(text), { pid } = await runtime.state("web");
      assertEquals([message.fds, message.pid, message.metadata], [["seccompFd"], pid, "meta"]);
      assertEquals([message.state.id, message.state.pid, message.state.status], ["web", pid, "creating"]);
      await runtime.do(["start", "web"]);
      assert(await answer(fd, ENOSPC) > 0);
      close(fd);
      const said = () => Deno.readTextFile(`${bundle}/rootfs/said`).catch(() => "");
      for (let i = 0; i < 500 && !/No space left/.test(await said()); i++) await new Promise((r) => setTimeout(r, 10));
      assertMatch(await said(), /No space left on device/);
      // The same for a process that joins.
      const [second, { stdout, status }] = await Promise.all([
        receiver.receive().then(async (received) => {
          await answer(received.fd, ENOSPC);
          close(received.fd);
          return received;
        }),
        runtime.run(["exec", "web", "sh", "-c", "mkdir /y 2>&1"]),
      ]);
      assertMatch(stdout, /No space left on device/);
      assertEquals([status, JSON.parse(second.text).state.status], [1, "running"]);
    } finally {
      await runtime.clear();
    }
  });
}
