import { assertEquals, assertStrictEquals } from "@std/assert";
import { withHostCgroups } from "./cgroup_mount.ts";
import type { NamespaceType, Spec } from "./spec.ts";

const tree = { root: "/sys/fs/cgroup", hybrid: false };

function spec(...namespaces: NamespaceType[]): Spec {
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: { cwd: "/", args: ["true"], user: { uid: 0, gid: 0 } },
    mounts: [
      { destination: "/proc", type: "proc" },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "ro"] },
    ],
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  };
}

Deno.test("with a cgroup namespace of its own a container mounts its own cgroups", () => {
  const given = spec("mount", "cgroup");
  assertStrictEquals(withHostCgroups(given, tree), given);
});

Deno.test("without one it sees the host's, which are not mounted anew", () => {
  assertEquals(withHostCgroups(spec("mount"), tree).mounts, [
    { destination: "/proc", type: "proc" },
    { destination: "/sys/fs/cgroup", type: "bind", source: "/sys/fs/cgroup", options: ["rbind", "nosuid", "ro"] },
  ]);
});
