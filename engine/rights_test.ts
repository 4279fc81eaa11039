import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { Mount, Spec } from "../runtime/spec.ts";
import { applyRights, readRights, type Rights } from "./rights.ts";
import { rangeMaps } from "./userns.ts";

const mount = (destination: string, type: string, ...options: string[]): Mount => ({
  destination,
  type,
  source: type,
  options,
});
const spec: Spec = {
  ociVersion: "1.2.0",
  root: { path: "x" },
  hostname: "box",
  process: { cwd: "/", args: ["x"], user: { uid: 0, gid: 0 } },
  mounts: [
    mount("/proc", "proc"),
    mount("/dev/pts", "devpts", "newinstance", "gid=5"),
    mount("/sys", "sysfs", "nosuid", "ro"),
    mount("/sys/fs/cgroup", "cgroup", "ro"),
    mount("/dev/mqueue", "mqueue"),
    mount("/dev/shm", "tmpfs", "mode=1777"),
    { destination: "/etc/hosts", type: "bind", source: "/var/lib/mini/containers/1/hosts", options: ["bind"] },
    { destination: "/srv", type: "bind", source: "/srv", options: ["rbind"] },
  ],
  linux: {
    namespaces: ["pid", "mount", "ipc", "uts", "cgroup", "network"].map((type) => ({ type: type as "pid" })),
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
  },
};
const rights = (more: Partial<Rights> = {}, privileged = false): Rights => ({
  security: readRights({ privileged, securityOptions: ["apparmor=unconfined"] }).security,
  network: "none",
  ipc: "private",
  pid: "private",
  uts: "private",
  userns: undefined,
  networkOf: undefined,
  hostname: undefined,
  close: () => {},
  ...more,
});
const apply = (more?: Partial<Rights>, privileged?: boolean, change: Partial<Spec> = {}) =>
  applyRights({ ...spec, ...change }, rights(more, privileged), "/var/lib/mini");
const at = (made: Spec, destination: string) => made.mounts!.find((m) => m.destination === destination);
const USERNS = { maps: rangeMaps(1000, 1000, 100) };

Deno.test("without anything asked for it is the specification as it was, with no_new_privs", () => {
  assertEquals(apply(), { ...spec, process: { ...spec.process, noNewPrivileges: true } });
});

Deno.test("namespaces of the host are not in the list, those of containers are found when it is started", () => {
  const made = apply({ network: "host", pid: "container:abc", uts: "host", ipc: "host" });
  assertEquals(made.linux!.namespaces, [{ type: "pid", path: "container:abc" }, { type: "mount" }, { type: "cgroup" }]);
  assertEquals(made.hostname, undefined);
  assertEquals(at(made, "/dev/shm"), { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["rbind"] });
  assertEquals(at(apply({ ipc: "none" }), "/dev/shm"), undefined);
  assertEquals(at(apply({ ipc: "container:abc" }), "/dev/shm")!.source, "container:abc");
});

Deno.test("in a user namespace, what belongs to another one is not mounted anew, and mini's own files get its ids", () => {
  const made = apply({ userns: USERNS });
  assertEquals(made.linux!.namespaces!.at(-1), { type: "user" });
  assertEquals(made.linux!.uidMappings, [{ containerID: 0, hostID: 1000, size: 100 }]);
  assertEquals([at(made, "/etc/hosts")!.options, at(made, "/srv")!.options], [["bind", "idmap"], ["rbind"]]);
  assertEquals(at(made, "/sys")!.type, "sysfs");
  const host = apply({ userns: USERNS, network: "host", ipc: "host" });
  assertEquals([at(host, "/sys")!.type, at(host, "/dev/mqueue")], ["bind", undefined]);
  const joined = apply({ userns: { ...USERNS, container: "abc" } });
  assertEquals(joined.linux!.namespaces!.at(-1), { type: "user", path: "container:abc" });
  const small = apply({ userns: { maps: rangeMaps(1000, 1000, 1) } });
  assertEquals(at(small, "/dev/pts")!.options, ["newinstance"]);
});

Deno.test("whom the user namespace has no id for is refused", () => {
  const user = (uid: number, gid: number, ...additionalGids: number[]) => () =>
    apply({ userns: USERNS }, false, { process: { ...spec.process, user: { uid, gid, additionalGids } } });
  assertThrows(user(100, 0), MiniError, "user 100");
  assertThrows(user(0, 100), MiniError, "group 100");
  assertThrows(user(0, 0, 5, 200), MiniError, "group 200");
  user(99, 99, 1)();
});

Deno.test("privileged hides nothing and lets /sys and cgroups be written", () => {
  const made = apply({}, true);
  assertEquals([made.linux!.maskedPaths, made.linux!.readonlyPaths, made.process.noNewPrivileges], [[], [], false]);
  assertEquals([at(made, "/sys")!.options, at(made, "/sys/fs/cgroup")!.options], [["nosuid"], []]);
});

Deno.test("sysctls of a namespace that is not its own are refused", () => {
  const with_ = (key: string, more: Partial<Rights>) => () =>
    apply(more, false, { linux: { ...spec.linux, sysctl: { [key]: "1" } } });
  assertThrows(with_("net.ipv4.ip_forward", { network: "host" }), MiniError, "the host's");
  assertThrows(with_("net.ipv4.ip_forward", { network: "container:abc" }), MiniError, "another container's");
  assertThrows(with_("kernel.shmmax", { ipc: "host" }), MiniError, "--ipc");
  assertThrows(with_("kernel.domainname", { uts: "host" }), MiniError, "--uts");
  with_("net.ipv4.ip_forward", {})();
});
