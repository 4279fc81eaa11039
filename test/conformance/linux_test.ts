/** config-linux.md of the OCI runtime specification. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { isMissing } from "../../ffi/available.ts";
import type { Namespace, NamespaceType } from "../../runtime/spec.ts";
import { must } from "./subject.ts";

const NAMES: Partial<Record<NamespaceType, string>> = {
  pid: "pid",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  mount: "mnt",
  cgroup: "cgroup",
};
const any = (value: unknown) => value as never;
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

for (const [type, name] of Object.entries(NAMES)) {
  must(`L1.${type}`, `a ${type} namespace without a path is a new one`, async (t) => {
    assertNotEquals(
      (await t.inside(`readlink /proc/self/ns/${name}`)).trim(),
      await Deno.readLink(`/proc/self/ns/${name}`),
    );
  });
}

for (const type of ["network", "ipc", "uts", "pid"] as const) {
  must(`L2.${type}`, `without a ${type} namespace the container has the runtime's own`, async (t) => {
    const name = NAMES[type]!;
    const output = await t.inside(`readlink /proc/self/ns/${name}`, (s) => {
      s.linux!.namespaces = s.linux!.namespaces!.filter((n) => n.type !== type);
      if (type === "uts") delete s.hostname;
      s.mounts = s.mounts!.filter((m) => type !== "network" || m.destination !== "/sys").filter((m) =>
        type !== "ipc" || m.type !== "mqueue"
      );
      s.mounts = s.mounts.filter((m) => type !== "network" || m.type !== "cgroup");
    });
    assertEquals(output.trim(), await Deno.readLink(`/proc/self/ns/${name}`));
  });
}

for (const type of ["network", "ipc", "uts", "pid"] as const) {
  must(`L3.${type}`, `a ${type} namespace with a path is joined`, async (t) => {
    const name = NAMES[type]!;
    const holder = new Deno.Command("unshare", {
      args: [
        `--${type === "network" ? "net" : type}`,
        ...type === "pid" ? ["--fork", "--kill-child"] : [],
        "sleep",
        "60",
      ],
      stdin: "null",
    }).spawn();
    try {
      const own = await Deno.readLink(`/proc/self/ns/${name}`);
      const link = `/proc/${holder.pid}/ns/${type === "pid" ? "pid_for_children" : name}`;
      let there = own;
      for (let i = 0; i < 500 && there === own; i++) {
        there = await Deno.readLink(link).catch(() => own);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const output = await t.inside(`readlink /proc/self/ns/${name}`, (s) => {
        s.linux!.namespaces!.find((n) => n.type === type)!.path = link;
        delete s.hostname;
      });
      assertEquals(output.trim(), there);
    } finally {
      holder.kill("SIGKILL");
      await holder.status;
    }
  });
}

must("L4", "a path that is no namespace, or one of another type, is an error", async (t) => {
  const join = (path: string) => t.refuses((s) => s.linux!.namespaces!.find((n) => n.type === "network")!.path = path);
  await join("/proc/self/ns/uts");
  await join("/etc/passwd");
  await join("/no/such/path");
});

must("L5", "a namespace path must be absolute", async (t) => {
  await t.refuses((s) => s.linux!.namespaces!.find((n) => n.type === "network")!.path = "proc/self/ns/net");
});

must("L6", "a type of namespace twice is an error, and so is one that there is not", async (t) => {
  await t.refuses((s) => s.linux!.namespaces!.push({ type: "uts" }));
  await t.refuses((s) => s.linux!.namespaces!.push(any({ type: "nosuch" })));
  await t.refuses((s) => s.linux!.namespaces!.push(any({ path: "/proc/self/ns/net" }) as Namespace));
});

must("L7", "a user namespace has the ids that it is given", async (t) => {
  const ids = [{ containerID: 0, hostID: 231072, size: 65536 }];
  await new Deno.Command("chown", { args: ["-R", "231072:231072", t.inRoot("")] }).output();
  for (let folder = t.bundle; folder.includes("mini-test"); folder = folder.slice(0, folder.lastIndexOf("/"))) {
    await Deno.chmod(folder, 0o755);
  }
  const output = await t.inside("cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /made", (s) => {
    s.linux!.namespaces!.push({ type: "user" });
    s.linux!.uidMappings = ids;
    s.linux!.gidMappings = ids;
  });
  assertMatch(output, /^(\s+0\s+231072\s+65536\n){2}0\n$/);
  assertEquals((await Deno.stat(t.inRoot("/made"))).uid, 231072);
});

must("L8", "a time namespace has the offsets that it is given", async (t) => {
  const output = await t.inside("cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets", (s) => {
    s.linux!.namespaces!.push({ type: "time" });
    s.linux!.timeOffsets = { boottime: { secs: 1_000_000 }, monotonic: { secs: 500, nanosecs: 1 } };
  });
  assert(Number(output.split("\n")[0]) >= 1_000_000, output);
  assertMatch(output, /boottime\s+1000000\s+0/);
}, { runc: "1.1 does not know it" });

must("L9", "the devices of the list are there, of their type, number, mode and owner", async (t) => {
  const output = await t.inside("stat -c '%F %t %T %a %u %g' /dev/extra /dev/fifo /deep/in/it", (s) => {
    s.linux!.devices = [
      { path: "/dev/extra", type: "c", major: 1, minor: 9, fileMode: 0o640, uid: 3, gid: 4 },
      { path: "/dev/fifo", type: "p", fileMode: 0o600 },
      { path: "/deep/in/it", type: "u", major: 1, minor: 3, fileMode: 0o666 },
    ];
    s.linux!.resources = { devices: [{ allow: true, access: "rwm" }] };
  });
  assertEquals(output, "character special file 1 9 640 3 4\nfifo 0 0 600 0 0\ncharacter special file 1 3 666 0 0\n");
});

must("L10", "a device where the root has another file is an error", async (t) => {
  await Deno.writeTextFile(t.inRoot("/taken"), "a file");
  await t.refuses((s) => s.linux!.devices = [{ path: "/taken", type: "c", major: 1, minor: 3 }]);
  await t.refuses((s) => s.linux!.devices = [any({ path: "/dev/x", type: "z", major: 1, minor: 3 })]);
}, { runc: "it takes what is there" });

must("L11", "null, zero, full, random, urandom, tty and ptmx are there", async (t) => {
  const script = "for d in null zero full random urandom tty; do stat -c '%n %t:%T' /dev/$d; done; readlink /dev/ptmx";
  assertEquals(
    await t.inside(script),
    "/dev/null 1:3\n/dev/zero 1:5\n/dev/full 1:7\n/dev/random 1:8\n/dev/urandom 1:9\n/dev/tty 5:0\npts/ptmx\n",
  );
});

must("L12", "the devices are supplied where no /dev is mounted, too", async (t) => {
  const output = await t.inside("stat -c '%t:%T' /dev/null", (s) => {
    s.mounts = s.mounts!.filter((m) => !m.destination.startsWith("/dev"));
  });
  assertEquals(output, "1:3\n");
});

must("L13", "a container cannot use a device that it is not allowed", async (t) => {
  const output = await t.inside(
    "mknod /dev/mem-of-host c 1 1 && head -c1 /dev/mem-of-host >/dev/null && echo open; true",
    (s) => {
      for (const set of Object.values(s.process.capabilities!)) set.push("CAP_MKNOD", "CAP_SYS_RAWIO");
      s.linux!.resources = { devices: [{ allow: false, access: "rwm" }] };
    },
  );
  assertEquals(output, "");
});

must("L14", "cgroupsPath is the same place each time, below the mount point where it is absolute", async (t) => {
  const path = `/mini-conformance-${Deno.pid}/one`;
  const places: string[] = [];
  for (let i = 0; i < 2; i++) {
    await t.create("sleep 1000", (s) => {
      s.linux!.cgroupsPath = path;
      s.linux!.namespaces = s.linux!.namespaces!.filter((n) => n.type !== "cgroup");
    });
    const { pid } = await t.runtime.state(t.id);
    const cgroups = await Deno.readTextFile(`/proc/${pid}/cgroup`);
    places.push(cgroups);
    assertStringIncludes(cgroups, `:${path}\n`);
    await t.runtime.do(["delete", "--force", t.id]);
  }
  assertEquals(places[0], places[1]);
  // What is above a container's own cgroup is not the runtime's to remove.
  const parent = path.split("/")[1]!;
  for (const line of places[0]!.split("\n").filter((line) => line.endsWith(path))) {
    const [, controllers = ""] = line.split(":"), above = line.split(":")[2]!.slice(0, -path.length);
    const tree = controllers === "" ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : [`/sys/fs/cgroup/${controllers}`];
    for (const folder of tree) await Deno.remove(`${folder}${above}/${parent}`).catch(() => {});
  }
});

must("L15", "a limit that cgroup v2 does not have is an error", async (t) => {
  await t.refuses((s) => s.linux!.resources = { network: { classID: 5 } });
}, { runc: "its host has cgroup v1 for that" });

must("L16", "intelRdt without a resctrl file system is an error", async (t) => {
  if (await exists("/sys/fs/resctrl/schemata")) return;
  await t.refuses((s) => Object.assign(s.linux!, { intelRdt: { closID: "x", l3CacheSchema: "L3:0=f" } }));
});

must("L17", "sysctls of the container's namespaces are set, and the host's refused", async (t) => {
  const output = await t.inside("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", (s) => {
    s.linux!.sysctl = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "9000" };
  });
  assertEquals(output, "1\n9000\n");
  await t.refuses((s) => s.linux!.sysctl = { "vm.swappiness": "1" });
});

must("L18", "a filter of system calls is loaded, with the error that a rule names", async (t) => {
  const output = await t.inside("mkdir /x 2>&1; uname >/dev/null && echo fine", (s) => {
    s.linux!.seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    };
  });
  assertStringIncludes(output, "No space left on device");
  assertStringIncludes(output, "fine");
});

must("L19", "an action of a filter that there is not is an error", async (t) => {
  await t.refuses((s) => s.linux!.seccomp = { defaultAction: any("SCMP_ACT_NOSUCH") });
});

must("L19.errno", "an error number for an action of a filter that takes none is an error", async (t) => {
  await t.refuses((s) => s.linux!.seccomp = { defaultAction: "SCMP_ACT_KILL", defaultErrnoRet: 1 });
}, { runc: "1.1 takes it, and its own process is killed by that filter" });

must("L20", "rootfsPropagation is set, and one that there is not is an error", async (t) => {
  const script = "awk '$5 == \"/\"' /proc/self/mountinfo";
  assertMatch(await t.inside(script, (s) => s.linux!.rootfsPropagation = "private"), / \/ \S+ - /);
  await t.refuses((s) => s.linux!.rootfsPropagation = "nosuch");
});

must("L20.unbindable", "a root that is to be unbindable is", async (t) => {
  const script = "awk '$5 == \"/\"' /proc/self/mountinfo";
  assertMatch(await t.inside(script, (s) => s.linux!.rootfsPropagation = "unbindable"), /unbindable/);
}, { runc: "1.1 cannot bind its own root any more then" });

must("L20.shared", "a root that is to be shared is", async (t) => {
  const script = "awk '$5 == \"/\"' /proc/self/mountinfo";
  assertMatch(await t.inside(script, (s) => s.linux!.rootfsPropagation = "shared"), /shared:/);
}, { runc: "1.1 leaves it private where the bundle's own mount is private" });

must("L21", "masked paths cannot be read, and read-only paths not be written", async (t) => {
  const output = await t.inside("cat /secret; ls /hidden; echo x > /fixed/x 2>/dev/null || echo read-only", (s) => {
    s.linux!.maskedPaths = ["/secret", "/hidden", "/not/there"];
    s.linux!.readonlyPaths = ["/fixed", "/not/there"];
    s.root.readonly = false;
    for (const [name, folder] of [["/secret", false], ["/hidden/inside", true], ["/fixed", true]] as const) {
      if (folder) Deno.mkdirSync(t.inRoot(name), { recursive: true });
      else Deno.writeTextFileSync(t.inRoot(name), "words");
    }
  });
  assertEquals(output, "read-only\n");
});

must("L22", "masked and read-only paths are absolute", async (t) => {
  await t.refuses((s) => s.linux!.maskedPaths = ["secret"]);
}, { runc: "it takes them as relative to the root" });

must("L23", "the personality is set", async (t) => {
  assertMatch(await t.inside("uname -m", (s) => s.linux!.personality = { domain: "LINUX32" }), /^(i686|armv8l)\n$/);
  await t.refuses((s) => s.linux!.personality = any({ domain: "LINUX64" }));
}, { runc: "1.1 does not know it" });

must("L24", "a bind mount with rro is read-only with all that is mounted in it", async (t) => {
  const output = await t.inside("grep ' /m' /proc/mounts; touch /m/x 2>/dev/null || echo read-only", (s) => {
    s.mounts!.push({ destination: "/m", type: "bind", source: t.folder, options: ["rbind", "rro"] });
  });
  assertStringIncludes(output, "read-only\n");
}, isMissing("mount_setattr") ? { runc: "it does that by mount_setattr alone" } : {});
