/** runtime.md of the OCI runtime specification: state, lifecycle, operations. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Spec } from "../../runtime/spec.ts";
import { must } from "./subject.ts";

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
/** A hook that is a shell script of the host's. */
const hook = (script: string) => ({ path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/usr/bin:/bin"] });
const failing = hook("echo it failed >&2; exit 3");

must("R1", "the state has version, id, status, pid, bundle and annotations", async (t) => {
  await t.create("sleep 1000", (s) => s.annotations = { "org.example.key": "value" });
  const state = await t.runtime.state(t.id);
  assertMatch(state.ociVersion as string, /^1\.\d+\.\d+/);
  assertEquals([state.id, state.status, state.bundle], [t.id, "created", t.bundle]);
  assert(await exists(`/proc/${state.pid}`));
  assertEquals(state.annotations, { "org.example.key": "value" });
});

must("R2", "the status goes from created to running to stopped", async (t) => {
  await t.create("sleep 1000");
  assertEquals(await t.status(), "created");
  await t.start();
  assertEquals(await t.status(), "running");
  await t.runtime.do(["kill", t.id, "KILL"]);
  await t.runtime.until(t.id, "stopped");
});

must("R3", "create does not run the program, and start does", async (t) => {
  await t.create("touch /ran");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(!await exists(t.inRoot("/ran")));
  await t.start();
  await t.finish();
  assert(await exists(t.inRoot("/ran")));
});

must("R4", "a change of config.json after create does not matter", async (t) => {
  await t.create("touch /first");
  t.write("touch /second");
  await t.start();
  await t.finish();
  assertEquals([await exists(t.inRoot("/first")), await exists(t.inRoot("/second"))], [true, false]);
});

must("R5", "create applies everything but the process: mounts, host name, limits of the environment", async (t) => {
  await t.create("sleep 1000", (s) => {
    s.hostname = "made-here";
    s.mounts!.push({ destination: "/extra", type: "tmpfs", source: "tmpfs" });
  });
  const output = await t.runtime.do(["exec", t.id, "sh", "-c", "hostname; grep -c ' /extra ' /proc/mounts"]);
  assertEquals(output, "made-here\n1\n");
});

for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
  must(`R6.${kind}`, `the ${kind} hooks are invoked by create`, async (t) => {
    const path = `${t.folder}/invoked`;
    await t.create("true", (s) => s.hooks = { [kind]: [hook(`cat > ${path}`)] });
    const state = JSON.parse(await Deno.readTextFile(path));
    assertEquals([state.id, state.bundle], [t.id, t.bundle]);
  });

  must(`R7.${kind}`, `a ${kind} hook that fails is an error, and there is no container`, async (t) => {
    const error = await t.refuses((s) => s.hooks = { [kind]: [failing] });
    assertStringIncludes(error, "hook");
    assert(!await exists(t.inRoot("/ran")));
  });
}

must("R8", "the startContainer hooks are invoked by start, before the program", async (t) => {
  const inside = { path: "/bin/sh", args: ["sh", "-c", "cat > /from-hook"], env: ["PATH=/bin"] };
  await t.create("test -s /from-hook && touch /after", (s) => s.hooks = { startContainer: [inside] });
  assert(!await exists(t.inRoot("/from-hook")));
  await t.start();
  await t.finish();
  assert(await exists(t.inRoot("/after")));
});

must(
  "R9",
  "a startContainer hook that fails is an error and stops the container, and the program is not run",
  async (t) => {
    const inside = { path: "/bin/sh", args: ["sh", "-c", "exit 3"], env: ["PATH=/bin"] };
    await t.create("touch /ran", (s) => s.hooks = { startContainer: [inside] });
    await t.fails("start", t.id);
    await t.runtime.until(t.id, "stopped");
    assert(!await exists(t.inRoot("/ran")));
  },
  { runc: "its start returns before these hooks have run, so their failure is nobody's error" },
);

must("R10", "the poststart hooks are invoked by start, after the program", async (t) => {
  const path = `${t.folder}/poststart`;
  await t.create("sleep 1000", (s) => s.hooks = { poststart: [hook(`cat > ${path}`)] });
  assert(!await exists(path));
  await t.start();
  assertEquals(JSON.parse(await Deno.readTextFile(path)).status, "running");
}, { runc: "1.1 invokes them in create" });

must("R11", "a poststart hook that fails is an error, and stops the container", async (t) => {
  await t.create("sleep 1000", (s) => s.hooks = { poststart: [failing] });
  await t.fails("start", t.id);
  await t.runtime.until(t.id, "stopped");
}, { runc: "1.1 tells it and lets the container run when it was created before" });

must("R12", "the poststop hooks are invoked by delete, with the container gone", async (t) => {
  const path = `${t.folder}/poststop`;
  await t.create("true", (s) => s.hooks = { poststop: [hook(`cat > ${path}`)] });
  await t.start();
  await t.runtime.until(t.id, "stopped");
  assert(!await exists(path));
  await t.runtime.do(["delete", t.id]);
  assertEquals(JSON.parse(await Deno.readTextFile(path)).status, "stopped");
});

must("R13", "a poststop hook that fails is a warning, and the others are run", async (t) => {
  const path = `${t.folder}/poststop`;
  await t.create("true", (s) => s.hooks = { poststop: [failing, hook(`cat > ${path}`)] });
  await t.start();
  await t.runtime.until(t.id, "stopped");
  const { status, stderr } = await t.runtime.run(["delete", t.id]);
  assertEquals(status, 0);
  assertStringIncludes(stderr, "hook");
  assert(await exists(path));
}, { runc: "1.1 runs none after the one that fails" });

must("R14", "state without an id, or of a container that does not exist, is an error", async (t) => {
  await t.fails("state");
  await t.fails("state", "nobody");
});

must("R15", "create without an id, or without a bundle, is an error", async (t) => {
  await t.fails("create");
  await t.fails("create", "--bundle", `${t.folder}/nothing`, t.id);
});

must("R16", "create with an id that is taken, or that is none, is an error and makes nothing", async (t) => {
  await t.create("sleep 1000");
  const before = await t.runtime.state(t.id);
  await t.fails("create", "--bundle", t.bundle, t.id);
  await t.fails("create", "--bundle", t.bundle, "not/valid");
  assertEquals((await t.runtime.state(t.id)).pid, before.pid);
});

must("R17", "a property that cannot be applied is an error, and no container is created", async (t) => {
  await t.refuses((s) => s.mounts!.push({ destination: "/x", type: "no-such-type", source: "x" }));
  await t.refuses((s) => s.linux!.sysctl = { "no.such.sysctl": "1" });
});

must("R18", "start without an id, or of a container that is not created, is an error without effect", async (t) => {
  await t.fails("start");
  await t.fails("start", "nobody");
  await t.create("echo . >> /count; sleep 1000");
  await t.start();
  await t.fails("start", t.id);
  assertEquals(await t.status(), "running");
  await t.runtime.do(["kill", t.id, "KILL"]);
  await t.runtime.until(t.id, "stopped");
  await t.fails("start", t.id);
  assertEquals(await Deno.readTextFile(t.inRoot("/count")), ".\n");
});

must("R19", "kill without an id, or of a container that is stopped, is an error", async (t) => {
  await t.fails("kill");
  await t.fails("kill", "nobody");
  await t.create("true");
  await t.start();
  await t.runtime.until(t.id, "stopped");
  await t.fails("kill", t.id, "KILL");
});

must("R20", "kill sends the signal that it is given, to a running and to a created container", async (t) => {
  const script = "trap 'echo got it > /signal; exit' USR1; echo > /ready; while :; do sleep 0.01; done";
  await t.create(script);
  await t.start();
  for (let i = 0; i < 500 && !await exists(t.inRoot("/ready")); i++) await new Promise((r) => setTimeout(r, 10));
  await t.runtime.do(["kill", t.id, "USR1"]);
  await t.finish();
  assertEquals(await Deno.readTextFile(t.inRoot("/signal")), "got it\n");
  await t.create("true");
  await t.runtime.do(["kill", t.id, "KILL"]);
  await t.finish();
});

must("R21", "delete without an id, or of a container that runs, is an error without effect", async (t) => {
  await t.fails("delete");
  await t.fails("delete", "nobody");
  await t.create("sleep 1000");
  await t.start();
  await t.fails("delete", t.id);
  assertEquals(await t.status(), "running");
});

must("R22", "delete of a container that is only created is an error without effect", async (t) => {
  await t.create("sleep 1000");
  await t.fails("delete", t.id);
  assertEquals(await t.status(), "created");
}, { runc: "it kills and deletes such a container" });

must("R23", "delete removes what create has made, and the id is free again", async (t) => {
  for (let i = 0; i < 2; i++) {
    await t.create("true");
    const { pid } = await t.runtime.state(t.id);
    await t.start();
    await t.finish();
    assert(!await exists(`/proc/${pid}`));
    assertEquals([...Deno.readDirSync(t.runtime.root)], []);
  }
  assert(await exists(t.inRoot("/bin/sh")), "what it did not make stays");
});

must("R24", "config.json in the bundle's own folder is what is read", async (t) => {
  t.write("echo from here");
  const { stdout } = await t.runtime.run(["run", t.id], { cwd: t.bundle });
  assertEquals(stdout, "from here\n");
  await Deno.remove(`${t.bundle}/config.json`);
  await t.fails("create", "--bundle", t.bundle, t.id);
});

must("R25", "the links in /dev are there", async (t) => {
  const output = await t.inside("cd /dev; for l in fd stdin stdout stderr; do readlink $l; done");
  assertEquals(output, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n");
});

must("R26", "start without a process is an error", async (t) => {
  t.write("true", (s: Partial<Spec>) => delete s.process);
  const { status } = await t.runtime.run(["create", "--bundle", t.bundle, t.id]);
  if (status === 0) await t.fails("start", t.id);
});
