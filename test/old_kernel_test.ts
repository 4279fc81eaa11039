/**
 * A kernel before Linux 5.12, by a filter that refuses openat2 and the mount calls by descriptor as such a kernel does: every
 * command says so in one sentence, or does not need them; nothing is left behind, and what was there stays as it was.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, type Context, miniTest, type Output, runCommand } from "./harness.ts";

const MOUNT_CALLS = ["open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "mount_setattr"];
const CALLS = ["openat2", ...MOUNT_CALLS];
const LAUNCHER = new URL("./without_calls.ts", import.meta.url).pathname;

/** Runs mini where there are no such calls. */
const without = ({ command }: Context, calls: readonly string[], args: readonly string[]): Promise<Output> =>
  runCommand([Deno.execPath(), "run", "-A", "--no-check", "--quiet", LAUNCHER, calls.join(","), ...command, ...args]);

miniTest("on a kernel before 5.12 no container is run, and one sentence tells why", async (context) => {
  const { mini } = context;
  assertEquals((await mini(["run", "--rm", "starter", "true"])).status, 0);
  const tries = [CALLS, ...CALLS.map((call) => [call])];
  for (const calls of tries) {
    const refused = await without(context, calls, ["run", "--rm", "starter", "true"]);
    assertRefused(refused, 125, "Linux 5.12");
  }
  assertRefused(
    await without(context, CALLS, ["run", "--name", "kept", "-d", "starter", "sleep", "9"]),
    125,
    "Linux 5.12",
  );
  await mini(["rm", "-f", "kept"]);
  assertEquals((await mini(["ps", "-aq"])).stdout, "");
});

miniTest("on a kernel before 5.12 every other command works, or says what it lacks", async (context) => {
  const { mini, folder } = context;
  for (
    const args of [
      ["run", "-d", "--name", "web", "starter", "sleep", "60"],
      ["create", "--name", "made", "starter", "true"],
      ["volume", "create", "data"],
    ]
  ) assertEquals((await mini(args)).status, 0);
  Deno.writeTextFileSync(`${folder}/file`, "x");
  const need = [
    ["exec", "web", "true"],
    ["start", "made"],
    ["cp", `${folder}/file`, "web:/tmp/x"],
    ["cp", "made:/etc/passwd", folder],
    ["run", "--rm", "-v", "data:/etc", "starter", "true"],
    ["run", "--rm", "-it", "starter", "true"],
    ["export", "-o", `${folder}/out.tar`, "made"],
    ["commit", "made", "mine"],
    ["diff", "made"],
    ["save", "-o", `${folder}/saved.tar`, "starter"],
  ];
  for (const args of need) {
    const output = await without(context, CALLS, args);
    if (output.status === 0) continue;
    assertMatch(output.stderr, /^mini: [^\n]+[^.\n]\n$/, args.join(" "));
    assert(!output.stderr.includes("internal error"), output.stderr);
    assertStringIncludes(output.stderr, "5.12", args.join(" "));
  }
  for (
    const args of [["ps", "-a"], ["images"], ["logs", "web"], ["inspect", "web"], ["volume", "ls"], [
      "top",
      "web",
    ]]
  ) {
    const output = await without(context, CALLS, args);
    assertEquals([output.status, output.stderr], [0, ""], args.join(" "));
  }
  const check = await without(context, CALLS, ["system", "check"]);
  assertEquals([check.status, check.stderr], [1, ""]);
  assertMatch(
    check.stdout,
    /^system calls +missing +openat2, open_tree, move_mount, fsopen, fsconfig, fsmount, mount_setattr:/m,
  );
  // What runs was not harmed.
  assertEquals((await mini(["exec", "web", "echo", "well"])).stdout, "well\n");
  for (const args of [["rm", "-f", "web", "made"], ["volume", "rm", "data"]]) {
    assertEquals((await mini(args)).status, 0);
  }
});
