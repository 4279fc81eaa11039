/** `mini top`: the processes of a container, with the numbers and names that the host has for them. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";

miniTest("top shows the processes of a container alone, in the columns that are asked for", async ({ mini, start }) => {
  await mini(["run", "-d", "--name", "web", "starter", "sh", "-c", "sleep 1000 & sleep 2000; true"]);
  const top = async (...options: string[]) => {
    const { stdout, stderr } = await mini(["top", "web", ...options]);
    assertEquals(stderr, "");
    return stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  };
  await until("three processes", async () => (await top()).length === 4);
  const [heading, first] = await top();
  assertEquals(heading, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  const pid = (await mini(["inspect", "-f", "{{.State.Pid}}", "web"])).stdout.trim();
  assertEquals([first![0], first![1], first![7]], ["root", pid, "sh -c sleep 1000 & sleep 2000; true"]);
  assertMatch(first![6]!, /^\d\d:\d\d:\d\d$/);
  assertEquals((await top("-o", "args")).map(([args]) => args).sort(), [
    "COMMAND",
    "sh -c sleep 1000 & sleep 2000; true",
    "sleep 1000",
    "sleep 2000",
  ]);
  assertEquals((await top("aux"))[0]!.at(-1), "COMMAND");
  // A program that was started in it later belongs to it as well.
  start(["exec", "web", "sleep", "3000"]);
  await until("a process of exec", async () => {
    return (await top("-eo", "ppid,comm,args")).some((row) => row[2] === "sleep 3000");
  });
  assertRefused(await mini(["top", "web", "-C", "sh"]), 1, "the option -C of ps is not known here");
  assertRefused(await mini(["top", "nothing"]), 1, "No such container: nothing");
  await mini(["stop", "-t", "0", "web"]);
  assertRefused(await mini(["top", "web"]), 1, "container web is not running", "mini ps");
  await mini(["rm", "web"]);
});
