/** What limits become in the kernel: the files of a cgroup, read back. No container is needed for that. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { close } from "../ffi/kernel.ts";
import { MiniError } from "../ffi/errors.ts";
import { removeCgroup } from "../runtime/cgroup.ts";
import { applyResources } from "../runtime/cgroup_apply.ts";
import { freeze } from "../runtime/cgroup_freeze.ts";
import { makeLimitedCgroup } from "../runtime/cgroup_setup.ts";
import type { Resources } from "../runtime/resources.ts";
import { hostTree, needsCgroup2, needsControllers } from "./cgroups.ts";
import { miniTest } from "./harness.ts";

const PARENT = "/mini-test-limits";

/** The cgroup of a test, with a parent of its own; both are removed at its end. */
async function withCgroup(
  resources: Resources,
  body: (path: string, read: (file: string) => string) => void | Promise<void>,
): Promise<void> {
  const path = `${PARENT}/one`;
  const cgroup = makeLimitedCgroup(hostTree, path, { resources });
  try {
    await body(path, (file) => Deno.readTextFileSync(`${cgroup.path}/${file}`).trim());
  } finally {
    close(cgroup.fd);
    await removeCgroup(cgroup.path);
    await removeCgroup(`${hostTree.root}${PARENT}`);
  }
}

const MIB = 2 ** 20;

miniTest("memory, swap and reservation are as asked for", async () => {
  await withCgroup({ memory: { limit: 64 * MIB, swap: 96 * MIB, reservation: 16 * MIB } }, (path, read) => {
    assertEquals([read("memory.max"), read("memory.low")], [`${64 * MIB}`, `${16 * MIB}`]);
    assertEquals(read("memory.swap.max"), `${32 * MIB}`);
    applyResources(hostTree, path, { memory: { limit: -1, swap: -1 } });
    assertEquals([read("memory.max"), read("memory.swap.max")], ["max", "max"]);
  });
}, [needsControllers("memory")]);

miniTest("processors, their time and their shares are as asked for", async () => {
  const cpu = { quota: 50_000, period: 200_000, shares: 2000, cpus: "0", mems: "0", burst: 10_000 };
  await withCgroup({ cpu }, (path, read) => {
    assertEquals([read("cpu.max"), read("cpu.weight"), read("cpu.max.burst")], ["50000 200000", "170", "10000"]);
    assertEquals([read("cpuset.cpus"), read("cpuset.cpus.effective"), read("cpuset.mems")], ["0", "0", "0"]);
    applyResources(hostTree, path, { cpu: { quota: -1 } });
    assertEquals(read("cpu.max"), "max 200000");
  });
  await assertRejects(
    () => withCgroup({ cpu: { cpus: "4000" } }, () => {}),
    MiniError,
    'the kernel does not take "4000" for cpuset.cpus; there are the processors 0',
  );
}, [needsControllers("cpu", "cpuset")]);

miniTest("processes, huge pages and files of the kernel's own are as asked for", async () => {
  const resources = {
    pids: { limit: 33 },
    hugepageLimits: [{ pageSize: "2MB", limit: 4 * MIB }],
    unified: { "memory.high": `${32 * MIB}`, "cpu.weight": "77" },
  };
  await withCgroup(resources, (_, read) => {
    assertEquals([read("pids.max"), read("hugetlb.2MB.max"), read("hugetlb.2MB.rsvd.max")], [
      "33",
      `${4 * MIB}`,
      `${4 * MIB}`,
    ]);
    assertEquals([read("memory.high"), read("cpu.weight")], [`${32 * MIB}`, "77"]);
  });
}, [needsControllers("pids", "hugetlb", "memory", "cpu")]);

miniTest("what the kernel does not take is told, and there is no cgroup then", async () => {
  const refused = (resources: Resources, words: string) =>
    assertRejects(() => withCgroup(resources, () => {}), MiniError, words);
  await refused({ unified: { "memory.nonsense": "1" } }, "this kernel has no memory.nonsense");
  await refused({ unified: { "nonsense.max": "1" } }, "this host has no nonsense controller");
  await refused({ unified: { "cpu.weight": "x" } }, 'the kernel does not take "x" for cpu.weight');
  await refused({ blockIO: { throttleReadBpsDevice: [{ major: 240, minor: 9, rate: 1 }] } }, "there is no such disk");
  assertThrows(() => Deno.statSync(`${hostTree.root}${PARENT}/one`), Deno.errors.NotFound);
  await removeCgroup(`${hostTree.root}${PARENT}`);
}, [needsControllers("memory", "cpu", "io")]);

miniTest("a cgroup with processes of its own cannot hand limits down, and that is told with what to do", async () => {
  const folder = `${hostTree.root}${PARENT}`;
  Deno.mkdirSync(folder);
  const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
  try {
    Deno.writeTextFileSync(`${folder}/cgroup.procs`, `${child.pid}`);
    assertThrows(
      () => makeLimitedCgroup(hostTree, `${PARENT}/one`, { resources: { memory: { limit: 64 * MIB } } }),
      MiniError,
      `the cgroup ${folder} has processes of its own`,
    );
    // A default is not worth that.
    const cgroup = makeLimitedCgroup(hostTree, `${PARENT}/one`, { resources: { pids: { limit: 5 } } }, ["pids.max"]);
    close(cgroup.fd);
    await removeCgroup(cgroup.path);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await removeCgroup(folder);
  }
}, [needsControllers("memory")]);

miniTest("everything in a cgroup stops, and goes on", async () => {
  await withCgroup({}, async (path, read) => {
    const folder = `${hostTree.root}${path}`;
    const child = new Deno.Command("sh", { args: ["-c", "while :; do sleep 0.01; done"] }).spawn();
    try {
      Deno.writeTextFileSync(`${folder}/cgroup.procs`, `${child.pid}`);
      await freeze(folder, true);
      assertEquals([/^frozen 1$/m.test(read("cgroup.events")), read("cgroup.freeze")], [true, "1"]);
      await freeze(folder, false);
      assertEquals([/^frozen 0$/m.test(read("cgroup.events")), read("cgroup.freeze")], [true, "0"]);
      // One above that is frozen holds all that is below.
      await freeze(`${hostTree.root}${PARENT}`, true);
      await assertRejects(() => freeze(folder, false, 50), MiniError, "a cgroup above it is frozen");
      await freeze(`${hostTree.root}${PARENT}`, false);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  });
  await assertRejects(() => freeze(`${hostTree.root}/mini-test-none`, true), MiniError, "no cgroup");
}, [needsCgroup2]);
