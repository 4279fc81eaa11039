/** `mini rename`, `mini wait` and `mini container prune`. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";

miniTest("rename gives another name, and the old one is free", async ({ mini, start, root }) => {
  await mini(["run", "-d", "--name", "web", "starter", "sleep", "1000"]);
  await mini(["create", "--name", "db", "starter", "true"]);
  assertEquals(await mini(["rename", "web", "old"]), { status: 0, stdout: "", stderr: "" });
  assertRefused(await mini(["inspect", "--type", "container", "-f", "{{.Name}}", "web"]), 1, "No such container: web");
  assertEquals((await mini(["inspect", "-f", "{{.Name}}", "old"])).stdout, "/old\n");
  assertRefused(await mini(["rename", "old", "db"]), 1, "the name db is already in use");
  assertRefused(await mini(["rename", "old", "old"]), 1, "has that name already");
  assertRefused(await mini(["rename", "old", "no/name"]), 1, "is not a name for a container");
  assertRefused(await mini(["rename", "web", "new"]), 1, "No such container: web");
  assertEquals((await mini(["ps", "-a", "--format", "{{.Names}}"])).stdout, "db\nold\n");
  await mini(["create", "--name", "web", "starter", "true"]);
  // A link that a killed command left goes with the next look.
  Deno.symlinkSync(Deno.readLinkSync(`${root}/names/db`), `${root}/names/half`);
  await mini(["ps"]);
  assertEquals([...Deno.readDirSync(`${root}/names`)].map(({ name }) => name).sort(), ["db", "old", "web"]);

  // One that is removed at its end leaves neither of its names.
  const running = start(["run", "--rm", "--name", "first", "starter", "sleep", "1000"]);
  await until("it runs", async () => (await mini(["ps", "-qf", "name=first"])).stdout !== "");
  await mini(["rename", "first", "second"]);
  await mini(["kill", "second"]);
  await running.output;
  assertEquals([...Deno.readDirSync(`${root}/names`)].map(({ name }) => name).sort(), ["db", "old", "web"]);
  assertEquals(
    (await mini([
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "-f",
      "event=rename",
      "--format",
      "{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}",
    ])).stdout,
    "web old\nfirst second\n",
  );
  await mini(["rm", "-f", "web", "old", "db"]);
});

/** Whether a command has opened what it is woken by: a process, or a folder. */
function hasBegunToWait(pid: number): boolean {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).some(({ name }) => {
    try {
      return /pidfd|inotify/.test(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      return false; // closed just now
    }
  });
}

miniTest("wait prints how containers end, whoever runs them", async ({ mini, start }) => {
  await mini(["run", "--name", "ended", "starter", "sh", "-c", "exit 3"]);
  await mini(["create", "--name", "made", "starter", "true"]);
  assertEquals((await mini(["wait", "ended", "made"])).stdout, "3\n0\n");
  const script = "while [ ! -e /end ]; do sleep 0.02; done; exit $(cat /end)";
  const run = async (name: string, ...flags: string[]) => {
    const front = start(["run", "--name", name, ...flags, "starter", "sh", "-c", script]);
    await until(`${name} runs`, async () => (await mini(["ps", "-qf", `name=^${name}$`])).stdout !== "");
    return front;
  };
  const end = (name: string, status: number) =>
    mini(["exec", name, "sh", "-c", `echo ${status} > /end.new; mv /end.new /end`]);
  const statuses = ["front", "front-rm", "back", "back-rm"].map((name, i) => [name, i + 4] as const);
  for (const [name, status] of statuses) {
    const flags = [...name.startsWith("back") ? ["-d"] : [], ...name.endsWith("rm") ? ["--rm"] : []];
    await run(name, ...flags);
    const waiting = start(["wait", name]), removed = start(["wait", "--condition", "removed", name]);
    const next = start(["wait", "--condition", "next-exit", name]);
    for (const { pid } of [waiting, removed, next]) await until("it waits", () => hasBegunToWait(pid));
    assertEquals([waiting.stdout(), next.stdout(), removed.stdout()], ["", "", ""]);
    await end(name, status);
    assertEquals(await waiting.output, { status: 0, stdout: `${status}\n`, stderr: "" }, name);
    assertEquals((await next.output).stdout, `${status}\n`, name);
    if (!name.endsWith("rm")) await mini(["rm", name]);
    assertEquals((await removed.output).stdout, `${status}\n`, name);
  }
  const mixed = await mini(["wait", "nothing", "ended"]);
  assertEquals([mixed.status, mixed.stdout], [1, "3\n"]);
  assertMatch(mixed.stderr, /^mini: No such container: nothing/);
  await mini(["rm", "ended", "made"]);
});

miniTest("container prune removes what does not run, and asks before", async ({ mini }) => {
  await mini(["run", "--name", "ended", "-l", "keep", "starter", "true"]);
  await mini(["create", "--name", "made", "starter", "true"]);
  await mini(["run", "-d", "--name", "runs", "starter", "sleep", "1000"]);
  const names = async () => (await mini(["ps", "-a", "--format", "{{.Names}}"])).stdout.trim().split("\n");
  const asked = await mini(["container", "prune"], { stdin: "n\n" });
  assertEquals([asked.status, await names()], [0, ["runs", "made", "ended"]]);
  assertMatch(asked.stdout, /^WARNING! .*\[y\/N\] $/s);
  assertRefused(
    await mini(["container", "prune", "-f", "--filter", "name=x"]),
    1,
    "there is no filter 'name'",
    "until",
  );
  await mini(["container", "prune", "-f", "--filter", "until=1h"]);
  assertEquals(await names(), ["runs", "made", "ended"]);
  const id = (await mini(["ps", "-aq", "--no-trunc", "-f", "name=made"])).stdout.trim();
  const some = await mini(["container", "prune", "-f", "--filter", "label!=keep"]);
  assertMatch(some.stdout, new RegExp(`^Deleted Containers:\n${id}\n\nTotal reclaimed space: [\\d.]+[kM]?B\n$`));
  assertEquals(await names(), ["runs", "ended"]);
  await mini(["container", "prune"], { stdin: "y\n" });
  assertEquals(await names(), ["runs"]);
  await mini(["rm", "-f", "runs"]);
});
