/** Many commands at the same time. */
import { assertEquals, assertMatch } from "@std/assert";
import { miniTest, until } from "./harness.ts";

const MANY = 50;

miniTest("fifty containers started at once are fifty containers", async ({ mini }) => {
  // The first use of the image happens fifty times at once, too.
  const starts = Array.from({ length: MANY }, (_, i) => {
    const script = `echo ${i}; hostname; cat /proc/self/cgroup /proc/sys/kernel/random/boot_id >/dev/null; exit ${i}`;
    return mini(["run", "--rm", "starter", "sh", "-c", script]);
  });
  const ends = await Promise.all(starts), hosts = new Set<string>();
  ends.forEach(({ status, stdout, stderr }, i) => {
    assertEquals([status, stderr], [i, ""]);
    const [number, host] = stdout.split("\n");
    assertEquals(number, `${i}`);
    hosts.add(host!);
  });
  assertEquals(hosts.size, MANY);
});

miniTest("of fifty that want the same name one gets it", async ({ mini, start, root }) => {
  await mini(["run", "--rm", "starter", "true"]);
  // A name whose container is gone, as a crash leaves it: it can be had, once.
  Deno.symlinkSync("0".repeat(64), `${root}/names/only`);
  const all = Array.from(
    { length: MANY },
    () => start(["run", "--rm", "--name", "only", "starter", "sh", "-c", "echo ready; sleep 1000"]),
  );
  const losers = all.map(({ output }) => output);
  let lost = 0;
  losers.forEach((output) => output.then(() => lost++, () => {}));
  await until("all but one to end", () => lost === MANY - 1);
  const winner = all.filter((one) => one.stdout() === "ready\n");
  assertEquals(winner.length, 1);
  assertEquals((await mini(["ps", "--format", "{{.Names}}"])).stdout, "only\n");
  assertEquals((await mini(["rm", "-f", "only"])).status, 0);
  let refused = 0;
  for (const { status, stderr } of await Promise.all(losers)) {
    if (status === 137) continue;
    assertEquals(status, 125);
    assertMatch(stderr, /^mini: the name only is already in use by container [0-9a-f]{12}; [^\n]*\n$/);
    refused++;
  }
  assertEquals(refused, MANY - 1);
});

miniTest("runs, removals, lists and checks do not disturb one another", async ({ mini }) => {
  await mini(["run", "--rm", "starter", "true"]);
  const done = { run: 0, kept: 0, ps: 0, check: 0, forced: 0 };
  // Each goes on as long as one of the others has not been done often enough.
  const again = async (what: keyof typeof done, body: () => Promise<void>) => {
    for (; Object.values(done).some((times) => times < 6); done[what]++) await body();
  };
  const clean = async (args: string[], expected = 0) => {
    const { status, stdout, stderr } = await mini(args);
    assertEquals([status, stderr], [expected, ""], args.join(" "));
    return stdout;
  };
  await Promise.all([
    again("run", async () => assertEquals(await clean(["run", "--rm", "starter", "echo", "x"]), "x\n")),
    again("run", async () => assertEquals(await clean(["run", "--rm", "starter", "echo", "y"]), "y\n")),
    again("kept", async () => {
      await clean(["run", "--name", "kept", "starter", "sh", "-c", "exit 5"], 5);
      assertMatch(await clean(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]), /^kept Exited \(5\)/m);
      await clean(["rm", "kept"]);
    }),
    again("forced", async () => {
      const running = mini(["run", "--rm", "--name", "forced", "starter", "sleep", "1000"]);
      await until("it runs", async () => (await clean(["ps", "--format", "{{.Names}}"])).includes("forced"));
      await clean(["rm", "-f", "forced"]);
      assertEquals((await running).status, 137);
    }),
    again("ps", async () => void await clean(["ps", "-a"])),
    again("check", async () => assertMatch(await clean(["system", "check"]), /\nnothing was left behind\n$/)),
  ]);
});
