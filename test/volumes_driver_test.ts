/** Volumes with options: folders of the host, memory, file systems of their own. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hasDetachedMounts } from "../ffi/available.ts";
import { assertRefused, type Context, miniTest, needsProgram, until } from "./harness.ts";
import { runTool } from "./images_fixtures.ts";

const hostMounts = (folder: string) =>
  Deno.readTextFileSync("/proc/self/mountinfo").split("\n").filter((line) => line.includes(folder));

async function create({ mini }: Context, name: string, ...options: string[]): Promise<void> {
  const { status, stderr } = await mini(["volume", "create", ...options.flatMap((o) => ["-o", o]), name]);
  assertEquals([status, stderr], [0, ""]);
}

miniTest("a volume may stand for a folder of the host", async (context) => {
  const { mini, inside, folder } = context, host = `${folder}/host`;
  Deno.mkdirSync(`${host}/below`, { recursive: true });
  await create(context, "plain", "type=none", "o=bind", `device=${host}`);
  await create(context, "less", "type=none", "o=bind,ro,nosuid", `device=${host}`);
  await create(context, "gone", "type=none", "o=bind", `device=${folder}/nosuch`);
  await inside("echo x > /d/x", "-v", "plain:/d", "-v", "less:/e");
  assertEquals(Deno.readTextFileSync(`${host}/x`), "x\n");
  assertMatch(
    await inside("(echo y > /d/x) 2>&1; cat /d/x; grep ' /d ' /proc/self/mountinfo", "-v", "less:/d"),
    /^sh: can't create \/d\/x: Read-only file system\nx\n.* \/d ro,nosuid,/,
  );
  // What a container asks for comes on top of it.
  assertEquals(
    await inside("(echo y > /d/x) 2>&1; true", "-v", "plain:/d:ro"),
    "sh: can't create /d/x: Read-only file system\n",
  );
  assertEquals(
    await inside(
      "cat /d/x",
      "--mount",
      `src=made,dst=/d,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=${host}`,
    ),
    "x\n",
  );
  assertEquals(
    await inside("touch /s/y; ls /d/below", "-v", "plain:/d", "--mount", "src=plain,dst=/s,volume-subpath=below"),
    "y\n",
  );
  assertRefused(
    await mini(["run", "--rm", "-v", "gone:/d", "starter", "true"]),
    125,
    `${folder}/nosuch`,
    "volume gone",
  );
  assertRefused(await mini(["volume", "create", "-o", "type=tmpfs", "-o", "device=x", "plain"]), 1, "other options");
  // The folder is not the volume's to remove.
  await mini(["volume", "rm", "plain", "less", "gone", "made"]);
  assertEquals(Deno.readTextFileSync(`${host}/x`), "x\n");
  assertEquals(hostMounts(folder), []);
});

miniTest("an empty folder of the host is filled from the image as any other volume", async (context) => {
  const { mini, inside, folder } = context;
  Deno.mkdirSync(`${folder}/host`);
  await create(context, "data", "type=none", "o=bind", `device=${folder}/host`);
  await inside("test -s /etc/passwd", "-v", "data:/etc");
  assert([...Deno.readDirSync(`${folder}/host`)].some(({ name }) => name === "passwd"));
  assert([...Deno.readDirSync(`${folder}/host`)].every(({ name }) => !name.startsWith(".mini")));
  await mini(["volume", "rm", "data"]);
});

miniTest("a volume in memory is shared as long as a container that uses it runs", async (context) => {
  const { mini, inside, folder, start } = context;
  await create(context, "mem", "type=tmpfs", "device=tmpfs", "o=size=1m,mode=1750");
  assertMatch(
    await inside("stat -c %a /m; grep ' /m ' /proc/self/mountinfo", "-v", "mem:/m"),
    /^1750\n.* \/m rw,relatime - tmpfs tmpfs rw,size=1024k,mode=1750\n$/,
  );
  assertEquals(hostMounts(folder), []);
  assertEquals((await mini(["run", "-d", "--name", "one", "-v", "mem:/m", "starter", "sleep", "1000"])).status, 0);
  await inside("echo shared > /m/x", "-v", "mem:/m");
  assertEquals(await inside("cat /m/x", "-v", "mem:/m:ro"), "shared\n");
  const full = await mini([
    "run",
    "--rm",
    "-v",
    "mem:/m",
    "starter",
    "sh",
    "-c",
    "head -c 2000000 /dev/zero > /m/y || rm /m/y",
  ]);
  assertMatch(full.stderr, /error|space/);
  assertEquals((await mini(["exec", "one", "cat", "/m/x"])).stdout, "shared\n");
  await mini(["rm", "-f", "one"]);
  assertEquals(hostMounts(folder), []);
  assertEquals(await inside("ls -A /m", "-v", "mem:/m"), "");
  // Killed, the command leaves a mount that the next one finds.
  const running = start(["run", "--rm", "-v", "mem:/m", "starter", "sh", "-c", "echo up; sleep 1000"]);
  await until("it runs", () => running.stdout() === "up\n");
  assertEquals(hostMounts(folder).length, 1);
  running.kill("SIGKILL");
  await running.output;
  await mini(["ps"]);
  assertEquals(hostMounts(folder), []);
  await mini(["volume", "rm", "mem"]);
});

/** A loop device with a new file system of that type. */
async function withLoop(file: string, test: (device: string) => Promise<void>): Promise<void> {
  Deno.writeFileSync(file, new Uint8Array(0));
  Deno.truncateSync(file, 8 << 20);
  await runTool("mkfs.ext4", "-q", file);
  const device = (await runTool("losetup", "--find", "--show", file)).trim();
  try {
    await test(device);
  } finally {
    await runTool("losetup", "--detach", device);
  }
}

const canLoop = (): string | undefined => {
  try {
    Deno.statSync("/dev/loop-control");
    return undefined;
  } catch {
    return "no loop devices here";
  }
};

miniTest("a volume may be a file system of its own, mounted in the containers alone", async (context) => {
  const { mini, inside, folder } = context;
  await withLoop(`${folder}/disk`, async (device) => {
    await create(context, "disk", "type=ext4", `device=${device}`, "o=noatime,nosuid,data=ordered");
    // Filled at first, lost+found or not; the second one finds what the first one wrote.
    assertMatch(
      await inside(
        "echo kept > /etc/x; grep -o ' /etc rw.*' /proc/self/mountinfo; ls -d /etc/lost+found",
        "-v",
        "disk:/etc",
      ),
      /^ \/etc rw,nosuid,noatime - ext4 \/dev\/loop.*\n\/etc\/lost\+found\n$/,
    );
    assertEquals(hostMounts(device), []);
    assertEquals((await mini(["run", "-d", "--name", "one", "-v", "disk:/d", "starter", "sleep", "1000"])).status, 0);
    // Two at once see the same.
    assertEquals(await inside("cat /d/x; test -s /d/passwd; echo more > /d/y", "-v", "disk:/d"), "kept\n");
    assertEquals((await mini(["exec", "one", "cat", "/d/y"])).stdout, "more\n");
    assertEquals(hostMounts(device).length, hasDetachedMounts() ? 0 : 1);
    await mini(["restart", "-t", "0", "one"]);
    assertEquals((await mini(["exec", "one", "cat", "/d/y"])).stdout, "more\n");
    await mini(["rm", "-f", "one"]);
    assertEquals(hostMounts(device), []);
    await inside("mkdir /d/sub; echo deep > /d/sub/x; ln -s / /d/top; ln -s ../../../etc /d/sub/up", "-v", "disk:/d");
    const at = (path: string) => ["--mount", `src=disk,dst=/s,volume-subpath=${path}`];
    assertEquals(await inside("cat /s/x", ...at("sub")), "deep\n");
    // A link to / is one to the top of the volume.
    assertEquals(await inside("cat /s/sub/x", ...at("top")), "deep\n");
    for (const path of ["nosuch", "sub/up", "sub/x/y"]) {
      assertRefused(await mini(["run", "--rm", ...at(path), "starter", "true"]), 125, `no ${path} in the volume disk`);
    }
    await mini(["volume", "rm", "disk"]);
    await create(context, "wrong", "type=xfs", `device=${device}`);
    assertRefused(await mini(["run", "--rm", "-v", "wrong:/d", "starter", "true"]), 125, "volume wrong", "xfs");
    await create(context, "option", "type=ext4", `device=${device}`, "o=nosuchoption=1");
    assertRefused(
      await mini(["run", "--rm", "-v", "option:/d", "starter", "true"]),
      125,
      "volume option",
      "nosuchoption",
    );
    await mini(["volume", "rm", "wrong", "option"]);
  });
}, [canLoop(), needsProgram("mkfs.ext4"), needsProgram("losetup")]);

miniTest("a file system that the kernel does not have, or that is nowhere, is told so", async (context) => {
  const { mini } = context;
  await create(context, "nosuch", "type=nosuchfs", "device=x");
  await create(context, "nowhere", "type=ext4", "device=/no/such/device");
  await create(context, "nohost", "type=tmpfs", "device=x", "o=addr=no.such.host.invalid");
  assertRefused(await mini(["run", "--rm", "-v", "nosuch:/d", "starter", "true"]), 125, "no file system nosuchfs");
  assertRefused(
    await mini(["run", "--rm", "-v", "nowhere:/d", "starter", "true"]),
    125,
    "volume nowhere",
    "/no/such/device",
  );
  assertRefused(await mini(["run", "--rm", "-v", "nohost:/d", "starter", "true"]), 125, "no.such.host.invalid");
  await mini(["volume", "rm", "nosuch", "nowhere", "nohost"]);
});

miniTest("readonly is for what is mounted below as well, unless it is said otherwise", async (context) => {
  const { inside, folder } = context, host = `${folder}/host`;
  Deno.mkdirSync(`${host}/sub`, { recursive: true });
  await runTool("mount", "-t", "tmpfs", "tmpfs", `${host}/sub`);
  try {
    Deno.writeTextFileSync(`${host}/sub/seen`, "");
    const script = "ls /d/sub; for p in /d /d/sub; do touch $p/x 2>/dev/null && echo wrote $p && rm $p/x; done; true";
    const run = (more: string) => inside(script, "--mount", `type=bind,src=${host},dst=/d${more}`);
    assertEquals(await run(""), "seen\nwrote /d\nwrote /d/sub\n");
    assertEquals(await run(",ro"), "seen\n");
    assertEquals(await run(",ro,bind-recursive=readonly,bind-propagation=rprivate"), "seen\n");
    assertEquals(await run(",ro,bind-recursive=writable"), "seen\nwrote /d/sub\n");
    assertEquals(await run(",ro,bind-recursive=disabled"), "");
    assertEquals(await run(",bind-nonrecursive"), "wrote /d\nwrote /d/sub\n");
    assertEquals(await inside(script, "-v", `${host}:/d:ro`), "seen\n");
  } finally {
    await runTool("umount", `${host}/sub`);
  }
});
