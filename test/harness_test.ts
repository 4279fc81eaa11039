/** The tests' own look for leftovers: what it has to find, it finds. */
import { assert, assertEquals } from "@std/assert";
import { cgroupTree } from "../runtime/cgroup.ts";
import { findLeaks, observe, ownDescendants } from "./leaks.ts";

Deno.test({ name: "what a test leaves is found, each kind", ignore: Deno.uid() !== 0 }, async () => {
  const folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "mini-test-" });
  const places = { folder, root: `${folder}/root`, state: `${folder}/state` };
  const before = observe();
  assertEquals(await findLeaks(before, places), []);

  const id = "f".repeat(64), tree = cgroupTree();
  const cgroup = tree && `${tree.root}/mini/${id}`;
  if (cgroup) Deno.mkdirSync(cgroup, { recursive: true });
  const runFile = `/run/mini-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(runFile, "");
  Deno.mkdirSync(`${places.root}/containers/${id}`, { recursive: true });
  Deno.mkdirSync(`${places.state}/other`, { recursive: true });
  const open = Deno.openSync(`${folder}/open`, { create: true, write: true });
  // An orphan: its parent ends at once.
  await new Deno.Command("sh", { args: ["-c", "sleep 1000 & "], stdout: "null", stderr: "null", stdin: "null" })
    .output();
  const orphans = ownDescendants();
  try {
    // Others look for leaks at the same time, and wait for this file in /run to go.
    const leaks = await findLeaks(before, places, 100);
    const kinds = [
      "process",
      ...cgroup ? ["cgroup"] : [],
      "file /run/",
      "descriptor",
      `file ${places.root}`,
      `file ${places.state}`,
    ];
    for (const kind of kinds) assert(leaks.some((leak) => leak.startsWith(kind)), `${kind} is not among ${leaks}`);
    assertEquals(leaks.length, kinds.length);
  } finally {
    for (const pid of orphans) Deno.kill(pid, "SIGKILL");
    open.close();
    Deno.removeSync(runFile);
    if (cgroup) Deno.removeSync(cgroup);
    Deno.removeSync(folder, { recursive: true });
  }
  assertEquals(await findLeaks(before, places), []);
});
