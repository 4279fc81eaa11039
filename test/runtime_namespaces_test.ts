/** Namespaces through runtime/ itself: user, time, and joining existing ones by their paths. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { shellStatus } from "../ffi/exit_status.ts";
import { readable } from "../ffi/reactor.ts";
import { start } from "../runtime/container.ts";
import { miniTest } from "./harness.ts";
import { FIRST_ID, ID_MAPS, makeRoot, makeSpec, runSpec } from "./runtime_specs.ts";

miniTest("in a user namespace root is an ordinary user of the host", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const script = "id -u; cat /proc/self/uid_map; touch /made; echo > /dev/null && hostname";
  const spec = { ...makeSpec(script, [{ type: "user" }, { type: "uts" }], ID_MAPS), hostname: "inside" };
  const { status, output } = await runSpec(spec, directory);
  const [uid, map, name] = output.trim().split("\n");
  assertEquals([status, uid, name], [0, "0", "inside"]);
  assertMatch(map!, new RegExp(`^ *0 +${FIRST_ID} +65536$`));
  assertEquals((await Deno.stat(`${directory}/made`)).uid, FIRST_ID);
});

miniTest("a container in a user namespace has an init and dies with its signal like any other", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const spec = makeSpec("kill -9 $$", [{ type: "user" }], ID_MAPS);
  assertEquals((await runSpec(spec, directory, { init: true })).status, 137);
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
  const error = await assertRejects(() => runSpec(spec, directory), MiniError);
  assertMatch(error.message, /^cannot write \/proc\/\d+\/uid_map /);
});

miniTest("a container whose program is missing says so from inside a user namespace", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  const spec = makeSpec("", [{ type: "user" }], ID_MAPS);
  spec.process.args = ["no-such-program"];
  const error = await assertRejects(() => runSpec(spec, directory), MiniError);
  assertEquals([error.exitStatus, error.message.includes("there is no such file")], [127, true]);
});

miniTest("a time namespace has clocks of its own", async (context) => {
  const directory = await makeRoot(context);
  const script = "cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time";
  const spec = makeSpec(script, [{ type: "time" }], { timeOffsets: { boottime: { secs: 1_000_000 } } });
  const { status, output } = await runSpec(spec, directory);
  const [uptime, namespace] = output.trim().split("\n");
  assertEquals(status, 0);
  assert(Number(uptime) >= 1_000_000, output);
  assert(namespace !== await Deno.readLink("/proc/self/ns/time"));
});

miniTest("an existing network namespace is joined by its path", async (context) => {
  const directory = await makeRoot(context);
  const path = `/proc/${Deno.pid}/ns/net`;
  const { status, output } = await runSpec(
    makeSpec("readlink /proc/self/ns/net", [{ type: "network", path }]),
    directory,
  );
  assertEquals([status, output.trim()], [0, await Deno.readLink(path)]);
});

/** A process in new namespaces of those kinds; with a user namespace they belong to that. */
async function others(...flags: string[]): Promise<AsyncDisposable & { pid: number }> {
  const child = new Deno.Command("unshare", {
    args: [...flags, "--fork", "sh", "-c", "echo; exec sleep 1000"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const pid = Number(Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`).trim());
  return {
    pid,
    [Symbol.asyncDispose]: async () => {
      Deno.kill(pid, "SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

const FILES = { pid: "pid", ipc: "ipc", uts: "uts", network: "net", cgroup: "cgroup", time: "time" } as const;

miniTest("every kind of namespace is joined by its path", async (context) => {
  const directory = await makeRoot(context);
  await using other = await others("--pid", "--ipc", "--uts", "--net", "--cgroup", "--time");
  const types = Object.keys(FILES) as (keyof typeof FILES)[];
  const joined = types.map((type) => ({ type, path: `/proc/${other.pid}/ns/${FILES[type]}` }));
  const spec = makeSpec(
    `for n in ${Object.values(FILES).join(" ")} mnt; do readlink /proc/self/ns/$n; done; ls -d /proc/[0-9]* | wc -l`,
    joined,
  );
  spec.linux!.namespaces = [{ type: "mount" }, ...joined];
  const { status, output } = await runSpec(spec, directory);
  const lines = output.trim().split("\n");
  assertEquals(status, 0, output);
  assertEquals(lines.slice(0, 6), joined.map(({ path }) => Deno.readLinkSync(path)));
  assert(lines[6] !== Deno.readLinkSync(`/proc/${other.pid}/ns/mnt`));
  assert(lines[6] !== Deno.readLinkSync("/proc/self/ns/mnt"));
  assert(Number(lines[7]) >= 3, "the other's processes are there");
  // One alone, so that each is joined without the help of another.
  for (const one of joined) {
    const alone = makeSpec(`readlink /proc/self/ns/${FILES[one.type]}`, []);
    alone.linux!.namespaces = [{ type: "mount" }, ...one.type === "pid" ? [] : [{ type: "pid" } as const], one];
    for (const init of [false, true]) {
      const { status, output } = await runSpec(alone, directory, { init });
      assertEquals([status, output.trim()], [0, Deno.readLinkSync(one.path)], one.type);
    }
  }
});

miniTest("a user namespace is joined with what belongs to it, and with what is the host's", async (context) => {
  const directory = await makeRoot(context);
  await using other = await others("--user", "--map-root-user", "--pid", "--net", "--uts");
  const at = (file: string) => `/proc/${other.pid}/ns/${file}`;
  const script = "id -u; for n in user pid net uts; do readlink /proc/self/ns/$n; done";
  const spec = makeSpec(script, []);
  spec.process.user.additionalGids = [];
  for (
    const [net, uts] of [[at("net"), at("uts")], [`/proc/${Deno.pid}/ns/net`, `/proc/${Deno.pid}/ns/uts`]] as const
  ) {
    spec.linux!.namespaces = [
      { type: "mount" },
      { type: "network", path: net },
      { type: "pid", path: at("pid") },
      { type: "uts", path: uts },
      { type: "user", path: at("user") },
    ];
    // A namespace where setgroups is denied has no groups to give.
    const { output } = await runSpec(spec, directory).catch((error) => ({ output: String(error.message) }));
    assertMatch(output, /setgroups/);
  }
});

miniTest("a user namespace of several ids is joined", async (context) => {
  const directory = await makeRoot(context, FIRST_ID);
  await using other = await others("--user", "--pid", "--net");
  for (const file of ["uid_map", "gid_map"]) {
    Deno.writeTextFileSync(`/proc/${other.pid}/${file}`, `0 ${FIRST_ID} 65536`, { create: false });
  }
  const at = (file: string) => `/proc/${other.pid}/ns/${file}`;
  const spec = makeSpec("id -u; cat /proc/self/uid_map; readlink /proc/self/ns/net; touch /made", []);
  for (const net of [at("net"), `/proc/${Deno.pid}/ns/net`]) {
    spec.linux!.namespaces = [
      { type: "mount" },
      { type: "network", path: net },
      { type: "pid", path: at("pid") },
      { type: "user", path: at("user") },
    ];
    const { status, output } = await runSpec(spec, directory);
    const [uid, ids, joined] = output.trim().split("\n");
    assertEquals([status, uid, joined], [0, "0", Deno.readLinkSync(net)], output);
    assertMatch(ids!, new RegExp(`^ *0 +${FIRST_ID} +65536$`));
    assertEquals(Deno.statSync(`${directory}/made`).uid, FIRST_ID);
    Deno.removeSync(`${directory}/made`);
  }
});

miniTest("a mount namespace is joined, but never the host's", async (context) => {
  const directory = await makeRoot(context);
  await using other = await others("--mount");
  const path = `/proc/${other.pid}/ns/mnt`, link = Deno.readLinkSync(path);
  const spec = makeSpec("readlink /proc/self/ns/mnt; ls /proc/self >/dev/null && echo mounted", []);
  spec.linux!.namespaces = [{ type: "pid" }, { type: "mount", path: "/proc/self/ns/mnt" }];
  const error = await assertRejects(() => runSpec(spec, directory), MiniError);
  assertMatch(error.message, /the host's own/);
  spec.linux!.namespaces = [{ type: "pid" }, { type: "mount", path }];
  assertEquals(await runSpec(spec, directory), { status: 0, output: `${link}\nmounted\n` });
});

miniTest("what is no namespace, or one of another kind, is told", async (context) => {
  const directory = await makeRoot(context);
  for (const [path, word] of [["/nosuch", "/nosuch"], ["/proc/self/ns/net", "uts"], ["/etc/passwd", "uts"]] as const) {
    const error = await assertRejects(() => runSpec(makeSpec("true", [{ type: "uts", path }]), directory));
    assertMatch((error as Error).message, new RegExp(word));
  }
});
