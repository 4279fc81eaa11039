/** Limits of an ordinary user's containers: below a cgroup that was delegated to it, and refused without one. */
import { assertEquals, assertMatch } from "@std/assert";
import { cgroupTree } from "../runtime/cgroup.ts";
import { controllers } from "../runtime/cgroup_apply.ts";
import { assertRefused } from "./harness.ts";
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

userTest("without a cgroup of one's own limits and pause are refused, and nothing else", async ({ mini, script }) => {
  assertRefused(await mini(["run", "--rm", "-m", "64m", "starter", "true"]), 125, "limits", "Delegate=yes");
  assertRefused(await mini(["run", "--rm", "--pids-limit", "9", "starter", "true"]), 125, "limits", "Delegate=yes");
  const paused = await script(
    "$mini run -d --name web starter sleep 60 >/dev/null; ! $mini pause web; $mini rm -f web",
  );
  assertEquals([paused.status, paused.stdout], [0, "web\n"]);
  assertMatch(paused.stderr, /^mini: [^\n]+ cannot be paused\n$/);
});

userTest("below a delegated cgroup a user's limits hold, live and with pause", async ({ script, folder }) => {
  const { status, stdout, stderr } = await script(
    `
    $mini run -d --name web -m 64m --pids-limit 20 --cpus 0.5 starter sleep 600 > /dev/null
    $mini exec web cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max
    $mini update -m 96m web > /dev/null; $mini exec web cat /sys/fs/cgroup/memory.max
    $mini pause web; $mini ps --format '{{.Status}}' | grep -o Paused; $mini unpause web
    $mini rm -f web
    $mini run --rm -m 32m --memory-swap 32m starter sh -c 'head -c 200m /dev/zero | tail > /dev/null; echo $?' || true
    $mini run --rm --pids-limit 8 starter sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done' 2>&1 | grep -c -m1 fork`,
    { prepare: DELEGATED, timeout: 120_000 },
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
  assertMatch(stdout, /^67108864\n20\n50000 100000\n100663296\nweb\nPaused\nweb\nweb\n(137\n)?1\n$/);
}, [needsControllers]);
