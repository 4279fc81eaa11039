/**
 * A kernel before Linux 5.12, by a filter that refuses openat2 and the mount calls by descriptor as such a kernel does, or as a
 * filter that is older than they are: everything works without them but what has no other way, which is refused in one sentence.
 * Most of the other integration tests run once more like that (tools/test_lanes.ts).
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MOUNT_CALLS } from "../ffi/available.ts";
import { assertRefused, type Context, miniTest, needsNewerCalls, type Output, runCommand } from "./harness.ts";

const CALLS = ["openat2", ...MOUNT_CALLS];
const ALL = CALLS.join(",");
const LAUNCHER = new URL("./without_calls.ts", import.meta.url).pathname;

/** Runs mini where there are no such calls. */
const without = ({ command }: Context, calls: string, args: readonly string[]): Promise<Output> =>
  runCommand([Deno.execPath(), "run", "-A", "--no-check", "--quiet", LAUNCHER, calls, ...command, ...args]);

/**
 * The mounts of a container, as it sees them, without what is different each time, and without whether their file systems as a
 * whole are read-only, which mount(2) makes them.
 */
const MOUNTS = [
  "sh",
  "-c",
  "sed -E 's/^[0-9]+ [0-9]+ [0-9:]+ //; s/[0-9a-f]{64}/ID/g; s/ - ([^ ]+ [^ ]+) r[ow]/ - \\1/' /proc/self/mountinfo",
];

miniTest(
  "a container has the same mounts without each of the newer calls, and without all of them",
  async (context) => {
    const run = ["run", "--rm", "--read-only", "--tmpfs", "/t:size=1m", "starter", ...MOUNTS];
    const { mini } = context;
    assertEquals((await mini(run)).status, 0); // the first one unpacks the image
    const sorted = ({ status, stdout, stderr }: Output) => ({ status, stderr, mounts: stdout.split("\n").sort() });
    const usual = sorted(await mini(run));
    for (const calls of [ALL, `${ALL}:EPERM`, ...CALLS, MOUNT_CALLS.join(",")]) {
      assertEquals(sorted(await without(context, calls, run)), usual, calls);
    }
    assertEquals((await mini(["ps", "-aq"])).stdout, "");
  },
  [needsNewerCalls()],
);

miniTest("what was made by all calls goes on without the newer ones, and the reverse", async (context) => {
  const { mini, folder } = context, old = (...args: string[]) => without(context, ALL, args);
  const usual = (...args: string[]) => mini(args);
  Deno.writeTextFileSync(`${folder}/file`, "x");
  assertEquals((await mini(["volume", "create", "data"])).status, 0);
  for (const [name, make, use] of [["one", usual, old], ["two", old, usual]] as const) {
    const made = await make("run", "-d", "--name", name, "-v", "data:/data", "starter", "sleep", "1000");
    assertEquals([made.status, made.stderr], [0, ""]);
    assertEquals(await use("exec", "-w", "/tmp", name, "pwd"), { status: 0, stdout: "/tmp\n", stderr: "" });
    for (
      const args of [
        ["cp", "-q", `${folder}/file`, `${name}:/data/${name}`],
        ["cp", "-q", `${name}:/etc/passwd`, `${folder}/${name}`],
        ["restart", "-t", "0", name],
        ["stop", "-t", "0", name],
        ["cp", "-q", `${name}:/data/${name}`, `${folder}/${name}-stopped`],
        ["start", name],
        ["export", "-o", `${folder}/${name}.tar`, name],
        ["commit", name, `image-${name}`],
        ["diff", name],
        ["rm", "-f", name],
      ]
    ) {
      const { status, stderr } = await use(...args);
      assertEquals([status, stderr], [0, ""], args.join(" "));
    }
    assertEquals(Deno.readTextFileSync(`${folder}/${name}-stopped`), "x");
  }
  assertEquals((await mini(["volume", "rm", "data"])).status, 0);
}, [needsNewerCalls()]);

miniTest(
  "what cannot be done without the newer calls is refused in one sentence, and nothing is left of it",
  async (context) => {
    const { mini } = context, old = (...args: string[]) => without(context, ALL, args);
    assertEquals(
      (await mini(["run", "-d", "--name", "web", "--ipc", "shareable", "starter", "sleep", "1000"])).status,
      0,
    );
    assertRefused(await old("run", "--rm", "--userns", "auto", "starter", "true"), 125, "mount_setattr", "5.12");
    assertRefused(
      await old("run", "--rm", "--userns", "auto", "-v", `${context.folder}:/d:idmap`, "starter", "true"),
      125,
      "mount_setattr",
    );
    assertRefused(await old("run", "--rm", "--ipc", "container:web", "starter", "true"), 125, "open_tree", "5.2");
    assertEquals((await mini(["ps", "-aq"])).stdout.split("\n").length, 2);
    await mini(["rm", "-f", "web"]);
  },
  [needsNewerCalls()],
);

miniTest("system check tells which calls are missing, and what that means", async (context) => {
  const check = (calls: string) => without(context, calls, ["system", "check"]);
  const limited = await check(ALL);
  assertEquals([limited.status, limited.stderr], [0, ""]);
  assertMatch(limited.stdout, new RegExp(`^system calls +limited +${CALLS.join(", ")}: .*name by name.*--userns`, "m"));
  const unfit = await check("openat2,close_range");
  assertEquals([unfit.status, unfit.stderr], [1, ""]);
  assertMatch(unfit.stdout, /^system calls +missing +close_range: /m);
  assertStringIncludes((await check("clone3")).stdout, "clone3");
}, [needsNewerCalls()]);
