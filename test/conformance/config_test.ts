/** config.md of the OCI runtime specification: what every platform has, and POSIX. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Hooks, Spec } from "../../runtime/spec.ts";
import { must, type Subject } from "./subject.ts";

const hook = (script: string) => ({ path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/usr/bin:/bin"] });
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
/** A value of another type than the specification's. */
const any = (value: unknown) => value as never;

must("C1", "ociVersion is a version in SemVer format that is known", async (t) => {
  for (const version of ["", "latest", "2.0.0"]) await t.refuses((s) => s.ociVersion = version);
}, { runc: "it does not look at the version" });

must("C2", "root is required, with a path at which a folder is", async (t) => {
  await t.refuses((s: Partial<Spec>) => delete s.root);
  await t.refuses((s) => s.root.path = "nothing");
  await t.refuses((s) => s.root.path = "config.json");
});

must("C3", "root.path is absolute, or relative to the bundle", async (t) => {
  assertEquals(await t.inside("echo relative", (s) => s.root.path = "rootfs"), "relative\n");
  assertEquals(await t.inside("echo absolute", (s) => s.root.path = t.inRoot("")), "absolute\n");
});

must("C4", "a read-only root cannot be written", async (t) => {
  const output = await t.inside("touch /x 2>/dev/null || echo read-only", (s) => s.root.readonly = true);
  assertEquals(output, "read-only\n");
  await t.inside("touch /x");
});

must("C5", "mounts are made in the listed order", async (t) => {
  await Deno.mkdir(`${t.folder}/a`);
  await Deno.writeTextFile(`${t.folder}/a/name`, "a");
  const output = await t.inside("cat /m/name; ls /m | wc -l; cat /n/name 2>/dev/null || echo hidden", (s) => {
    const tmpfs = (destination: string) => ({ destination, type: "tmpfs", source: "tmpfs" });
    const bind = (destination: string) => ({ destination, type: "bind", source: `${t.folder}/a`, options: ["bind"] });
    s.mounts!.push(tmpfs("/m"), bind("/m"), bind("/n"), tmpfs("/n"));
  });
  assertEquals(output, "a1\nhidden\n");
});

must("C6", "a mount needs a destination", async (t) => {
  await t.refuses((s) => s.mounts!.push(any({ type: "tmpfs", source: "tmpfs" })));
});

const attributes: readonly (readonly [option: string, flag: string])[] = [
  ["ro", "ro"],
  ["rw", "rw"],
  ["nosuid", "nosuid"],
  ["nodev", "nodev"],
  ["noexec", "noexec"],
  ["noatime", "noatime"],
  ["nodiratime", "nodiratime"],
  ["relatime", "relatime"],
];
must("C7", "mounts have the attributes that they are given: ro, rw, nosuid, nodev, noexec, noatime …", async (t) => {
  for (const type of ["tmpfs", "bind"]) {
    const output = await t.inside("cat /proc/mounts", (s) => {
      for (const [option] of attributes) {
        const options = type === "bind" ? ["bind", option] : [option];
        s.mounts!.push({ destination: `/m/${option}`, type, source: type === "bind" ? t.folder : "tmpfs", options });
      }
    });
    for (const [option, flag] of attributes) {
      assertMatch(output, new RegExp(` /m/${option} \\S+ (\\S+,)?${flag}(,|\\s)`, "m"), `${type} ${option}`);
    }
  }
});

must("C8", "the opposite of an attribute takes it back: dev, exec, suid, atime, diratime, norelatime …", async (t) => {
  const pairs = [["noexec", "exec"], ["nodev", "dev"], ["nosuid", "suid"], ["nodiratime", "diratime"], [
    "noatime",
    "atime",
  ]];
  const output = await t.inside("cat /proc/mounts", (s) => {
    for (const options of pairs) {
      s.mounts!.push({ destination: `/m/${options[1]}`, type: "tmpfs", source: "tmpfs", options });
    }
  });
  for (const [off, on] of pairs) {
    const line = output.split("\n").find((line) => line.includes(` /m/${on} `))!;
    assert(!line.split(" ")[3]!.split(",").includes(off!), line);
  }
});

must(
  "C9",
  "options that change nothing here are taken: defaults, async, loud, silent, strictatime, norelatime …",
  async (t) => {
    const options = "async atime dirsync lazytime nolazytime loud norelatime nostrictatime silent strictatime sync"
      .split(
        " ",
      );
    await t.inside("true", (s) => {
      for (const option of options) {
        s.mounts!.push({ destination: `/t/${option}`, type: "tmpfs", source: "tmpfs", options: [option] });
        s.mounts!.push({ destination: `/b/${option}`, type: "bind", source: t.folder, options: ["bind", option] });
      }
    });
  },
);

must("C9.defaults", "the option defaults is taken", async (t) => {
  await t.inside("true", (s) => {
    s.mounts!.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options: ["defaults"] });
  });
}, { runc: "1.1 hands it to the kernel, where a tmpfs does not know it" });

must("C10", "bind takes a folder alone, and rbind what is mounted in it as well", async (t) => {
  await Deno.mkdir(`${t.folder}/outer/inner`, { recursive: true });
  const script = (kind: string) =>
    `mount -t tmpfs tmpfs ${t.folder}/outer/inner && touch ${t.folder}/outer/inner/${kind} && exec "$@"`;
  for (const kind of ["bind", "rbind"]) {
    t.write("ls /outer/inner", (s) => {
      s.mounts!.push({ destination: "/outer", type: "bind", source: `${t.folder}/outer`, options: [kind] });
    });
    const line = t.runtime.line("run", "--bundle", t.bundle, t.id);
    // In a mount namespace of its own, so that no mount is left.
    const output = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script(kind), "sh", ...line],
      stdin: "null",
    }).output();
    assertEquals(new TextDecoder().decode(output.stdout), kind === "bind" ? "" : "rbind\n");
  }
});

must("C11", "propagation: private, slave, shared and unbindable, for one mount and for all below", async (t) => {
  const shown: Record<string, string> = { private: "", slave: "", shared: " shared:", unbindable: " unbindable" };
  const output = await t.inside("cat /proc/self/mountinfo", (s) => {
    for (const kind of Object.keys(shown).flatMap((kind) => [kind, `r${kind}`])) {
      s.mounts!.push({ destination: `/p/${kind}`, type: "bind", source: t.folder, options: ["rbind", kind] });
    }
  });
  for (const [kind, mark] of Object.entries(shown)) {
    for (const name of [kind, `r${kind}`]) {
      const line = output.split("\n").find((line) => line.includes(` /p/${name} `))!;
      assertStringIncludes(line.split(" - ")[0]!, mark, name);
    }
  }
});

must("C12", "remount gives what is mounted other options", async (t) => {
  const output = await t.inside("grep ' /m ' /proc/mounts", (s) => {
    s.mounts!.push({ destination: "/m", type: "tmpfs", source: "tmpfs" });
    s.mounts!.push({ destination: "/m", type: "tmpfs", source: "tmpfs", options: ["remount", "ro"] });
  });
  assertEquals([output.trim().split("\n").length, / ro[ ,]/.test(output)], [1, true]);
});

must("C13", "process.cwd is required and absolute, and is where the program begins", async (t) => {
  assertEquals(await t.inside("pwd", (s) => s.process.cwd = "/usr"), "/usr\n");
  await t.refuses((s) => s.process.cwd = "usr");
  await t.refuses((s) => delete (s.process as Partial<typeof s.process>).cwd);
});

must("C14", "process.env is the environment", async (t) => {
  const output = await t.inside("env", (s) => s.process.env = ["PATH=/bin", "A=b c", "E="]);
  for (const entry of ["PATH=/bin", "A=b c", "E="]) assertStringIncludes(output, `${entry}\n`);
});

must("C15", "process.args needs one entry at least, which is searched along PATH", async (t) => {
  await t.refuses((s) => s.process.args = []);
  await t.refuses((s) => s.process.args = ["no-such-program"]);
  assertEquals(await t.inside("", (s) => s.process.args = ["echo", "found", ""]), "found \n");
});

must("C16", "process.rlimits: soft and hard limit are what is configured", async (t) => {
  const output = await t.inside("grep 'open files' /proc/self/limits; ulimit -c", (s) => {
    s.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }, { type: "RLIMIT_CORE", soft: 0, hard: 0 }];
  });
  assertMatch(output, /open files +100 +200 +files/);
  assertStringIncludes(output, "\n0\n");
});

must("C17", "process.rlimits: a type that there is not, and one that is there twice, are errors", async (t) => {
  await t.refuses((s) => s.process.rlimits = [{ type: "RLIMIT_NOSUCH", soft: 1, hard: 1 }]);
});

must("C18", "process.rlimits: one that is there twice is an error", async (t) => {
  const limit = { type: "RLIMIT_NOFILE", soft: 100, hard: 200 };
  await t.refuses((s) => s.process.rlimits = [limit, limit]);
}, { runc: "1.1 takes the last one" });

must("C19", "capabilities that there are not are told as a warning, and are no error", async (t) => {
  const { status, stderr } = await t.run("true", (s) => {
    for (const set of Object.values(s.process.capabilities!)) set.push("CAP_NO_SUCH_THING");
  });
  assertEquals(status, 0);
  assertStringIncludes(stderr, "CAP_NO_SUCH_THING");
});

must("C20", "capabilities: all five sets are what is configured", async (t) => {
  const set = ["CAP_KILL", "CAP_CHOWN"];
  const output = await t.inside("grep ^Cap /proc/self/status", (s) => {
    s.process.capabilities = { bounding: set, effective: set, permitted: set, inheritable: set, ambient: set };
  });
  assertEquals(output.match(/[0-9a-f]{16}/g), Array(5).fill("0000000000000021"));
});

must("C21", "noNewPrivileges, user, groups and umask are what is configured", async (t) => {
  const output = await t.inside("id -u; id -g; id -G; umask; grep NoNewPrivs /proc/self/status", (s) => {
    s.process.user = { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o77 };
    s.process.noNewPrivileges = true;
  });
  assertEquals(output, "1000\n1001\n1001 5 6\n0077\nNoNewPrivs:\t1\n");
});

must("C22", "oomScoreAdj is set to the value, and without one is not changed", async (t) => {
  assertEquals(await t.inside("cat /proc/self/oom_score_adj", (s) => s.process.oomScoreAdj = 500), "500\n");
  const own = await Deno.readTextFile("/proc/self/oom_score_adj");
  assertEquals(await t.inside("cat /proc/self/oom_score_adj"), own);
});

must("C23", "consoleSize does not matter without a terminal", async (t) => {
  assertEquals(await t.inside("echo fine", (s) => s.process.consoleSize = { height: 1, width: 2 }), "fine\n");
});

must("C24", "process.scheduler and ioPriority are set", async (t) => {
  const output = await t.inside("cut -d' ' -f41 /proc/self/stat; ionice", (s) => {
    s.process.scheduler = { policy: "SCHED_BATCH", nice: 5 };
    s.process.ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 0 };
  });
  assertEquals(output, "3\nidle\n");
  await t.refuses((s) => s.process.scheduler = { policy: "SCHED_NOSUCH" });
  await t.refuses((s) => s.process.ioPriority = { class: "IOPRIO_CLASS_NOSUCH", priority: 0 });
}, { runc: "1.1 does not know them" });

must("C25", "hostname and domainname are set", async (t) => {
  assertEquals(await t.inside("hostname", (s) => s.hostname = "a-name"), "a-name\n");
});

must("C26", "domainname is set", async (t) => {
  const output = await t.inside("cat /proc/sys/kernel/domainname", (s) => s.domainname = "example.org");
  assertEquals(output, "example.org\n");
}, { runc: "1.1 does not know it" });

must("C27", "a hook's path must be absolute, and its timeout above zero", async (t) => {
  await t.refuses((s) => s.hooks = { createRuntime: [{ path: "bin/true" }] });
}, { runc: "1.1 runs what it finds from its working directory" });

must("C28", "a hook that takes longer than its timeout is an error", async (t) => {
  await t.refuses((s) => s.hooks = { createRuntime: [{ ...hook("exec sleep 30"), timeout: 1 }] });
});

/** Tells where a hook runs: its mount namespace, and its root. */
const WHERE = "readlink /proc/self/ns/uts; test -e /etc/os-release-of-the-root && echo inside";
async function whereHooksRun(t: Subject, kind: keyof Hooks, isInside: boolean): Promise<void> {
  await Deno.writeTextFile(t.inRoot("/etc/os-release-of-the-root"), "");
  const path = isInside && kind === "startContainer" ? "/where" : `${t.folder}/where-${kind}`;
  await t.create("sleep 1000", (s) => s.hooks = { [kind]: [hook(`{ cat >/dev/null; ${WHERE}; } > ${path}; true`)] });
  const { pid } = await t.runtime.state(t.id);
  const own = await Deno.readLink(`/proc/${pid}/ns/uts`);
  await t.start();
  await t.runtime.do(["kill", t.id, "KILL"]);
  await t.finish();
  const output = await Deno.readTextFile(kind === "startContainer" ? t.inRoot(path) : path);
  assertEquals(output.includes(own), isInside, output);
  assertEquals(output.includes("inside"), kind === "startContainer", "where its path is looked up");
}
for (const kind of ["prestart", "createRuntime", "poststart", "poststop"] as const) {
  must(`C29.${kind}`, `the ${kind} hooks run in the runtime's namespaces`, (t) => whereHooksRun(t, kind, false));
}
must(
  "C30",
  "the createContainer hooks run in the container's namespaces, their path is looked up in the runtime's",
  (t) => whereHooksRun(t, "createContainer", true),
);
must(
  "C31",
  "the startContainer hooks run in the container's namespaces, and their path is looked up there",
  (t) => whereHooksRun(t, "startContainer", true),
);

must(
  "C32",
  "hooks are called in the listed order: prestart, createRuntime, createContainer, …, with the state on their input",
  async (t) => {
    const log = `${t.folder}/order`;
    const say = (name: string) => hook(`{ echo ${name}; grep -o '"status": *"[a-z]*"' | tr -d ' '; } >> ${log}`);
    await t.create("true", (s) => {
      s.hooks = {
        poststop: [say("poststop")],
        createContainer: [say("createContainer")],
        createRuntime: [say("createRuntime-1"), say("createRuntime-2")],
        prestart: [say("prestart")],
      };
    });
    await t.start();
    await t.finish();
    const lines = (await Deno.readTextFile(log)).trim().split("\n");
    assertEquals(lines.filter((_, i) => i % 2 === 0), [
      "prestart",
      "createRuntime-1",
      "createRuntime-2",
      "createContainer",
      "poststop",
    ]);
    assertEquals(lines.at(-1), '"status":"stopped"');
  },
);

must("C33", "hooks run before the root changes, and see the container's mounts", async (t) => {
  const path = `${t.folder}/seen`;
  await t.create("sleep 1000", (s) => {
    s.mounts!.push({ destination: "/made", type: "tmpfs", source: "tmpfs" });
    s.hooks = { createContainer: [hook(`grep -c ' ${t.inRoot("/made")} ' /proc/self/mounts > ${path}; true`)] };
  });
  assertEquals(await Deno.readTextFile(path), "1\n");
});

must("C34", "a hook has the arguments and the environment that it is given", async (t) => {
  const path = `${t.folder}/hook`;
  await t.create("true", (s) => {
    const script = `{ tr '\\0' '|' < /proc/$$/cmdline; echo; echo "$ONLY"; } > ${path}`;
    s.hooks = { createRuntime: [{ path: "/bin/sh", args: ["a-name", "-c", script, "x y"], env: ["ONLY=this"] }] };
  });
  const [line, only] = (await Deno.readTextFile(path)).split("\n");
  assertMatch(line!, /^a-name\|-c\|.*\|x y\|$/);
  assertEquals(only, "this");
});

must("C35", "annotations are texts by name, and no name is empty", async (t) => {
  await t.refuses((s) => s.annotations = any({ a: 1 }));
});

must("C36", "an annotation without a name is an error", async (t) => {
  await t.refuses((s) => s.annotations = { "": "value" });
}, { runc: "it takes such a one" });

must("C37", "unknown annotations and unknown properties are passed over", async (t) => {
  const output = await t.inside("echo fine", (s) => {
    s.annotations = { "org.example.unknown": "x" };
    Object.assign(s, { unknown: { deep: [1] } });
    Object.assign(s.process, { unknown: true });
    Object.assign(s.linux!, { unknown: "x" });
  });
  assertEquals(output, "fine\n");
});

must("C38", "values of a wrong type, and text that is no JSON, are errors", async (t) => {
  await t.refusesText("");
  await t.refusesText("{");
  await t.refusesText("[]");
  await t.refuses((s) => s.process.args = any("sh"));
  await t.refuses((s) => s.process.user.uid = any("root"));
  await t.refuses((s) => s.process.user.uid = -1);
  await t.refuses((s) => s.root.readonly = any("yes"));
  await t.refuses((s) => s.mounts = any({}));
  assert(!await exists(t.inRoot("/ran")));
});
