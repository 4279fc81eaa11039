import { assertEquals, assertThrows } from "@std/assert";
import { MiniError } from "../ffi/errors.ts";
import { applyResources } from "./cgroup_apply.ts";
import type { CgroupTree } from "./cgroup.ts";

/** A folder that looks like a tree of cgroups, as far as files do. */
function withTree(hybrid: boolean, files: Record<string, string>, body: (tree: CgroupTree) => void): void {
  const root = Deno.makeTempDirSync();
  try {
    for (const [path, content] of Object.entries({ "mini/c/cgroup.procs": "", ...files })) {
      Deno.mkdirSync(`${root}/${path.slice(0, path.lastIndexOf("/") + 1)}`, { recursive: true });
      Deno.writeTextFileSync(`${root}/${path}`, content);
    }
    body({ root, hybrid });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const read = (tree: CgroupTree, path: string) => Deno.readTextFileSync(`${tree.root}/${path}`);
const ROOT = { "cgroup.controllers": "cpu io memory pids\n", "cgroup.subtree_control": "cpu io memory pids\n" };

Deno.test("limits are written to the cgroup's files", () => {
  withTree(false, { ...ROOT, "mini/c/pids.max": "max", "mini/c/memory.max": "max" }, (tree) => {
    applyResources(tree, "/mini/c", { pids: { limit: 5 }, memory: { limit: 4096 } });
    assertEquals([read(tree, "mini/c/pids.max"), read(tree, "mini/c/memory.max")], ["5", "4096"]);
  });
});

Deno.test("a controller that is missing is handed down, and with it those that tell what is used", () => {
  const files = { "cgroup.controllers": "cpuset cpu io memory pids", "cgroup.subtree_control": "memory" };
  withTree(false, { ...files, "mini/cgroup.subtree_control": "" }, (tree) => {
    // No kernel makes the file here, so it is missing still.
    assertThrows(
      () => applyResources(tree, "/mini/c", { cpu: { cpus: "0" } }),
      MiniError,
      "cannot set the choice of processors: this kernel has no cpuset.cpus",
    );
    assertEquals(read(tree, "cgroup.subtree_control"), "+cpuset +cpu +io +pids");
    assertEquals(read(tree, "mini/cgroup.subtree_control"), "+cpuset +cpu +io +memory +pids");
  });
});

Deno.test("a limit whose controller is not there is refused, with what to do", () => {
  withTree(false, { "cgroup.controllers": "pids", "cgroup.subtree_control": "pids" }, (tree) => {
    const set = (resources: Parameters<typeof applyResources>[2]) => () => applyResources(tree, "/mini/c", resources);
    assertThrows(set({ memory: { limit: 4096 } }), MiniError, "cgroup_enable=memory");
    assertThrows(set({ cpu: { shares: 2 } }), MiniError, "this host has no cpu controller");
  });
});

Deno.test("what is optional is left out where its controller is not there, and set where it is", () => {
  withTree(true, { "cgroup.controllers": "", "cgroup.subtree_control": "" }, (tree) => {
    applyResources(tree, "/mini/c", { pids: { limit: 5 } }, ["pids.max"]);
    assertThrows(() => applyResources(tree, "/mini/c", { pids: { limit: 5 } }), MiniError, "the limit on processes");
  });
  withTree(false, { ...ROOT, "mini/c/pids.max": "" }, (tree) => {
    applyResources(tree, "/mini/c", { pids: { limit: 5 } }, ["pids.max"]);
    assertEquals(read(tree, "mini/c/pids.max"), "5");
  });
});

Deno.test("a limit below what is used is refused where that is asked for", () => {
  withTree(false, { ...ROOT, "mini/c/memory.current": "9000\n", "mini/c/memory.max": "max" }, (tree) => {
    const memory = { limit: 8000, checkBeforeUpdate: true };
    assertThrows(() => applyResources(tree, "/mini/c", { memory }), MiniError, "9000 bytes of memory already");
    assertEquals(read(tree, "mini/c/memory.max"), "max");
    applyResources(tree, "/mini/c", { memory: { limit: 8000 } });
    assertEquals(read(tree, "mini/c/memory.max"), "8000");
  });
});

Deno.test("the weight on disks goes to the file that there is", () => {
  withTree(false, { ...ROOT, "mini/c/io.weight": "" }, (tree) => {
    applyResources(tree, "/mini/c", { blockIO: { weight: 1000 } });
    assertEquals(read(tree, "mini/c/io.weight"), "10000");
  });
  withTree(false, { ...ROOT, "mini/c/io.weight": "", "mini/c/io.bfq.weight": "" }, (tree) => {
    applyResources(tree, "/mini/c", { blockIO: { weight: 1000 } });
    assertEquals([read(tree, "mini/c/io.weight"), read(tree, "mini/c/io.bfq.weight")], ["", "1000"]);
  });
});
