/** Limits of an ordinary user's containers: below a cgroup that was delegated to it. */
import { assertEquals, assertMatch } from "@std/assert";
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import { USER, userTest } from "./rootless_harness.ts";

const tree = cgroupTree();
const missing = tree ? ["memory", "pids", "cpu"].filter((name) => !controllers(tree).includes(name)) : ["a cgroup v2"];
const needsControllers = missing.length === 0 ? undefined : `no ${missing.join(", ")} in cgroup v2 here`;

/** As systemd's Delegate=yes: a cgroup with the user's own files in it, and the user's process in that. */
const DELEGATED = `
cgroup=${tree?.root}/test-$(basename $folder)
echo '+cpu +memory +pids' > ${tree?.root}/cgroup.subtree_control 2>/dev/null || true
mkdir -p $cgroup
chown ${USER}:${USER} $cgroup $cgroup/cgroup.procs $cgroup/cgroup.threads $cgroup/cgroup.subtree_control
echo $$ > $cgroup/cgroup.procs`;

userTest("below a delegated cgroup a user's limits hold, live and with pause", async ({ script, folder }) => {
  const { status, stdout, stderr } = await script(
    `
    $mini run -d --name web -m 48m --memory-swap 48m --pids-limit 20 --cpus 0.5 starter sleep 600 > /dev/null
    $mini exec web sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max
      sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 2 & done" 2>&1 | grep -c "t fork"; sleep 4'
    $mini exec web sh -c 'head -c 90m /dev/zero | tail > /dev/null; grep -x "oom_kill [1-9].*" /sys/fs/cgroup/memory.events'
    $mini pause web; $mini ps --format '{{.Status}}' | grep -o Paused
    $mini rm -f web`,
    { prepare: DELEGATED, timeout: 240_000 },
  );
  const leaf = `${tree?.root}/test-${folder.split("/").at(-1)}`;
  for (const path of [`${leaf}/mini/runtime`, `${leaf}/mini`, leaf]) {
    for (let tries = 0; tries < 100; tries++) {
      try {
        Deno.removeSync(path);
        break;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) break;
        await new Promise((resolve) => setTimeout(resolve, 50)); // the monitor is about to go
      }
    }
  }
  assertEquals(status, 0, stderr);
  assertMatch(stdout, /^50331648\n20\n50000 100000\n1\noom_kill \d+\nweb\nPaused\nweb\n$/);
}, [needsControllers]);
