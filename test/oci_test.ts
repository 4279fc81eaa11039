/** The OCI command line: the life of containers, and what of it can go wrong. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Spec } from "../runtime/spec.ts";
import { assertRefused, type Context, miniTest, type Need, until } from "./harness.ts";
import { ownDescendants } from "./leaks.ts";
import { makeBundle, miniRuntime, type Runtime, scriptSpec, writeSpec } from "./oci_bundle.ts";

function existsProcess(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}

type Body = (context: Context & { runtime: Runtime; bundle: string; use(spec: unknown): void }) => Promise<void>;

/** A test with a bundle; containers that it leaves are deleted. */
function ociTest(name: string, body: Body, needs: readonly Need[] = []): void {
  miniTest(name, async (context) => {
    const bundle = await makeBundle(`${context.folder}/bundle`), runtime = miniRuntime(context);
    try {
      await body({ ...context, bundle, runtime, use: (spec) => writeSpec(bundle, spec) });
    } finally {
      await runtime.clear();
    }
  }, needs);
}

const script = (text: string, change?: (spec: Spec) => void) => scriptSpec(text, change);

ociTest(
  "a container is created, started, and deleted, and says what state it is in",
  async ({ runtime, bundle, use, folder }) => {
    use(script("cat /proc/self/cgroup > /out; sleep 0.2", (s) => s.annotations = { a: "b" }));
    const pidFile = `${folder}/pid`;
    await runtime.do(["create", "--bundle", bundle, "--pid-file", pidFile, "web"]);
    const created = await runtime.state("web");
    assertEquals(created, {
      ociVersion: "1.2.0",
      id: "web",
      pid: Number(await Deno.readTextFile(pidFile)),
      status: "created",
      bundle,
      rootfs: `${bundle}/rootfs`,
      created: created.created,
      owner: "root",
      annotations: { a: "b" },
    });
    assertEquals(await Deno.stat(`${bundle}/rootfs/out`).catch(() => "none"), "none");
    // What becomes of the bundle does not matter any more.
    use("nothing");
    await runtime.do(["start", "web"]);
    await runtime.until("web", "stopped");
    assertEquals((await runtime.state("web")).pid, 0);
    assertStringIncludes(await Deno.readTextFile(`${bundle}/rootfs/out`), "0::/");
    await runtime.do(["delete", "web"]);
    assertRefused(await runtime.run(["state", "web"]), 1, "container does not exist", "web");
    assertEquals([...Deno.readDirSync(runtime.root)], []);
  },
);

ociTest(
  "what does not go with a container's state is refused, and changes nothing",
  async ({ runtime, bundle, use }) => {
    use(script("exec sleep 1000"));
    await runtime.do(["create", "-b", bundle, "web"]);
    assertRefused(await runtime.run(["create", "-b", bundle, "web"]), 1, "container with id exists: web");
    assertRefused(await runtime.run(["delete", "web"]), 1, "cannot delete container web that is not stopped");
    await runtime.do(["start", "web"]);
    assertRefused(await runtime.run(["start", "web"]), 1, "cannot start an already running container");
    assertRefused(await runtime.run(["delete", "web"]), 1, "not stopped: running");
    assertEquals((await runtime.state("web")).status, "running");
    assertRefused(await runtime.run(["resume", "web"]), 1, "container not paused");
    await runtime.do(["kill", "web", "KILL"]);
    await runtime.until("web", "stopped");
    assertRefused(await runtime.run(["kill", "web", "KILL"]), 1, "container not running");
    assertRefused(await runtime.run(["start", "web"]), 1, "cannot start a container that has stopped");
    assertRefused(await runtime.run(["exec", "web", "true"]), 255, "cannot exec in a stopped container");
    await runtime.do(["delete", "web"]);
    for (const command of ["start", "state", "kill", "delete", "pause", "resume", "ps"]) {
      assertRefused(await runtime.run([command, "web"]), 1, "container does not exist: web");
    }
    await runtime.do(["delete", "--force", "web"]);
  },
);

ociTest("ids are names of folders and nothing else", async ({ runtime, bundle, use }) => {
  use(script("true"));
  for (const id of ["", ".", "..", "a/b", "../x", "ä", "a b", "a\n"]) {
    assertRefused(await runtime.run(["create", "-b", bundle, id]), 1, "container id");
  }
  await runtime.do(["run", "-b", bundle, "A.b-c_d+1"]);
});

ociTest("run passes streams and the exit status on, and deletes", async ({ runtime, bundle, use }) => {
  use(script("cat; echo errors >&2; exit 7"));
  const output = await runtime.run(["run", "-b", bundle, "web"], { stdin: "typed" });
  assertEquals(output, { status: 7, stdout: "typed", stderr: "errors\n" });
  assertEquals([...Deno.readDirSync(runtime.root)], []);
});

ociTest(
  "a program that is not there is told by create, and one that cannot be executed by start",
  async ({ runtime, bundle, use }) => {
    use(script("", (s) => s.process.args = ["nosuch"]));
    assertRefused(
      await runtime.run(["create", "-b", bundle, "web"]),
      1,
      "nosuch",
      "executable file not found in $PATH",
    );
    use(script("", (s) => s.process.args = ["/no/such"]));
    assertRefused(await runtime.run(["create", "-b", bundle, "web"]), 1, "/no/such", "no such file or directory");
    await Deno.writeTextFile(`${bundle}/rootfs/text`, "words");
    use(script("", (s) => s.process.args = ["/text"]));
    assertRefused(await runtime.run(["create", "-b", bundle, "web"]), 1, "/text", "permission denied");
    await Deno.chmod(`${bundle}/rootfs/text`, 0o755);
    await runtime.do(["create", "-b", bundle, "web"]);
    assertRefused(await runtime.run(["start", "web"]), 1, "/text", "neither a program nor a script");
    await runtime.until("web", "stopped");
    await runtime.do(["delete", "web"]);
    assertRefused(await runtime.run(["run", "-b", bundle, "web"]), 1, "/text");
    assertEquals([...Deno.readDirSync(runtime.root)], []);
  },
);

ociTest("exec runs a further process, in the foreground and on its own", async ({ runtime, bundle, use, folder }) => {
  use(script("exec sleep 1000"));
  await runtime.do(["run", "--detach", "-b", bundle, "web"], { cwd: "/" });
  const inside = (...args: string[]) => runtime.run(["exec", ...args], { stdin: "in" });
  assertEquals(await inside("web", "sh", "-c", "cat; echo err >&2; exit 3"), {
    status: 3,
    stdout: "in",
    stderr: "err\n",
  });
  assertEquals(
    (await inside(
      "-u",
      "7:8",
      "-g",
      "9",
      "--cwd",
      "/tmp",
      "-e",
      "A=b",
      "web",
      "sh",
      "-c",
      "id -u; id -G; pwd; echo $A",
    )).stdout,
    "7\n8 9\n/tmp\nb\n",
  );
  const process = { cwd: "/", args: ["sh", "-c", "echo $0"], env: ["PATH=/bin"], user: { uid: 1, gid: 1 } };
  await Deno.writeTextFile(`${folder}/process.json`, JSON.stringify(process));
  assertEquals((await inside("--process", `${folder}/process.json`, "web")).stdout, "sh\n");
  assertRefused(await inside("web", "nosuch"), 255, "nosuch");
  assertRefused(await inside("web"), 255, "process args cannot be empty");
  assertRefused(await inside("--user", "root", "web", "true"), 255, "--user");
  await runtime.do(["exec", "--detach", "--pid-file", `${folder}/pid`, "web", "sleep", "61"]);
  const pid = Number(await Deno.readTextFile(`${folder}/pid`));
  assertEquals(await Deno.readTextFile(`/proc/${pid}/cmdline`), "sleep\x0061\0");
  const pids = JSON.parse(await runtime.do(["ps", "--format", "json", "web"]));
  assertEquals(pids.length, 2);
  assert(pids.includes(pid));
  assertMatch(await runtime.do(["ps", "web"]), /PID[^\n]*\n.*sleep 1000\n.*sleep 61\n/);
  // As its adopted parent we reap it, and the container waits for that.
  Deno.kill(pid, "SIGKILL");
  await until("its end", () => (ownDescendants(), !existsProcess(pid)));
});

ociTest("a paused container stands still", async ({ runtime, bundle, use }) => {
  use(script("while :; do echo . >> /ticks; sleep 0.01; done"));
  await runtime.do(["run", "-d", "-b", bundle, "web"]);
  await runtime.do(["pause", "web"]);
  assertEquals((await runtime.state("web")).status, "paused");
  const ticks = () => Deno.statSync(`${bundle}/rootfs/ticks`).size;
  const before = ticks();
  assertRefused(await runtime.run(["exec", "web", "true"]), 255, "cannot exec in a paused container");
  assertEquals(ticks(), before);
  await runtime.do(["resume", "web"]);
  await runtime.until("web", "running");
  await runtime.do(["delete", "--force", "web"]);
});

ociTest("list shows all containers, as a table, as JSON, and only their ids", async ({ runtime, bundle, use }) => {
  use(script("sleep 1000"));
  assertEquals(await runtime.do(["list", "-q"]), "");
  await runtime.do(["create", "-b", bundle, "b"]);
  await runtime.do(["create", "-b", bundle, "a"]);
  assertEquals(await runtime.do(["list", "-q"]), "a\nb\n");
  const states = JSON.parse(await runtime.do(["list", "--format", "json"]));
  assertEquals(states.map((s: { id: string; status: string }) => [s.id, s.status]), [["a", "created"], [
    "b",
    "created",
  ]]);
  assertMatch(await runtime.do(["list"]), /^ID +PID +STATUS +BUNDLE +CREATED +OWNER\na +\d+ +created /);
});

ociTest("failures are written to the log that an engine reads", async ({ runtime, folder }) => {
  const log = `${folder}/log`;
  await runtime.run(["--log", log, "--log-format", "json", "start", "web"]);
  const line = JSON.parse(await Deno.readTextFile(log));
  assertEquals([line.level, line.msg], ["error", "container does not exist: web"]);
  assert(!Number.isNaN(Date.parse(line.time)));
});

ociTest("a specification to begin with is written, and never over another one", async ({ runtime, folder, bundle }) => {
  await runtime.do(["spec", "--bundle", bundle]);
  assertRefused(await runtime.run(["spec", "-b", bundle]), 1, "file config.json exists");
  assertRefused(await runtime.run(["run", "-b", folder, "web"]), 1, "config.json", "not found");
  assertRefused(await runtime.run(["create", "-b", bundle, "web"]), 1, "--console-socket");
});

ociTest(
  "descriptors are passed on when they are asked for, and only those that the caller gave",
  async ({ runtime, bundle, use }) => {
    use(script("cat <&3; ls /proc/self/fd | tr '\\n' ' '"));
    const shell = (flags: string) =>
      `exec 3< /etc/hostname; exec ${runtime.line("run", "-b", bundle, ...flags.split(" "), "web").join(" ")}`;
    const run = (flags: string) => new Deno.Command("sh", { args: ["-c", shell(flags)], stdin: "null" }).output();
    const passed = await run("--preserve-fds 1");
    assertStringIncludes(new TextDecoder().decode(passed.stdout), await Deno.readTextFile("/etc/hostname"));
    const refused = await run("--preserve-fds 2");
    assertEquals(refused.code, 1);
    assertStringIncludes(new TextDecoder().decode(refused.stderr), "descriptor 4 is not open");
  },
);
