import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, checkHost, type HostFacts, isFit, type UserFacts } from "./checks.ts";

const ROOT: HostFacts = {
  kernel: "6.1.0-13-amd64",
  missingCalls: [],
  fileSystems: ["ext4", "overlay"],
  seccomp: true,
  cgroup: { kind: "v2", root: "/sys/fs/cgroup", controllers: ["cpu", "cpuset", "io", "memory", "pids"] },
  securityModules: ["apparmor"],
  disk: { path: "/var/lib", freeBytes: 50e9, fileSystem: "extfs" },
  inotifyInstances: 128,
  network: { missing: [], forwarding: true },
};
const { network: _, ...ANY } = ROOT;
const ANNA: UserFacts = {
  name: "anna",
  idCount: { uids: 65536, gids: 65536 },
  freeId: 165536,
  helpers: "fine",
  networkHelpers: ["pasta"],
  tun: "fine",
  firstPort: 1024,
  runtimeFolder: "/run/user/1000",
  lingers: true,
};
const user = (more: Partial<UserFacts>): HostFacts => ({ ...ANY, user: { ...ANNA, ...more } });

/** Those that do not work as they should. */
const troubles = (facts: HostFacts) => checkHost(facts).filter(({ state }) => state !== "works");
const only = (facts: HostFacts): Check => {
  const found = troubles(facts);
  assertEquals(found.length, 1, JSON.stringify(found));
  return found[0]!;
};

Deno.test("a host on which all works has nothing to mend", () => {
  for (const facts of [ROOT, user({})]) {
    assertEquals(troubles(facts), []);
    assert(isFit(checkHost(facts)));
  }
});

Deno.test("what is needed makes the host unfit, and tells what mends it", () => {
  const unfit: [HostFacts, string, RegExp][] = [
    [{ ...ROOT, kernel: "5.9.0" }, "kernel", /5\.10/],
    [{ ...ROOT, kernel: "4.19.300" }, "kernel", /5\.10/],
    [{ ...ROOT, missingCalls: ["openat2", "clone3", "close_range"] }, "system calls", /^clone3, close_range: /],
    [{ ...ROOT, fileSystems: ["ext4"] }, "overlayfs", /modprobe overlay/],
    [{ ...ROOT, seccomp: false }, "seccomp", /unconfined/],
    [{ ...ROOT, cgroup: { kind: "none", root: undefined, controllers: [] } }, "cgroups", /mount -t cgroup2/],
    [{ ...ROOT, disk: { ...ROOT.disk, fileSystem: "overlayfs" } }, "disk", /--root/],
    [
      user({ forbidden: { setting: "user.max_user_namespaces=0", allow: "sudo sysctl x" } }),
      "user namespaces",
      /max_user_namespaces=0.*sudo sysctl x/,
    ],
    [user({ helpers: "powerless" }), "ids", /chmod u\+s/],
  ];
  for (const [facts, name, words] of unfit) {
    const check = only(facts);
    assertEquals([check.name, check.state], [name, "missing"]);
    assertMatch(`${check.means} ${check.mend}`, words);
    assert(!isFit([check]), name);
  }
});

Deno.test("what can be done without is told, and the host is fit", () => {
  const limited: [HostFacts, string, RegExp][] = [
    [{ ...ROOT, cgroup: { ...ROOT.cgroup, controllers: ["cpu", "cpuset", "io", "memory"] } }, "cgroups", /\+pids/],
    [
      { ...ROOT, cgroup: { kind: "hybrid", root: "/sys/fs/cgroup/unified", controllers: [] } },
      "cgroups",
      /version 1 has them.*unified_cgroup_hierarchy=1/,
    ],
    [
      { ...ROOT, network: { missing: ["veth", "nf_tables"], forwarding: true } },
      "network",
      /modprobe -a veth nf_tables/,
    ],
    [{ ...ROOT, missingCalls: ["openat2"] }, "system calls", /^openat2: .*name by name on an old/],
    [{ ...ROOT, missingCalls: ["mount_setattr"] }, "system calls", /^mount_setattr: .*; mount\(2\).*--userns/],
    [{ ...ROOT, disk: { ...ROOT.disk, freeBytes: 1e6 } }, "disk", /prune/],
    [{ ...ROOT, inotifyInstances: 8 }, "inotify", /max_user_instances/],
    [{ ...user({}), cgroup: { kind: "v2", root: undefined, controllers: [] } }, "cgroups", /Delegate=yes/],
    [{ ...user({}), cgroup: { kind: "none", root: undefined, controllers: [] } }, "cgroups", /mount -t cgroup2/],
    [user({ helpers: "missing", idCount: { uids: 0, gids: 0 } }), "ids", /install uidmap/],
    [user({ idCount: { uids: 0, gids: 65536 } }), "ids", /usermod --add-subuids 165536-231071 .* anna/],
    [user({ idCount: { uids: 1000, gids: 1000 } }), "ids", /1000 ids/],
    [user({ networkHelpers: [] }), "network", /install passt/],
    [user({ tun: "forbidden" }), "network", /chmod 666/],
    [user({ tun: "missing" }), "network", /modprobe tun/],
    [user({ runtimeFolder: undefined }), "runtime folder", /XDG_RUNTIME_DIR/],
    [user({ lingers: false }), "lingering", /enable-linger anna/],
  ];
  for (const [facts, name, words] of limited) {
    const check = only(facts);
    assertEquals([check.name, check.state], [name, "limited"]);
    assertMatch(`${check.means} ${check.mend}`, words);
    assert(isFit([check]), name);
  }
});
