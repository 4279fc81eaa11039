import { assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import type { Mount, Spec } from "./spec.ts";
import { checkSpec } from "./spec_check.ts";

const spec = (change: (spec: Spec) => void = () => {}): Spec => {
  const made: Spec = {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: { cwd: "/", args: ["true"], user: { uid: 0, gid: 0 } },
    linux: { namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type: type as "pid" })) },
  };
  change(made);
  return made;
};
const accepted = (change: (spec: Spec) => void) => checkSpec(spec(change));
const refused = (change: (spec: Spec) => void, ...words: string[]) => {
  for (const word of words) assertThrows(() => checkSpec(spec(change)), MiniError, word);
};
const without = (type: string) => (s: Spec) =>
  s.linux!.namespaces = s.linux!.namespaces!.filter((n) => n.type !== type);

Deno.test("a small specification is accepted", () => accepted(() => {}));

Deno.test("namespaces: known, once each, with those that a container needs", () => {
  refused((s) => s.linux!.namespaces!.push({ type: "nosuch" as "pid" }), "nosuch");
  refused((s) => s.linux!.namespaces!.push({ type: "pid" }), "twice");
  refused(without("mount"), "mount namespace");
  refused((s) => s.linux!.namespaces![0] = { type: "pid", path: "proc/1/ns/pid" }, '"proc/1/ns/pid"', "absolute");
  accepted((s) => s.linux!.namespaces![0] = { type: "pid", path: "/proc/1/ns/pid" });
  accepted(without("pid"));
  refused((s) => s.linux!.namespaces!.push({ type: "user" }), "uidMappings");
  refused((s) => s.linux!.uidMappings = [{ containerID: 0, hostID: 0, size: 1 }], "user namespace");
});

Deno.test("the ids of mounts are those of a user namespace, or whole maps of their own, for bind mounts alone", () => {
  const mount = (more: Partial<Mount>) => (s: Spec) =>
    s.mounts = [{ destination: "/x", type: "bind", source: "/y", ...more }];
  const map = [{ containerID: 0, hostID: 5, size: 1 }];
  refused(mount({ options: ["idmap"] }), "/x", "without a user namespace");
  refused(mount({ type: "tmpfs", options: ["ridmap"] }), "no bind mount");
  refused(mount({ uidMappings: map }), "gidMappings");
  accepted(mount({ uidMappings: map, gidMappings: map }));
  accepted((s) => {
    s.linux!.namespaces!.push({ type: "user" });
    s.linux!.uidMappings = s.linux!.gidMappings = map;
    mount({ options: ["idmap"] })(s);
  });
});

Deno.test("ids are ids: neither negative, nor fractions, nor the kernel's 'none'", () => {
  for (const id of [-1, 0.5, 2 ** 32 - 1, 2 ** 32, NaN, Infinity]) {
    refused((s) => s.process.user.uid = id, "not a user or group id");
    refused((s) => s.process.user.gid = id, "not a user or group id");
    refused((s) => s.process.user.additionalGids = [0, id], "not a user or group id");
  }
  accepted((s) => s.process.user = { uid: 2 ** 32 - 2, gid: 2 ** 32 - 2 });
});

Deno.test("no word has a NUL character in it, which would cut it short", () => {
  refused((s) => s.process.args = ["true", "a\0b"], "NUL");
  refused((s) => s.process.env = ["A=\0"], "NUL");
  refused((s) => s.process.cwd = "/\0", "NUL");
  refused((s) => s.process.args = [], "process.args");
});

Deno.test("limits are not above their own maximum", () => {
  refused((s) => s.process.rlimits = [{ type: "RLIMIT_CORE", soft: 2, hard: 1 }], "RLIMIT_CORE");
  refused((s) => s.process.rlimits = [{ type: "RLIMIT_CORE", soft: -1, hard: 1 }], "RLIMIT_CORE");
  accepted((s) => s.process.rlimits = [{ type: "RLIMIT_CORE", soft: 1, hard: -1 }]);
});

Deno.test("host names fit the kernel, and need a namespace", () => {
  refused((s) => s.hostname = "ü".repeat(33), "64 bytes");
  refused((s) => (without("uts")(s), s.hostname = "box"), "uts namespace");
});

Deno.test("nothing is mounted on the root or in /proc, however it is written", () => {
  const mount = (destination: string, type = "bind"): (spec: Spec) => void => (s) =>
    s.mounts = [{ destination, type, source: "/srv" } satisfies Mount];
  for (const path of ["/", "//", "/a/..", "/../"]) {
    refused(mount(path), "root itself");
    refused(mount(path, "tmpfs"), "root itself");
  }
  for (const path of ["/proc", "/proc/", "/x/../proc", "//proc//self", "/proc/sys/kernel", "/proc/1", "/proc/kcore"]) {
    refused(mount(path), "/proc");
    refused(mount(path, "tmpfs"), "/proc");
  }
  for (const path of ["/proc/cpuinfo", "/proc/meminfo", "/process", "/sys", "/dev/shm"]) accepted(mount(path));
  accepted(mount("/proc", "proc"));
  refused(mount("relative"), "absolute");
});

Deno.test("sysctls are those that a namespace of the container's own holds", () => {
  const sysctl = (key: string, value = "1"): (spec: Spec) => void => (s) => s.linux!.sysctl = { [key]: value };
  for (const key of ["net.ipv4.ip_forward", "kernel.shmmax", "kernel.sem", "fs.mqueue.msg_max", "kernel.domainname"]) {
    accepted(sysctl(key));
  }
  for (
    const key of [
      "kernel.core_pattern",
      "kernel.shmmax2",
      "vm.swappiness",
      "fs.file-max",
      "kernel.hostname",
      "dev.raid.x",
    ]
  ) {
    refused(sysctl(key), key, "host");
  }
  for (
    const key of ["", "net", "net.", ".net", "net..x", "net/x", "net.x/../../kernel", "net.x y", "net.x\n", "net.\0"]
  ) {
    refused(sysctl(key), "not the name of a sysctl");
  }
  for (const value of ["1\n2", "1\0"]) refused(sysctl("net.ipv4.ip_forward", value), "one line");
  refused((s) => (without("network")(s), sysctl("net.ipv4.ip_forward")(s)), "network namespace");
  refused((s) => (without("ipc")(s), sysctl("kernel.shmmax")(s)), "ipc namespace");
});
