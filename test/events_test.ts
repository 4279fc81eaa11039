/** `mini events`: what commands tell of what they did, and who hears it. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";

interface Told {
  status: string;
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  time: number;
  timeNano: number;
}

miniTest("events tells what was done to images, filtered and formatted", async ({ mini, folder }) => {
  await mini(["run", "--rm", "starter", "true"]);
  await mini(["tag", "starter", "mine:1"]);
  await mini(["save", "-o", `${folder}/mine.tar`, "mine:1"]);
  await mini(["rmi", "mine:1"]);
  await mini(["load", "-i", `${folder}/mine.tar`]);
  await mini(["image", "prune", "-f"]);
  const list = async (...flags: string[]) =>
    (await mini(["events", "--since", "1h", "--until", "0s", "-f", "type=image", ...flags])).stdout;
  const json = (await list("--format", "json")).trim().split("\n").map((line) => JSON.parse(line) as Told);
  assertEquals(json.map((event) => event.Action), ["tag", "save", "untag", "load", "prune"]);
  const [tag, , untag, , prune] = json;
  assertMatch(tag!.Actor.ID, /^sha256:[0-9a-f]{64}$/);
  assertEquals([tag!.Actor.Attributes["name"], tag!.status, tag!.Type], ["mine:1", "tag", "image"]);
  assertEquals(untag!.Actor.ID, tag!.Actor.ID);
  assertEquals(prune!.Actor, { ID: "", Attributes: { reclaimed: "0" } });
  assertEquals(
    await list(
      "-f",
      "event=tag",
      "--format",
      "{{.Type}} {{.Action}} {{.Status}} {{.Actor.Attributes.name}} {{.Actor.Attributes.no}}",
    ),
    "image tag tag mine:1 <no value>\n",
  );
  assertMatch(await list("-f", "event=tag"), /^\d{4}-.*\.\d{9}\S+ image tag sha256:[0-9a-f]{64} \(name=mine:1\)\n$/);
  assertEquals(await list("-f", "image=mine", "--format", "{{.Action}}"), "tag\nuntag\n");
  assertEquals(await list("-f", "container=web"), "");
  assertRefused(await mini(["events", "--since", "soon"]), 1, "--since is a time such as", "'soon'");
  assertRefused(await mini(["events", "-f", "colour=red"]), 1, "there is no filter 'colour'", "volume");
});

miniTest(
  "events tells what happens while somebody listens, and nothing of what was before",
  async ({ mini, start }) => {
    await mini(["run", "--rm", "starter", "true"]);
    await mini(["tag", "starter", "before"]);
    const listening = start(["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"]);
    // It says nothing until something happens: tell it things until it does.
    await until("the first event", async () => {
      await mini(["tag", "starter", "first"]);
      return listening.stdout() !== "";
    });
    await mini(["rmi", "first"]);
    await until("the last event", () => listening.stdout().endsWith("untag first:latest\n"));
    assertMatch(listening.stdout(), /^(tag first:latest\n)+untag first:latest\n$/);
    listening.kill("SIGINT");
    assertEquals((await listening.output).status, 130);
  },
);

miniTest("events tells the life of a container, in the foreground and in the background", async ({ mini }) => {
  const actions = async (name: string, format = "{{.Action}}") => {
    const list = ["events", "--since", "1h", "--until", "0s", "-f", `container=${name}`, "--format", format];
    return (await mini(list)).stdout.trim().split("\n");
  };
  await mini(["run", "--rm", "--name", "gone", "-l", "tier=front", "starter", "sh", "-c", "exit 3"]);
  assertEquals(await actions("gone"), ["create", "start", "die", "destroy"]);
  const one =
    "{{.Type}} {{.From}} {{.Actor.Attributes.exitCode}} {{.Actor.Attributes.tier}} {{.Actor.Attributes.image}}";
  assertEquals((await actions("gone", one))[2], "container starter 3 front starter");
  await mini(["run", "--name", "kept", "starter", "nothing-like-that"]);
  assertEquals(await actions("kept", "{{.Action}} {{.Actor.Attributes.exitCode}}"), [
    "create <no value>",
    "start <no value>",
    "die 127",
  ]);
  await mini(["rm", "kept"]);

  await mini(["run", "-d", "--name", "back", "starter", "sleep", "1000"]);
  await mini(["exec", "back", "true"]);
  await mini(["kill", "-s", "CONT", "back"]);
  await mini(["stop", "-t", "0", "back"]);
  await mini(["start", "back"]);
  await mini(["rm", "-f", "back"]);
  assertEquals(await actions("back"), [
    "create",
    "start",
    "exec_create: true",
    "exec_start: true",
    "exec_die",
    "kill",
    "kill",
    "die",
    "stop",
    "start",
    "kill",
    "die",
    "destroy",
  ]);
  const signals = "{{.Action}} {{.Actor.Attributes.signal}} {{.Actor.Attributes.exitCode}}";
  const ends = (await actions("back", signals)).filter((line) => /^(kill|die)/.test(line));
  assertEquals(ends, [
    "kill 18 <no value>",
    "kill 15 <no value>",
    "die <no value> 137",
    "kill 9 <no value>",
    "die <no value> 137",
  ]);
});
