/** What the suites of runtime-tools, runc and crun look for beside the specification's MUSTs, and engines rely on. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { must } from "./subject.ts";

must("S1", "a filter that does not know what the runtime itself calls last is loaded all the same", async (t) => {
  const output = await t.inside("echo fine", (s) => {
    s.process.noNewPrivileges = false;
    s.linux!.seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["close_range", "clone3", "openat2"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
    };
  });
  assertEquals(output, "fine\n");
});

must(
  "S2",
  "HOME is the one of the container's passwd where the environment has none, and the root otherwise",
  async (t) => {
    await Deno.writeTextFile(t.inRoot("/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:7:7::/srv/web:/bin/sh\n");
    const home = (uid: number, env: string[]) =>
      t.inside("echo $HOME", (s) => {
        s.process.user = { uid, gid: 0 };
        s.process.env!.push(...env);
      });
    assertEquals(await home(7, []), "/srv/web\n");
    assertEquals(await home(7, ["HOME="]), "/srv/web\n");
    assertEquals(await home(7, ["HOME=/own"]), "/own\n");
    assertEquals(await home(8, []), "/\n");
    await t.create("exec sleep 60");
    await t.start();
    assertEquals(await t.runtime.do(["exec", "--user", "7", t.id, "sh", "-c", "echo $HOME"]), "/srv/web\n");
    await t.runtime.do(["delete", "--force", t.id]);
  },
);

must("S3", "the further groups are exactly those of additionalGids", async (t) => {
  const groups = async (additionalGids?: number[]) =>
    (await t.inside("grep Groups: /proc/self/status", (s) => {
      s.process.user = { uid: 1, gid: 2, ...additionalGids ? { additionalGids } : {} };
    })).trim().split(/\s+/).slice(1);
  assertEquals(await groups(), []);
  assertEquals(await groups([9, 5]), ["5", "9"]);
});

must("S4", "rbind with ro is for the mount itself, and not for what is mounted in it", async (t) => {
  const source = `${t.folder}/source`;
  await Deno.mkdir(`${source}/below`, { recursive: true });
  const mount = async (...args: string[]) =>
    assert((await new Deno.Command(args[0]!, { args: args.slice(1) }).output()).success);
  await mount("mount", "-t", "tmpfs", "none", `${source}/below`);
  try {
    const output = await t.inside("touch /m/x || echo no; touch /m/below/x && echo yes", (s) => {
      s.mounts!.push({ destination: "/m", source, type: "bind", options: ["rbind", "ro"] });
    });
    assertEquals(output, "no\nyes\n");
  } finally {
    await mount("umount", `${source}/below`);
  }
});

must("S5", "a tmpfs on /dev can be read-only, with all that belongs in it", async (t) => {
  const output = await t.inside("ls /dev/null /dev/pts/ptmx && touch /dev/x 2>&1", (s) => {
    s.process.args = ["sh", "-c", "ls /dev/null /dev/pts/ptmx; touch /dev/x 2>&1 || true"];
    s.mounts!.find((m) => m.destination === "/dev")!.options!.push("ro");
  });
  assertMatch(output, /\/dev\/null\n\/dev\/pts\/ptmx\n.*Read-only file system/);
});

must("S6", "a file system's settings on a bind mount are of no effect", async (t) => {
  await Deno.mkdir(`${t.folder}/source`);
  await t.inside("ls /m", (s) => {
    s.mounts!.push({
      destination: "/m",
      source: `${t.folder}/source`,
      type: "bind",
      options: ["bind", "mode=755", "size=1k"],
    });
  });
});

must("S7", "the host's /proc can be bound where the pid namespace is the host's", async (t) => {
  const output = await t.inside("readlink /proc/self/ns/pid", (s) => {
    s.linux!.namespaces = s.linux!.namespaces!.filter(({ type }) => type !== "pid");
    s.mounts![0] = {
      destination: "/proc",
      type: "bind",
      source: "/proc",
      options: ["rbind", "nosuid", "nodev", "noexec"],
    };
  });
  assertEquals(output.trim(), await Deno.readLink("/proc/self/ns/pid"));
});

must("S8", "without pivot_root nobody in the container can mount the host's /proc", async (t) => {
  t.write("", (s) => {
    // Masked paths make the container's own /proc one that is not visible in full.
    s.process.args = ["unshare", "-mUrpf", "sh", "-c", "mount -t proc none /proc"];
    for (const set of ["bounding", "effective", "permitted"] as const) {
      s.process.capabilities![set]!.push("CAP_SETFCAP");
    }
  });
  const { status, stdout, stderr } = await t.runtime.run(["run", "--no-pivot", "--bundle", t.bundle, t.id]);
  assertMatch(stdout + stderr, /permission denied/i);
  assertEquals(status, 1);
});

must("S9", "a startContainer hook is under the container's filter of system calls", async (t) => {
  t.write("true", (s) => {
    s.linux!.seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    };
    s.hooks = { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "mkdir /dev/shm/made"] }] };
  });
  const { status, stdout, stderr } = await t.runtime.run(["run", "--bundle", t.bundle, t.id]);
  assert(status !== 0, stdout + stderr);
});

must(
  "S10",
  "createContainer hooks are in the container's root, startContainer hooks run what runc spec grants",
  async (t) => {
    const output = await t.inside("cat /made; cat /dev/shm/cwd", (s) => {
      s.process.cwd = "/tmp";
      s.process.capabilities!.ambient = ["CAP_KILL"]; // which is not inheritable
      s.hooks = {
        createContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo here > made"] }],
        startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "pwd > /dev/shm/cwd"] }],
      };
    });
    assertEquals(output, "here\n/tmp\n");
  },
);

must("S11", "a capability that there is not is left out by exec, with a warning", async (t) => {
  await t.create("exec sleep 60");
  await t.start();
  await t.runtime.do(["exec", "--cap", "CAP_OF_TOMORROW", t.id, "true"]);
  await t.runtime.do(["delete", "--force", t.id]);
});

must(
  "S12",
  "kill --all of a container that has stopped is no error, and 0 asks whether a process is there",
  async (t) => {
    await t.create("exec sleep 60");
    await t.start();
    await t.runtime.do(["kill", t.id, "0"]);
    await t.runtime.do(["kill", t.id, "KILL"]);
    await t.runtime.until(t.id, "stopped");
    await t.runtime.do(["kill", "--all", t.id, "0"]);
    await t.fails("kill", t.id, "0");
    await t.finish();
  },
);

must("S13", "exec --cgroup is for what is below the container's own", async (t) => {
  await t.create("exec sleep 60");
  await t.start();
  await t.fails("exec", "--cgroup", "..", t.id, "true");
  await t.fails("exec", "--cgroup", "/../x", t.id, "true");
  await t.runtime.do(["delete", "--force", t.id]);
});

must("S14", "a name of the domain by sysctl and another one by domainname are an error", async (t) => {
  const both = (name: string) => (s: Parameters<Parameters<typeof t.write>[1] & object>[0]) => {
    s.domainname = "a.example";
    s.linux!.sysctl = { "kernel.domainname": name };
  };
  await t.refuses(both("b.example"));
  await t.inside("true", both("a.example"));
}, { runc: "1.1 does not know it" });

must("S15", "--debug tells what is done, in the log where there is one", async (t) => {
  const log = `${t.folder}/log`;
  t.write("true");
  const run = (...flags: string[]) => t.runtime.run([...flags, "run", "--bundle", t.bundle, t.id]);
  const toFile = await run("--debug", "--log", log, "--log-format", "json");
  assertEquals([toFile.status, toFile.stderr], [0, ""]);
  const lines = (await Deno.readTextFile(log)).trim().split("\n").map((line) => JSON.parse(line));
  assert(lines.length > 1 && lines.every(({ level, msg, time }) => level === "debug" && msg && time));
  const toStderr = await run("--debug");
  assertStringIncludes(toStderr.stderr, "level=debug");
  assert((await run("--log", `${t.folder}/nowhere/log`)).status !== 0);
});

must("S16", "--version has the commit and the specification's version, for engines", async (t) => {
  assertMatch(await t.runtime.do(["--version"]), /^\S+ version \S+\ncommit: \S+\nspec: \d+\.\d+\.\d+/);
});

must("S17", "spec writes what tools change: resources with the rule that no device is allowed", async (t) => {
  await t.runtime.do(["spec", "--bundle", t.folder]);
  const { linux } = JSON.parse(await Deno.readTextFile(`${t.folder}/config.json`));
  assertEquals(linux.resources, { devices: [{ allow: false, access: "rwm" }] });
});

must("S18", "a cgroup that is frozen already is an error, and stays", async (t) => {
  const place = `/conformance-${Deno.pid}`;
  const tree = await Deno.stat("/sys/fs/cgroup/unified").then(() => "/sys/fs/cgroup/unified", () => "/sys/fs/cgroup");
  await Deno.mkdir(tree + place);
  try {
    await Deno.writeTextFile(`${tree}${place}/cgroup.freeze`, "1");
    const error = await t.refuses((s) => s.linux!.cgroupsPath = place);
    assertStringIncludes(error, "frozen");
    await Deno.stat(tree + place);
  } finally {
    await Deno.remove(tree + place);
  }
}, { runc: "where cgroups are mixed it looks at those of version 1" });

must("S19", "of variables with one name the last one counts, and exec adds to the container's own", async (t) => {
  const own = ["A=old", "B=1", "A=new"];
  assertEquals(await t.inside("echo $A", (s) => s.process.env!.push(...own)), "new\n");
  t.write("exec sleep 60", (s) => s.process.env!.push(...own));
  await t.runtime.do(["run", "--detach", "--bundle", t.bundle, t.id]);
  assertEquals(await t.runtime.do(["exec", "--env", "A=newer", t.id, "sh", "-c", "echo $A $B"]), "newer 1\n");
  await t.runtime.do(["delete", "--force", t.id]);
});

must("S20", "the processors are those of the cgroup, and not those of whoever calls", async (t) => {
  const allowed = async (pid: string) =>
    /^Cpus_allowed_list:\s*(.*)$/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))![1];
  const before = await allowed("self");
  t.write("grep Cpus_allowed_list: /proc/self/status");
  const line = t.runtime.line("run", "--bundle", t.bundle, t.id);
  const { stdout } = await new Deno.Command("taskset", { args: ["-c", before!.split(/[-,]/)[0]!, ...line] }).output();
  assertEquals(new TextDecoder().decode(stdout).trim().split(/\s+/)[1], before);
}, { runc: "1.1 lets it have the caller's" });

must("S21", "a terminal's output that goes nowhere but into a file has plain ends of lines", async (t) => {
  assertEquals(await t.inside("echo a; echo b", (s) => s.process.terminal = true), "a\nb\n");
}, { runc: "1.1 runs no terminal in the foreground without /dev/tty" });

must("S22", "a hook without env has the runtime's environment, and one with an empty env none", async (t) => {
  const path = `${t.folder}/hook`;
  const hook = (env?: string[]) => ({
    path: "/bin/sh",
    args: ["sh", "-c", `echo "<$ONLY>" >> ${path}`],
    ...env && { env },
  });
  t.write("true", (s) => s.hooks = { createRuntime: [hook(), hook(["A=b"])] });
  await t.runtime.do(["run", "--bundle", t.bundle, t.id], { env: { ONLY: "ours" } });
  assertEquals(await Deno.readTextFile(path), "<ours>\n<>\n");
});

must("S23", "a personality is that of what exec runs, too", async (t) => {
  t.write("exec sleep 60", (s) => s.linux!.personality = { domain: "LINUX32" });
  await t.runtime.do(["run", "--detach", "--bundle", t.bundle, t.id]);
  const domain = await t.runtime.do(["exec", t.id, "sh", "-c", "cat /proc/self/personality"]);
  assertEquals(domain, "00000008\n");
  await t.runtime.do(["delete", "--force", t.id]);
}, { runc: "1.1 does not know it" });

must("S24", "a container that is only created ends by a signal that would end a program", async (t) => {
  await t.create("true");
  await t.runtime.do(["kill", t.id, "TERM"]);
  await t.finish();
});
