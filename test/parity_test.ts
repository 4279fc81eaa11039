/** Command lines as they are written for Docker: other spellings, flags that scripts use, and what they expect of them. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";
import { logsTest, ok } from "./logs_harness.ts";

miniTest("other spellings of commands and flags", async ({ mini }) => {
  assertEquals(ok(await mini(["container", "run", "--rm", "--net", "none", "starter", "echo", "hi"])), "hi\n");
  const names = ["run", "--rm", "--net=none", "--dns-opt", "ndots:7", "starter", "cat", "/etc/resolv.conf"];
  assertMatch(ok(await mini(names)), /ndots:7/);
  ok(await mini(["rmi", "--no-prune", "-f", "starter"]));
});

logsTest("-a connects only some streams, and the log has all of them", async ({ mini }) => {
  const run = (name: string, ...flags: string[]) =>
    mini(["run", "-i", "--name", name, ...flags, "starter", "sh", "-c", "cat; echo out; echo bad >&2; exit 3"], {
      stdin: "in\n",
    });
  for (const extra of [[], ["--restart=on-failure:0"]]) {
    const out = await run("one", "-a", "stdin", "-a", "STDOUT");
    assertEquals([out.status, out.stdout, out.stderr], [3, "in\nout\n", ""]);
    ok(await mini(["rm", "one"]));
    const bad = await run("two", "--attach=stderr", "-a", "stdin", ...extra);
    assertEquals([bad.status, bad.stdout, bad.stderr], [3, "", "bad\n"]);
    const logs = await mini(["logs", "two"]);
    assertEquals([logs.stdout.slice(0, 7), logs.stderr.slice(0, 4)], ["in\nout\n", "bad\n"]);
    ok(await mini(["rm", "-f", "two"]));
  }
  const quiet = await mini(["run", "--rm", "-i", "-a", "stdout", "starter", "cat"], { stdin: "not read\n" });
  assertEquals([quiet.status, quiet.stdout], [0, ""]);
  assertRefused(await mini(["run", "-a", "stdin", "-d", "starter", "true"]), 125, "Conflicting options: -a and -d");
  assertRefused(await mini(["run", "-a", "nothing", "starter", "true"]), 125, "stdin, stdout or stderr");
  assertRefused(await mini(["run", "-t", "-a", "stderr", "starter", "true"]), 125, "a terminal shows all");
});

miniTest("--label-file, --domainname", async ({ mini, inside, folder }) => {
  Deno.writeTextFileSync(`${folder}/labels`, "# some\n\none=1\r\ntwo\nthree=a=b\n");
  const flags = ["--label-file", `${folder}/labels`, "-l", "one=2", "--domainname", "example.org"];
  ok(await mini(["create", "--name", "web", ...flags, "starter", "true"]));
  const inspected = ok(await mini(["inspect", "-f", "{{json .Config.Labels}} {{.Config.Domainname}}", "web"]));
  assertEquals(inspected, '{"one":"2","three":"a=b","two":""} example.org\n');
  ok(await mini(["rm", "web"]));
  assertEquals(await inside("cat /proc/sys/kernel/domainname", "--domainname", "example.org"), "example.org\n");
  Deno.writeTextFileSync(`${folder}/labels`, "one=1\n=2\n");
  assertRefused(await mini(["run", "--label-file", `${folder}/labels`, "starter", "true"]), 125, "line 2");
  assertRefused(await mini(["run", "--label-file", `${folder}/none`, "starter", "true"]), 125, "--label-file");
  const host = ["run", "--uts", "host", "--domainname", "x", "starter", "true"];
  assertRefused(await mini(host), 125, "--domainname does not go together with --uts host");
});

logsTest("--stop-timeout, and stop -t -1", async ({ mini, start }) => {
  const script = "trap 'touch /asked' TERM; echo up; until [ -e /end ]; do sleep 0.05; done; exit 4";
  const flags = ["--stop-timeout", "0", "starter", "sh", "-c", script];
  ok(await mini(["run", "-d", "--name", "web", ...flags]));
  assertEquals(ok(await mini(["inspect", "-f", "{{.Config.StopTimeout}}", "web"])), "0\n");
  ok(await mini(["stop", "web"]));
  assertEquals(ok(await mini(["wait", "web"])), "137\n");
  ok(await mini(["start", "web"]));
  await until("it is up", async () => ok(await mini(["logs", "web"])) === "up\nup\n");
  const stopping = start(["stop", "--timeout", "-1", "web"]);
  await until("it was asked", async () => (await mini(["exec", "web", "test", "-e", "/asked"])).status === 0);
  ok(await mini(["exec", "web", "touch", "/end"]));
  assertEquals([(await stopping.output).stdout, ok(await mini(["wait", "web"]))], ["web\n", "4\n"]);
});

logsTest("system df -v shows each image, container and volume", async ({ mini }) => {
  ok(await mini(["run", "--name", "one", "-v", "data:/d", "-v", "/own", "starter", "sh", "-c", "echo hello > /x"]));
  ok(await mini(["commit", "one", "other"]));
  const lines = ok(await mini(["system", "df", "-v"])).split("\n");
  const after = (title: string, count: number) => {
    const at = lines.indexOf(title);
    return lines.slice(at + 2, at + 3 + count);
  };
  const [headings, ...images] = after("Images space usage:", 2);
  assertMatch(headings!, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE +SHARED SIZE +UNIQUE SIZE +CONTAINERS$/);
  const cells = images.map((line) => line.split(/ {2,}/)).sort();
  const [starter, other] = cells[0]![0]!.endsWith("starter") ? cells : cells.toReversed();
  assertEquals([starter![5], starter![6], starter![7]], [other![5], "0B", "1"]); // all of it is shared
  assertEquals(other!.slice(6), ["6B", "0"]);
  const [names, one] = after("Containers space usage:", 1);
  assertMatch(names!, /^CONTAINER ID +IMAGE +COMMAND +LOCAL VOLUMES +SIZE +CREATED +STATUS +NAMES$/);
  assertMatch(one!, /^[0-9a-f]{12} +starter +"sh -c 'echo hello >…" +2 +6B .* Exited \(0\) .* one$/);
  const [, ...volumes] = after("Local Volumes space usage:", 2);
  assertMatch(volumes.find((line) => line.startsWith("data"))!, /^data +1 +[\d.]+k?B$/);
  const text = ok(await mini(["system", "df", "-v", "--format", "json"])), all = JSON.parse(text);
  assertEquals(Object.keys(all), ["Images", "Containers", "Volumes", "BuildCache"]);
  assertEquals([all.Images.length, all.Containers[0].Names, all.Containers[0].Size], [2, "one", "6B"]);
  assertEquals(all.Volumes.find(({ Name }: { Name: string }) => Name === "data").Links, "1");
  const format = "{{range .Volumes}}{{.Links}}{{end}} {{len .Images}}";
  assertEquals(ok(await mini(["system", "df", "--verbose", "--format", format])), "11 2\n");
  const image = JSON.parse(ok(await mini(["images", "--format", "json", "other"])));
  assertMatch(image.CreatedAt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \S+$/);
  assertEquals([image.VirtualSize, image.SharedSize], [image.Size, "N/A"]);
  ok(await mini(["rm", "-v", "one"]));
  ok(await mini(["volume", "rm", "data"]));
  ok(await mini(["rmi", "other"]));
});
