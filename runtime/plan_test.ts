import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  CLONE_PARENT,
  O_PATH,
} from "../ffi/constants.ts";
import { elf } from "../ffi/elf.ts";
import { MiniError } from "../ffi/errors.ts";
import { machine } from "../ffi/kernel.ts";
import { indexByName, type Operation } from "../ffi/program.ts";
import { showArgument } from "../ffi/spawn.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { plan, type PlanInput } from "./plan.ts";
import type { NamespaceDescriptors } from "./plan_namespaces.ts";
import type { Mount, NamespaceType, Spec } from "./spec.ts";

/** A folder name that would show if a path of the root were ever written out. */
const ROOTFS = "/very/own/rootfs";

const capabilities = [...DEFAULT_CAPABILITIES];
const spec = (change: (spec: Spec) => void = () => {}): Spec => {
  const made: Spec = {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    hostname: "box",
    process: {
      cwd: "/work",
      env: ["PATH=/bin:/usr/bin"],
      args: ["tool", "-v"],
      user: { uid: 7, gid: 8, additionalGids: [9] },
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: 20 }],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance"] },
      { destination: "/data", type: "bind", source: "/srv/data", options: ["rbind", "ro"] },
    ],
    linux: {
      namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }, { type: "cgroup" }, {
        type: "network",
      }],
      sysctl: { "net.ipv4.ip_forward": "1" },
      maskedPaths: ["/proc/kcore", "/sys/firmware"],
      readonlyPaths: ["/proc/sys"],
    },
  };
  change(made);
  return made;
};

const input = (made: Spec, more: Partial<PlanInput> = {}): PlanInput => ({
  spec: made,
  rootfs: { kind: "directory", path: ROOTFS },
  facts: { isDirectory: () => true, cgroup2: true, lastCapability: 40 },
  descriptors: { sync: 3, namespaces: {}, stdio: ["null", 5, 6] },
  init: false,
  ...more,
});

/** The place of the first operation of that call, and of that first argument where one is given. */
function at(program: readonly Operation[], call: string, text = ""): number {
  const i = program.findIndex((o) =>
    o.call === call && [o.on, o.why, ...o.args.map(showArgument)].join(" ").includes(text)
  );
  assert(i >= 0, `there is no ${call} ${text}`);
  return i;
}

Deno.test("a container's own namespaces are made by clone, its cgroup namespace from inside its cgroup", () => {
  const { flags, program } = plan(input(spec()));
  assertEquals(flags, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
  assertEquals(program[at(program, "unshare")]!.args, [Number(CLONE_NEWCGROUP)]);
});

const joins = (s: Spec, ...types: NamespaceType[]) => {
  for (const type of types) {
    s.linux!.namespaces = s.linux!.namespaces!.filter((n) => n.type !== type);
    s.linux!.namespaces.push({ type, path: `/proc/9/ns/${type}` });
  }
};
const descriptors = (namespaces: NamespaceDescriptors) => ({ descriptors: { sync: 3, namespaces } });

Deno.test("a pid namespace that is joined holds for children, so the container is cloned by a first process", () => {
  const { flags, twice, program } = plan(input(spec((s) => joins(s, "pid", "uts")), descriptors({ pid: 7, uts: 8 })));
  assertEquals([flags, twice], [0n, "first"]);
  const clone = program[at(program, "clone3")]!.args[0] as { words: unknown[] };
  assertEquals(clone.words[0], CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_PARENT | 0x100000n);
  for (const [fd, type] of [[7, CLONE_NEWPID], [8, CLONE_NEWUTS]] as const) {
    const join = program.findIndex((o) => o.call === "setns" && o.args[0] === fd);
    assertEquals([program[join]!.args[1], program[join]!.optional], [Number(type), undefined]);
    assert(join < at(program, "clone3"));
  }
  assertEquals(program.at(-1)!.call, "exit_group");
  const without = plan(input(spec((s) => joins(s, "uts")), descriptors({ uts: 8 })));
  assertEquals([without.twice, without.flags & (CLONE_NEWUTS | CLONE_NEWPID)], [false, CLONE_NEWPID]);
});

Deno.test("what others in a joined pid namespace could take is made and given up before anything of the container is in it", () => {
  const made = spec((s) => joins(s, "pid"));
  for (const terminal of [false, true]) {
    const { twice, program } = plan(input({ ...made, process: { ...made.process, terminal } }, {
      ...descriptors({ pid: 7 }),
      joinsLast: true,
      network: true,
      init: true,
    }));
    assertEquals(twice, "last");
    const clone = at(program, "clone3"), calls = program.slice(clone + 1).map((o) => o.call);
    for (
      const call of ["setns", "mount", "fsopen", "open_tree", "openat2", "openat", "socket", "pivot_root", "chdir"]
    ) {
      assertEquals(calls.indexOf(call as Operation["call"]), -1, call);
    }
    const dropped = program.findLastIndex((o) => o.call === "prctl" && o.args[0] === 24);
    assert(dropped > 0 && dropped < at(program, "capset") && at(program, "capset") < clone);
    // Its standard streams, and what it speaks to the caller through.
    const closed = program.slice(0, clone).filter((o) => o.call === "close_range" && o.args[2] === 0).map((o) =>
      o.args.slice(0, 2)
    );
    assertEquals(closed, [[4, 0xffffffff]]);
    assert(at(program, "setsid") > clone);
  }
});

const userSpec = (s: Spec) => {
  s.linux!.namespaces!.push({ type: "user" });
  s.linux!.uidMappings = s.linux!.gidMappings = [{ containerID: 0, hostID: 1000, size: 100 }];
};

Deno.test("what the host's root alone can do comes before the user namespace, what belongs to that after it", () => {
  const made = spec((s) => {
    userSpec(s);
    joins(s, "network");
    s.process.oomScoreAdj = 5;
  });
  const { program } = plan(input(made, {
    ...descriptors({ user: 9, network: 8 }),
    rootfs: {
      kind: "idmapped overlay",
      lowers: ["/a,b", "/c"],
      changes: { folder: "/d", upper: "upper", work: "work" },
      volatile: false,
      target: "/t",
      owner: { uid: 1000, gid: 1000 },
      capabilities: 0xffn,
    },
  }));
  const order = [
    at(program, "write", "killed for memory"),
    at(program, "open_tree", "/srv/data"),
    at(program, "unshare", "put the root together"),
    at(program, "mount_setattr", "/a,b"),
    at(program, "mount_setattr", "/d"),
    at(program, "setfsuid", "1000"),
    at(program, "mount", "lowerdir=1:0,upperdir=changes/upper,workdir=changes/work"),
    at(program, "mount_setattr", "no device of the host's"),
    at(program, "setns", "join the network namespace"),
    at(program, "setns", "every capability"),
    at(program, "setresuid", "user namespace's root"),
    at(program, "clone3"),
    at(program, "move_mount", "a root must be a mount"),
    at(program, "fsopen", "begin a new proc"),
    at(program, "pivot_root"),
  ];
  assertEquals(order, order.toSorted((a, b) => a - b));
  assertEquals(program.filter((o) => o.call === "setns" && o.args[0] === 8).map((o) => o.optional), [true, undefined]);
  assertEquals(program.filter((o) => o.call === "mknodat" && o.on === "/dev/null").map((o) => o.optional), [true]);
});

Deno.test("a process that another container can see stays closed to it", () => {
  const dumpable = (change: (s: Spec) => void, namespaces: NamespaceDescriptors) =>
    plan(input(spec(change), descriptors(namespaces))).program.filter((o) => o.call === "prctl" && o.args[0] === 4)
      .length;
  assertEquals(dumpable(userSpec, { user: 9 }), 1);
  const joined = (s: Spec) => {
    userSpec(s);
    joins(s, "pid");
  };
  assertEquals(dumpable(joined, { user: 9, pid: 7 }), 0);
});

Deno.test("the phases come in the only order that is safe", () => {
  const { program } = plan(input(spec()));
  const order = [
    at(program, "unshare"),
    at(program, "open_tree", "/srv/data"),
    at(program, "mount", "reaches the host"),
    at(program, "move_mount", "on /proc"),
    at(program, "move_mount", "/srv/data on /data"),
    at(program, "mknodat", "/dev/null"),
    at(program, "write", "net.ipv4.ip_forward"),
    at(program, "move_mount", "hide /proc/kcore"),
    at(program, "move_mount", "/proc/sys can only be read"),
    at(program, "pivot_root"),
    at(program, "umount2"),
    at(program, "sethostname"),
    at(program, "prlimit64"),
    at(program, "chdir", "/work"),
    at(program, "close_range"),
    at(program, "prctl", "no program may ever get"),
    at(program, "setgroups"),
    at(program, "setresgid"),
    at(program, "setresuid"),
    at(program, "capset"),
    at(program, "prctl", "no setuid program"),
    at(program, "prctl", "die with mini"),
    at(program, "rt_sigprocmask"),
    at(program, "execve"),
  ];
  assertEquals(order, order.toSorted((a, b) => a - b));
});

Deno.test("networks are offered to be set up at once, and waited for before the terminal and the sysctls", () => {
  const { program } = plan(input(spec((s) => s.process.terminal = true), {
    network: true,
    descriptors: { sync: 3, namespaces: {} },
  }));
  const order = [
    at(program, "socket", "set our networks up"),
    at(program, "write", "the network namespace is there"),
    at(program, "mount", "reaches the host"),
    at(program, "read", "wait for our networks"),
    at(program, "write", "terminal"),
    at(program, "write", "net.ipv4.ip_forward"),
  ];
  assertEquals(order, order.toSorted((a, b) => a - b));
  assertEquals(plan(input(spec())).program.filter(({ why }) => why.includes("our networks")), []);
});

Deno.test("no path of the root is ever written out: everything in it is reached through its descriptor", () => {
  const { program } = plan(input(spec()));
  const pathArguments = program.flatMap((o) => o.args.filter((a) => typeof a === "string").map((a) => [o, a] as const));
  const withRoot = pathArguments.filter(([, path]) => path.includes(ROOTFS));
  assertEquals(withRoot.map(([{ call }, path]) => [call, path]), [["open_tree", ROOTFS], ["move_mount", ROOTFS]]);
  // Until the root is changed no call takes a path of the container but openat2 and those that make one name in a folder.
  const inside = program.slice(at(program, "fsopen"), at(program, "pivot_root"));
  for (const { call, args } of inside) {
    const path = args.find((a) => typeof a === "string" && a.includes("/"));
    if (path === undefined || call === "openat2" || call === "fsconfig" || call === "symlinkat") continue;
    // The host's null device and the place for an empty folder are the exceptions.
    assert(["/dev/null", "/sys"].includes(String(path)), `${call} ${path}`);
  }
});

Deno.test("whatever opens a place to mount on opens it without permission to read or write", () => {
  const { program } = plan(input(spec()));
  for (const { call, args, on } of program) {
    if (call !== "openat2" || on?.includes("/proc/sys/")) continue;
    const { words } = args[2] as { words: number[] };
    assert((words[0]! & O_PATH) !== 0, on);
  }
});

Deno.test("the program is tried in each folder of PATH, and only the last failure ends it", () => {
  const { program } = plan(input(spec()));
  const tries = program.filter((o) => o.call === "execve");
  assertEquals(tries.map((o) => [o.args[0], o.optional ?? false]), [["/bin/tool", true], ["/usr/bin/tool", false]]);
  assertEquals(tries[0]!.args.slice(1), [["tool", "-v"], ["PATH=/bin:/usr/bin"]]);
  const whole = plan(input(spec((s) => s.process.args = ["./tool"]))).program.filter((o) => o.call === "execve");
  assertEquals(whole.map((o) => o.args[0]), ["./tool"]);
});

Deno.test("capabilities that are not asked for leave the bounding set, unknown ones too", () => {
  const { program } = plan(input(spec(), { facts: { isDirectory: () => true, cgroup2: true, lastCapability: 42 } }));
  const dropped = program.filter((o) => o.call === "prctl" && o.args[0] === 24).map((o) => o.args[1]);
  assertEquals(dropped.length, 41 - 14 + 2);
  assert(dropped.includes(21) && dropped.includes(41) && dropped.includes(42) && !dropped.includes(0));
});

Deno.test("the supplementary groups are those of the specification, each once", () => {
  const groups = (user: Spec["process"]["user"]) => {
    const { program } = plan(input(spec((s) => s.process.user = user)));
    const [count, bytes] = program[at(program, "setgroups")]!.args as [number, Uint8Array<ArrayBuffer>];
    assertEquals(count, bytes.length / 4);
    return [...new Uint32Array(bytes.buffer)];
  };
  assertEquals(groups({ uid: 1, gid: 8, additionalGids: [8, 9, 8] }), [8, 9]);
  assertEquals(groups({ uid: 1, gid: 8 }), []);
});

Deno.test("without a cgroup v2 there is no cgroup mount", () => {
  const cgroup = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" };
  const withCgroup = (cgroup2: boolean) =>
    plan(
      input(spec((s) => s.mounts!.push(cgroup)), { facts: { isDirectory: () => true, cgroup2, lastCapability: 40 } }),
    )
      .program.filter((o) => o.call === "fsopen" && o.args[0] === "cgroup2").length;
  assertEquals([withCgroup(true), withCgroup(false)], [1, 0]);
});

Deno.test("devices are made in /dev, and looked at where the root has them already, but never in a /dev of the host's", () => {
  const withDev = (...mounts: Mount[]) =>
    plan(input(spec((s) => s.mounts = [...s.mounts!.filter((m) => m.destination !== "/dev"), ...mounts]))).program;
  const looks = (program: readonly Operation[]) =>
    ["mknodat", "statx"].map((call) => program.filter((o) => o.call === call && o.on === "/dev/null").length);
  assertEquals(looks(plan(input(spec())).program), [1, 0]);
  assertEquals(looks(withDev()), [1, 1]);
  assertEquals(looks(withDev({ destination: "/dev", type: "bind", source: "/dev", options: ["rbind"] })), [0, 0]);
});

Deno.test("every plan is a program that can be written as a file: jumps and results lead somewhere", () => {
  const variants: [string, Spec, Partial<PlanInput>?][] = [
    ["default", spec()],
    ["init", spec(), { init: true }],
    ["terminal", spec((s) => s.process.terminal = true), { descriptors: { sync: 3, namespaces: {} } }],
    ["terminal and init", spec((s) => s.process.terminal = true), {
      init: true,
      descriptors: { sync: 3, namespaces: {} },
    }],
    ["read-only", spec((s) => s.root.readonly = true)],
    ["overlay", spec(), { rootfs: { kind: "overlay", options: "lowerdir=/a:/b", relativeTo: "/", target: "/t" } }],
    ["nothing masked", spec((s) => s.linux!.maskedPaths = s.linux!.readonlyPaths = [])],
    ["networks", spec(), { network: true }],
    ["networks and terminal", spec((s) => s.process.terminal = true), {
      network: true,
      descriptors: { sync: 3, namespaces: {} },
    }],
    ["in the root folder", spec((s) => s.process.cwd = "/")],
    [
      "host's network",
      spec((s) => {
        s.linux!.namespaces = s.linux!.namespaces!.filter((n) => n.type !== "network");
        s.linux!.sysctl = {};
      }),
    ],
    ["joined network", spec((s) => s.linux!.namespaces!.find((n) => n.type === "network")!.path = "/run/netns/x"), {
      descriptors: { sync: 3, namespaces: { network: 9 } },
    }],
    [
      "many mounts",
      spec((s) => {
        for (let i = 0; i < 200; i++) {
          s.mounts!.push({ destination: `/v/${i}`, type: "bind", source: `/s/${i}`, options: ["rbind"] });
        }
      }),
    ],
  ];
  for (const [name, made, more] of variants) {
    const { program } = plan(input(made, more));
    indexByName(program);
    assert(elf(program, machine).length > 1000, name);
    for (const { why } of program) assert(why !== "", name);
  }
});

Deno.test("what cannot be planned is refused", () => {
  const refused = (change: (spec: Spec) => void, word: string) =>
    assertThrows(() => plan(input(spec(change))), MiniError, word);
  refused((s) => s.linux!.namespaces = [{ type: "pid" }], "mount namespace");
  const layers = { kind: "overlay", options: "lowerdir=/a:/b", relativeTo: "/", target: "/t" } as const;
  const elsewhere = input(spec((s) => joins(s, "mount")), { ...descriptors({ mount: 5 }), rootfs: layers });
  assertThrows(() => plan(elsewhere), MiniError, "joins another one");
  const idmapped = { kind: "directory", path: ROOTFS, idmap: true } as const;
  assertThrows(() => plan(input(spec(), { rootfs: idmapped })), MiniError, "needs a user namespace");
  refused((s) => s.process.args = [""], "no program");
  refused((s) => s.process.cwd = "work", "absolute");
  refused((s) => s.mounts!.push({ destination: "data", type: "tmpfs" }), "absolute");
  refused((s) => s.mounts!.push({ destination: "/x" }), "no type");
  refused((s) => s.mounts!.push({ destination: "/x", type: "bind" }), "no source");
  refused((s) => s.mounts!.push({ destination: "/x", type: "bind", source: "/y", options: ["nosuch"] }), "nosuch");
  refused((s) => s.mounts = s.mounts!.filter((m) => m.type !== "proc"), "sysctls");
  refused((s) => s.process.capabilities!.effective = ["CAP_NOSUCH"], "CAP_NOSUCH");
  refused((s) => s.process.rlimits = [{ type: "NOFILE", soft: 1, hard: 1 }], "NOFILE");
  refused((s) => s.linux!.devices = [{ path: "/", type: "c" }], "device");
});
