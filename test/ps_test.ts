/** `mini ps`: which containers are listed, and what is told of them. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest } from "./harness.ts";

miniTest("ps lists what matches, by every key that Docker knows", async ({ mini, folder }) => {
  const make = (name: string, script: string, ...flags: string[]) =>
    mini(["run", "--name", name, ...flags, "starter", "sh", "-c", script]);
  await make("first", "true", "--label", "tier=front");
  await mini(["tag", "starter", "other"]);
  await make("second", "exit 3", "--label", "tier=back", "--label", "old", "-v", `${folder}:/data`);
  await make("third", "true", "--tmpfs", "/scratch");
  const names = async (...filters: string[]) => {
    const { stdout, stderr } = await mini(["ps", "-a", "--format", "{{.Names}}", ...filters.flatMap((f) => ["-f", f])]);
    return stderr || stdout.trim().split("\n").join(" ");
  };
  const id = (await mini(["ps", "-aq", "--no-trunc", "-f", "name=second"])).stdout.trim();
  const expected: [string[], string][] = [
    [[], "third second first"],
    [["name=ir"], "third first"],
    [["name=^/?second$"], "second"],
    [[`id=${id.slice(0, 12)}`], "second"],
    [["label=tier"], "second first"],
    [["label=tier=back", "label=old"], "second"],
    [["label!=tier=back"], "third first"],
    [["exited=3"], "second"],
    [["exited=0", "exited=3"], "third second first"],
    [["status=exited"], "third second first"],
    [["status=running"], ""],
    [["ancestor=starter"], "third second first"],
    [["ancestor=localhost/starter:latest"], "third second first"],
    [["ancestor=nothing"], ""],
    [["before=second"], "first"],
    [["since=second"], "third"],
    [[`since=${id.slice(0, 8)}`], "third"],
    [["volume=/data"], "second"],
    [[`volume=${folder}`], "second"],
    [["volume=/scratch"], "third"],
    [["network=none"], "third second first"],
    [["network=other"], ""],
    [["health=none", "name=first"], "first"],
    [["health=healthy"], ""],
  ];
  for (const [filters, list] of expected) assertEquals(await names(...filters), list, filters.join(" "));
  // Asking for what does not run needs no --all.
  const quiet = async (...flags: string[]) => (await mini(["ps", "-q", ...flags])).stdout.trim().split("\n").length;
  assertEquals([await quiet("-l"), await quiet("-n", "2"), await quiet("-f", "exited=3")], [1, 2, 1]);
  assertEquals((await mini(["ps", "-q"])).stdout, "");

  for (
    const [filter, ...words] of [
      ["status=up", "created, restarting"],
      ["exited=soon", "exit status"],
      ["before=nothing", "No such container: nothing"],
      ["isolation=process", "Windows"],
      ["is-task=true", "Swarm"],
      ["staus=exited", "did you mean 'status'?"],
    ] as const
  ) assertRefused(await mini(["ps", "-f", filter]), 1, ...words);

  const one = JSON.parse((await mini(["ps", "-f", "name=second", "-a", "--format", "json"])).stdout);
  assertEquals({ ...one, RunningFor: "", Status: "", CreatedAt: "" }, {
    Command: "\"sh -c 'exit 3'\"",
    CreatedAt: "",
    ID: id.slice(0, 12),
    Image: "starter",
    Labels: "old=,tier=back",
    LocalVolumes: "0",
    Mounts: `${folder.slice(0, 14)}…`,
    Names: "second",
    Networks: "none",
    Ports: "",
    RunningFor: "",
    Size: one.Size,
    State: "exited",
    Status: "",
  });
  assertMatch(one.Size, /^\d+B \(virtual [\d.]+MB\)$/);
  assertMatch(one.CreatedAt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \S+$/);
  assertMatch(one.Status, /^Exited \(3\) .* ago$/);
  const label = await mini(["ps", "-a", "--format", 'table {{.Names}}\t{{.Label "tier"}}', "-f", "label=tier"]);
  assertEquals(label.stdout, "NAMES     tier\nsecond    back\nfirst     front\n");

  // What everybody types to get rid of all of them.
  const all = (await mini(["ps", "-aq"])).stdout.trim().split("\n");
  assertEquals((await mini(["rm", "-f", ...all])).status, 0);
});

miniTest("one that was made to be removed at its end is there until then", async ({ mini }) => {
  await mini(["create", "--rm", "--name", "later", "starter", "true"]);
  const names = async () => (await mini(["ps", "-a", "--format", "{{.Names}} {{.State}}"])).stdout;
  assertEquals([await names(), await names()], ["later created\n", "later created\n"]);
  assertEquals((await mini(["start", "-a", "later"])).status, 0);
  assertEquals(await names(), "");
});

miniTest("ps --size counts what a container has written, and its image", async ({ mini }) => {
  await mini(["run", "--name", "big", "starter", "sh", "-c", "head -c 5000 /dev/zero > /file; ln /file /again"]);
  const { stdout } = await mini(["ps", "-as"]);
  const [heading, line] = stdout.split("\n");
  assertMatch(heading!, /NAMES +SIZE$/);
  assertMatch(line!, /big +5kB \(virtual [\d.]+MB\)$/);
  await mini(["rm", "big"]);
});
