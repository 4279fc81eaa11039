/** Volumes as a user meets them: named and anonymous ones, filled from images, shared, kept and removed. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, type Context, miniTest, needsIdmaps, until } from "./harness.ts";

/** `mini …`, which must succeed and say nothing on standard error. Returns what it prints, without the final line end. */
async function ok({ mini }: Pick<Context, "mini">, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await mini(args);
  assertEquals([status, stderr], [0, ""], `mini ${args.join(" ")}`);
  return stdout.replace(/\n$/, "");
}

const volumesOf = async (context: Context, ...flags: string[]) =>
  (await ok(context, "volume", "ls", "-q", ...flags)).split("\n").filter(Boolean);

miniTest("a named volume outlives its containers, and is the same for all of them", async (context) => {
  const { inside } = context;
  await inside("echo one > /data/x", "-v", "data:/data");
  assertEquals(await inside("cat /else/where/x", "-v", "data:/else/where"), "one\n");
  assertEquals(
    await inside("(echo two > /d/x) 2>&1; cat /d/x", "-v", "data:/d:ro"),
    "sh: can't create /d/x: Read-only file system\none\n",
  );
  assertEquals(
    await inside("cat /a/x; echo two > /b/x; cat /a/x", "-v", "data:/a:ro", "--mount", "src=data,dst=/b"),
    "one\ntwo\n",
  );
  assertEquals(await volumesOf(context), ["data"]);
  assertEquals(await ok(context, "volume", "rm", "data"), "data");
  assertEquals(await volumesOf(context), []);
});

miniTest("volume create, ls and inspect have Docker's columns, filters and JSON", async (context) => {
  const { mini, root } = context;
  assertEquals(await ok(context, "volume", "create", "--label", "tier=db", "--label", "old", "data"), "data");
  assertEquals(await ok(context, "volume", "create", "data"), "data");
  const unnamed = await ok(context, "volume", "create");
  assertMatch(unnamed, /^[0-9a-f]{64}$/);
  assertEquals(await ok(context, "volume", "ls", "-f", "name=dat"), "DRIVER    VOLUME NAME\nlocal     data");
  assertEquals(
    await ok(context, "volume", "ls", "--format", "{{.Name}} {{.Labels}} {{.Label `tier`}}", "-f", "label=tier"),
    "data old=,tier=db db",
  );
  assertEquals(JSON.parse(await ok(context, "volume", "ls", "--format", "json", "-f", "label=tier=db")), {
    Availability: "N/A",
    Driver: "local",
    Group: "N/A",
    Labels: "old=,tier=db",
    Links: "N/A",
    Mountpoint: `${root}/volumes/data/data`,
    Name: "data",
    Scope: "local",
    Size: "N/A",
    Status: "N/A",
  });
  assertEquals(await volumesOf(context, "-f", "driver=nfs"), []);
  assertEquals(await volumesOf(context, "-f", "label=tier=web"), []);
  assertEquals(await volumesOf(context, "-f", "label=com.docker.volume.anonymous"), [unnamed]);
  const [{ CreatedAt, ...rest }] = JSON.parse(await ok(context, "volume", "inspect", "data"));
  assertMatch(CreatedAt, /^20\d\d-/);
  assertEquals(rest, {
    Driver: "local",
    Labels: { tier: "db", old: "" },
    Mountpoint: `${root}/volumes/data/data`,
    Name: "data",
    Options: null,
    Scope: "local",
  });
  assertEquals(JSON.parse(await ok(context, "inspect", "data"))[0].Name, "data");
  assertEquals(await ok(context, "volume", "inspect", "-f", "{{.Driver}}", "data"), "local");
  const missing = await mini(["volume", "inspect", "nosuch", "data"]);
  assertEquals([missing.status, JSON.parse(missing.stdout).length], [1, 1]);
  assertStringIncludes(missing.stderr, "No such volume: nosuch");
  assertRefused(await mini(["volume", "ls", "-f", "nosuch=1"]), 1, "dangling");
  assertRefused(await mini(["volume", "ls", "-f", "dangling=maybe"]), 1, "true or false");
  await ok(context, "volume", "rm", "data", unnamed);
});

miniTest("what cannot be a volume is refused, and nothing is made", async (context) => {
  const { mini } = context;
  for (const name of ["a", "../x", "a/b", "", ".hidden", "-x y", "a".repeat(256)]) {
    assertRefused(await mini(["volume", "create", "--", name]), 1, "not a name for a volume");
  }
  assertRefused(await mini(["volume", "create", "-d", "rexray", "data"]), 1, "rexray", "local");
  assertRefused(await mini(["volume", "create", "-o", "nosuch=1", "data"]), 1, "nosuch");
  assertRefused(await mini(["volume", "create", "-o", "type=nfs", "data"]), 1, "device");
  assertRefused(await mini(["volume", "create", "-o", "type", "data"]), 1, "--opt");
  assertRefused(await mini(["volume", "rm", "nosuch"]), 1, "No such volume: nosuch");
  assertRefused(await mini(["volume", "rm", "../containers"]), 1, "not a name");
  assertEquals(await mini(["volume", "rm", "-f", "nosuch"]), { status: 0, stdout: "nosuch\n", stderr: "" });
  const run = (...args: string[]) => mini(["run", "--rm", ...args, "starter", "true"]);
  for (const place of ["/", "/x/..", "/proc", "/x/../proc", "/proc/self", "//proc//sys/"]) {
    assertRefused(await run("-v", `data:${place}`), 125, "nothing can be mounted on");
    assertRefused(await run("-v", place), 125, "nothing can be mounted on");
  }
  assertRefused(await run("-v", "new:/d", "-v", "/d"), 125, "two volumes", "/d");
  assertRefused(await run("-v", "new:/d", "--mount", "src=new,dst=/d/"), 125, "two volumes", "/d");
  assertRefused(await run("-v", "new:/d", "-u", "nosuch"), 125, "nosuch");
  assertRefused(await run("-v", "new:/d", "-v", "/etc/passwd/x"), 125, "/etc/passwd");
  assertRefused(
    await run("-v", "new:/d", "--volumes-from", "nosuch"),
    125,
    "--volumes-from nosuch",
    "No such container",
  );
  assertRefused(await run("--mount", "src=new,dst=/d,volume-subpath=no/such"), 125, "no/such");
  assertRefused(await mini(["run", "--rm", "-v", "new:/d", "starter", "nosuchprogram"]), 127, "nosuchprogram");
  assertEquals(await volumesOf(context), []);
});

miniTest(
  "volumes without a name go with --rm and rm -v, and stay with rm alone; named ones always stay",
  async (context) => {
    const { mini } = context;
    assertEquals((await mini(["run", "--rm", "-v", "/a", "-v", "named:/b", "starter", "true"])).status, 0);
    assertEquals(await volumesOf(context), ["named"]);
    for (const name of ["one", "two"]) {
      assertEquals((await mini(["run", "--name", name, "-v", "/a", "-v", "named:/b", "starter", "true"])).status, 0);
    }
    assertEquals((await volumesOf(context)).length, 3);
    assertEquals((await volumesOf(context, "-f", "dangling=true")).length, 0);
    await ok(context, "rm", "-v", "one");
    assertEquals((await volumesOf(context)).length, 2);
    const [{ Mounts, HostConfig, Config }] = JSON.parse(await ok(context, "inspect", "two"));
    await ok(context, "rm", "two");
    const left = await volumesOf(context, "-f", "dangling=true");
    assertEquals(left.length, 2);
    const unnamed = left.find((name) => name !== "named")!;
    assertEquals(Mounts.map((m: { Name: string; Destination: string; RW: boolean }) => [m.Name, m.Destination, m.RW]), [
      [unnamed, "/a", true],
      ["named", "/b", true],
    ]);
    assertEquals([HostConfig.Binds, Config.Volumes], [["named:/b"], { "/a": {} }]);
    const pruned = await ok(context, "volume", "prune", "-f");
    assertMatch(pruned, new RegExp(`^Deleted Volumes:\n${unnamed}\n\nTotal reclaimed space: `));
    assertEquals(await volumesOf(context), ["named"]);
    assertStringIncludes(await ok(context, "volume", "prune", "-f"), "Total reclaimed space: 0B");
    assertEquals((await mini(["volume", "prune", "-a"], { stdin: "n\n" })).status, 0);
    assertEquals(await volumesOf(context), ["named"]);
    await ok(context, "volume", "prune", "-af", "--filter", "label=nosuch");
    assertEquals(await volumesOf(context), ["named"]);
    await ok(context, "volume", "prune", "-af", "--filter", "label!=nosuch");
    assertEquals(await volumesOf(context), []);
  },
);

miniTest("a volume that a container uses is not removed, whether that runs or not", async (context) => {
  const { mini } = context;
  await ok(context, "create", "--name", "user", "-v", "data:/data", "starter", "true");
  assertRefused(await mini(["volume", "rm", "data"]), 1, "volume data", "container user (", "mini rm");
  assertRefused(await mini(["volume", "rm", "-f", "data"]), 1, "volume data", "user");
  await ok(context, "volume", "prune", "-af");
  assertEquals(await volumesOf(context, "-f", "dangling=false"), ["data"]);
  await ok(context, "start", "-a", "user");
  assertRefused(await mini(["volume", "rm", "data"]), 1, "user");
  await ok(context, "rm", "-fv", "user");
  assertEquals(await volumesOf(context, "-f", "dangling=true"), ["data"]);
  await ok(context, "volume", "rm", "data");
});

miniTest("--volumes-from mounts what other containers have, to be written or only to be read", async (context) => {
  const { mini, inside, folder } = context;
  Deno.mkdirSync(`${folder}/host`);
  await ok(
    context,
    "create",
    "--name",
    "one",
    "-v",
    "data:/data",
    "-v",
    "/own",
    "-v",
    `${folder}/host:/h:ro`,
    "starter",
  );
  await ok(context, "create", "--name", "two", "-v", "other:/data", "--tmpfs", "/t", "starter");
  assertEquals(
    await inside("echo x > /data/x; echo x > /own/x; (echo > /h/x) 2>&1; ls /", "--volumes-from", "one").then((s) =>
      s.split("\n")[0]
    ),
    "sh: can't create /h/x: Read-only file system",
  );
  assertEquals(
    await inside("cat /data/x /own/x; (echo > /data/x) 2>&1", "--volumes-from", "one:ro").catch((error) =>
      error.message.split("stdout: ")[1]
    ),
    "x\nx\nsh: can't create /data/x: Read-only file system\n",
  );
  // The later one's, and a flag's before both.
  const both = ["--volumes-from", "one", "--volumes-from", "two"];
  assertEquals(
    await inside("ls /data /own; ls -d /t 2>&1 || true", ...both),
    "/data:\n\n/own:\nx\nls: /t: No such file or directory\n",
  );
  assertEquals(await inside("ls -A /data", "-v", "/data", ...both), "");
  // What is another's goes neither with --rm nor with rm -v, as long as that one is there.
  await ok(context, "create", "--name", "three", "--volumes-from", "one:ro", "starter");
  assertEquals(JSON.parse(await ok(context, "inspect", "three"))[0].HostConfig.VolumesFrom, ["one:ro"]);
  await ok(context, "rm", "-v", "three");
  assertEquals((await volumesOf(context)).length, 3);
  await ok(context, "rm", "-v", "one");
  assertEquals(await volumesOf(context), ["data", "other"]);
  await ok(context, "rm", "two");
  await ok(context, "volume", "rm", "data", "other");
  assertRefused(await mini(["run", "--volumes-from", "x:y", "starter"]), 125, "--volumes-from");
});

miniTest("--mount: subpaths, labels, recursion and sources that are made", async (context) => {
  const { mini, inside, folder } = context;
  await inside(
    "mkdir -p /d/a/b; echo deep > /d/a/b/x; echo f > /d/file; ln -s /etc /d/etc; ln -s ../../../../etc /d/up; ln -s a/b /d/in",
    "-v",
    "data:/d",
  );
  const at = (path: string) => ["--mount", `src=data,dst=/s,volume-subpath=${path}`];
  assertEquals(await inside("cat /s/x", ...at("a/b")), "deep\n");
  assertEquals(await inside("cat /s/x", ...at("in")), "deep\n");
  assertEquals(await inside("cat /s", ...at("file")), "f\n");
  for (const path of ["etc", "up", "nosuch"]) {
    assertRefused(await mini(["run", "--rm", ...at(path), "starter", "true"]), 125, path, "volume data");
  }
  await ok(context, "create", "--name", "cc", "--mount", "type=volume,src=made,dst=/d,volume-label=a=b,ro", "starter");
  assertEquals(await ok(context, "volume", "inspect", "-f", "{{.Labels.a}}", "made"), "b");
  assertEquals(JSON.parse(await ok(context, "inspect", "cc"))[0].HostConfig.Mounts, [
    { Type: "volume", Source: "made", Target: "/d", ReadOnly: true, VolumeOptions: { Labels: { a: "b" } } },
  ]);
  await ok(context, "rm", "cc");
  const bind = `type=bind,src=${folder}/new/folder,dst=/d`;
  assertRefused(await mini(["run", "--rm", "--mount", bind, "starter", "true"]), 125, `${folder}/new/folder`);
  await inside("echo x > /d/x", "--mount", `${bind},bind-create-src`);
  await inside("echo x > /d/x", "-v", `${folder}/other/one:/d`);
  const made = Deno.statSync(`${folder}/other/one`);
  assertEquals([made.mode! & 0o7777, made.uid, Deno.readTextFileSync(`${folder}/other/one/x`)], [0o755, 0, "x\n"]);
  await inside(
    "test -d /d && ! test -e /d/below",
    "-v",
    `${folder}/other/one:/d`,
    "--mount",
    "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700",
  );
  assertMatch(
    await inside(
      "grep ' /t ' /proc/self/mountinfo; stat -c %a /t",
      "--mount",
      "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700",
    ),
    /nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=1024k,mode=700\n700\n$/,
  );
  await ok(context, "volume", "rm", "data", "made");
});

miniTest("many containers that are started at once share a new volume", async (context) => {
  const { mini } = context;
  const all = await Promise.all(
    Array.from(
      { length: 12 },
      (_, i) =>
        mini([
          "run",
          "--rm",
          "-v",
          "shared:/etc",
          "starter",
          "sh",
          "-c",
          `echo ${i} >> /etc/count; test -s /etc/passwd`,
        ]),
    ),
  );
  assertEquals(all.map(({ status, stderr }) => [status, stderr]), all.map(() => [0, ""]));
  assertEquals(
    (await context.inside("sort -n /etc/count | tr '\\n' ' '", "-v", "shared:/etc")).trim(),
    "0 1 2 3 4 5 6 7 8 9 10 11",
  );
  // Removed and made anew, again and again.
  const both = await Promise.all([
    ...Array.from({ length: 6 }, () => mini(["run", "--rm", "-v", "churn:/d", "starter", "touch", "/d/x"])),
    ...Array.from({ length: 6 }, () => mini(["volume", "rm", "-f", "churn"])),
  ]);
  for (const { status, stderr } of both) {
    assert(status === 0 || /is used by|removed meanwhile/.test(stderr), `${status} ${stderr}`);
  }
  await ok(context, "volume", "rm", "-f", "shared", "churn");
});

miniTest("a container in the background keeps its volumes over its restarts", async (context) => {
  const script = "echo started >> /log/lines; sleep 1000 & trap exit TERM; wait";
  await ok(context, "run", "-d", "--name", "web", "-v", "logs:/log", "-v", "/scratch", "starter", "sh", "-c", script);
  const lines = () => context.inside("cat /l/lines 2>/dev/null || true", "-v", "logs:/l:ro");
  await until("the first line", async () => await lines() === "started\n");
  assertRefused(await context.mini(["volume", "rm", "logs"]), 1, "web");
  await ok(context, "restart", "-t", "1", "web");
  await until("the second line", async () => await lines() === "started\nstarted\n");
  await ok(context, "rm", "-f", "-v", "web");
  assertEquals(await volumesOf(context), ["logs"]);
  await ok(context, "volume", "rm", "logs");
});

miniTest("cp finds what a stopped container's volumes hold, and only that", async (context) => {
  const { mini, inside, folder } = context;
  await inside("mkdir -p /d/a /d/b; echo deep > /d/a/x; ln -s /etc /d/b/etc", "-v", "data:/d");
  Deno.mkdirSync(`${folder}/host`);
  await ok(context, "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${folder}/host`, "host");
  await ok(context, "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "mem");
  const flags = ["--mount", "src=data,dst=/s,volume-subpath=a", "-v", "host:/h", "-v", "mem:/m", "-v", "/own"];
  await ok(context, "create", "--name", "web", ...flags, "starter", "true");
  await ok(context, "cp", "web:/s/x", `${folder}/x`);
  assertEquals(Deno.readTextFileSync(`${folder}/x`), "deep\n");
  for (const place of ["/s/y", "/h/y", "/own/y"]) await ok(context, "cp", `${folder}/x`, `web:${place}`);
  assertEquals(await inside("cat /d/a/y", "-v", "data:/d"), "deep\n");
  assertEquals(Deno.readTextFileSync(`${folder}/host/y`), "deep\n");
  // A path in the volume has become a link to the host's meanwhile.
  await inside("mv /d/a /d/was; ln -s b/etc /d/a", "-v", "data:/d");
  const outside = await mini(["cp", "web:/s/passwd", `${folder}/stolen`]);
  assertEquals([outside.status, outside.stdout], [1, ""]);
  assertStringIncludes(outside.stderr, "there is no a in the volume data");
  await ok(context, "rm", "-v", "web");
  await ok(context, "volume", "rm", "data", "host", "mem");
});

miniTest("in a user namespace, volumes belong to the container's own users", async (context) => {
  const { inside } = context, auto = ["--userns", "auto"];
  assertEquals(await inside("touch /d/x; stat -c %u /d/x", "-v", "data:/d", ...auto), "0\n");
  assertEquals(
    await inside(
      "stat -c %u /d/x /s /etc/passwd",
      "-v",
      "data:/d",
      "-v",
      "etc:/etc",
      "--mount",
      "src=data,dst=/s,volume-subpath=x",
      ...auto,
    ),
    "0\n0\n0\n",
  );
  assertEquals(await inside("stat -c %u /d/x", "-v", "data:/d"), "0\n");
  await ok(context, "volume", "rm", "data", "etc");
}, [needsIdmaps()]);
