/** Namespaces that `mini run` has no flag for yet, through runtime/ itself: user, time, and joining an existing one. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { resolve } from "@std/path";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { readFile } from "../ffi/open.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { readable } from "../ffi/reactor.ts";
import { start, type StartOptions } from "../runtime/container.ts";
import type { Namespace, Spec } from "../runtime/spec.ts";
import { type Context, miniTest } from "./harness.ts";

const STARTER = resolve(import.meta.dirname!, "../build/starter.tar.gz");
const FIRST_ID = 231072;

/** A root of the test's own, whose files belong to `uid`. */
async function makeRoot({ folder }: Context, uid = 0): Promise<string> {
  const root = `${folder}/rootfs`;
  await Deno.mkdir(root);
  const run = async (command: string, ...args: string[]) => {
    const { success, stderr } = await new Deno.Command(command, { args }).output();
    assert(success, new TextDecoder().decode(stderr));
  };
  await run("tar", "-xzf", STARTER, "-C", root);
  // In a user namespace nobody may go through folders that are root's alone.
  await Deno.chmod(folder, 0o755);
  if (uid !== 0) await run("chown", "-Rh", `${uid}:${uid}`, root);
  return root;
}

const OPTIONS = ["nosuid", "noexec", "nodev"];
function makeSpec(script: string, namespaces: readonly Namespace[], linux: Spec["linux"] = {}): Spec {
  return {
    ociVersion: "1.2.0",
    root: { path: "root" },
    process: { cwd: "/", args: ["sh", "-c", script], env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: OPTIONS },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
    ],
    linux: { ...linux, namespaces: [{ type: "pid" }, { type: "mount" }, ...namespaces] },
  };
}

/** Runs a container to its end; gives its exit status and what it printed. */
async function run(spec: Spec, directory: string, options: Partial<StartOptions> = {}) {
  const path = `${directory}.out`;
  const fd = syscall("openat", -100, path, 0o2 | 0o100 | 0o1000 | 0o2000000, 0o666);
  try {
    syscall("fchmod", fd, 0o666);
    const container = await start(spec, {
      root: { directory },
      stdio: [0, fd, fd],
      ...options,
    });
    const status = shellStatus(await container.wait());
    return { status, output: new TextDecoder().decode(readFile(fd, 1 << 16)) };
  } finally {
    close(fd);
    await Deno.remove(path);
  }
}

const ID_MAPS = {
  uidMappings: [{ containerID: 0, hostID: FIRST_ID, size: 65536 }],
  gidMappings: [{ containerID: 0, hostID: FIRST_ID, size: 65536 }],
};

miniTest("in a user namespace root is an ordinary user of the host", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const script = "id -u; cat /proc/self/uid_map; touch /made; echo > /dev/null && hostname";
  const spec = { ...makeSpec(script, [{ type: "user" }, { type: "uts" }], ID_MAPS), hostname: "inside" };
  const { status, output } = await run(spec, directory);
  const [uid, map, name] = output.trim().split("\n");
  assertEquals([status, uid, name], [0, "0", "inside"]);
  assertMatch(map!, new RegExp(`^ *0 +${FIRST_ID} +65536$`));
  assertEquals((await Deno.stat(`${directory}/made`)).uid, FIRST_ID);
});

miniTest("a container in a user namespace has an init and dies with its signal like any other", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const spec = makeSpec("kill -9 $$", [{ type: "user" }], ID_MAPS);
  assertEquals((await run(spec, directory, { init: true })).status, 137);
});

miniTest("a container in a user namespace has a terminal of its own", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const spec = makeSpec("tty; stty size", [{ type: "user" }], ID_MAPS);
  spec.process.terminal = true;
  const container = await start(spec, { root: { directory }, windowSize: { rows: 33, columns: 77 } });
  const { terminal } = container;
  assert(terminal !== undefined);
  let text = "";
  try {
    const buffer = new Uint8Array(4096);
    for (let n; await readable(terminal) && (n = read(terminal, buffer)) > 0;) {
      text += new TextDecoder().decode(buffer.subarray(0, n));
    }
    assertEquals(shellStatus(await container.wait()), 0);
  } finally {
    close(terminal);
  }
  assertEquals(text, "/dev/pts/0\r\n33 77\r\n");
});

/** EIO is the end of a terminal whose last user is gone. */
function read(fd: number, buffer: Uint8Array): number {
  try {
    return syscall("read", fd, buffer, buffer.length);
  } catch {
    return 0;
  }
}

miniTest("id maps that the kernel refuses are told, and nothing is left", async (context) => {
  const directory = await makeRoot(context);
  const twice = { containerID: 0, hostID: 5, size: 10 };
  const spec = makeSpec("true", [{ type: "user" }], { uidMappings: [twice, twice], gidMappings: [twice] });
  const error = await assertRejects(() => run(spec, directory), MiniError);
  assertMatch(error.message, /^cannot write \/proc\/\d+\/uid_map /);
});

miniTest("a container whose program is missing says so from inside a user namespace", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const spec = makeSpec("", [{ type: "user" }], ID_MAPS);
  spec.process.args = ["no-such-program"];
  const error = await assertRejects(() => run(spec, directory), MiniError);
  assertEquals([error.exitStatus, error.message.includes("there is no such file")], [127, true]);
});

miniTest("a time namespace has clocks of its own", async (context) => {
  const directory = await makeRoot(context);
  const script = "cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time";
  const spec = makeSpec(script, [{ type: "time" }], { timeOffsets: { boottime: { secs: 1_000_000 } } });
  const { status, output } = await run(spec, directory);
  const [uptime, namespace] = output.trim().split("\n");
  assertEquals(status, 0);
  assert(Number(uptime) >= 1_000_000, output);
  assert(namespace !== await Deno.readLink("/proc/self/ns/time"));
});

miniTest("an existing network namespace is joined by its path", async (context) => {
  const directory = await makeRoot(context);
  const path = `/proc/${Deno.pid}/ns/net`;
  const { status, output } = await run(
    makeSpec("readlink /proc/self/ns/net", [{ type: "network", path }]),
    directory,
  );
  assertEquals([status, output.trim()], [0, await Deno.readLink(path)]);
});

miniTest("namespaces that cannot be joined here are refused by name", async (context) => {
  const directory = await makeRoot(context);
  for (const type of ["user", "time"] as const) {
    const spec = makeSpec("true", [{ type, path: `/proc/self/ns/${type}` }]);
    const error = await assertRejects(() => run(spec, directory), MiniError);
    assertMatch(error.message, new RegExp(`joining an existing ${type} namespace`));
  }
});
