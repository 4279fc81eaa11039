/** --userns: containers whose root is nobody on the host. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { assertRefused, type Context, miniTest, needsIdmaps, needsProgram, runCommand, until } from "./harness.ts";

/** Layers have the ids of a user namespace by their mounts. */
const userTest: typeof miniTest = (name, body, needs = []) => miniTest(name, body, [...needs, needsIdmaps()]);

const words = (text: string) => text.split(" ").filter(Boolean);

/** The first id on the host and the number of ids. */
const mapOf = (uidMap: string) => uidMap.trim().split(/\s+/).map(Number).slice(1);

userTest("auto gives every container ids of its own, which it keeps", async ({ mini, inside }) => {
  const [id, map] = (await inside("id -u; cat /proc/self/uid_map", "--userns", "auto")).split("\n");
  const [first = 0, size] = mapOf(map!);
  assertEquals([id, size], ["0", 65536]);
  assert(first >= 65536, `${first}`);
  const firsts: number[] = [];
  for (const name of ["aa", "bb", "cc"]) {
    const { stdout } = await mini(words(`run --name ${name} --userns auto starter cat /proc/self/uid_map`));
    firsts.push(mapOf(stdout)[0]!);
    // Started again it has the ids that its files have.
    assertEquals((await mini(["start", "-a", name])).stdout, stdout);
  }
  const sorted = firsts.toSorted((a, b) => a - b);
  sorted.slice(1).forEach((n, i) => assert(n - sorted[i]! >= 65536, firsts.join(" ")));
  await mini(["rm", "bb"]);
  const { stdout } = await mini(words("run --rm --userns auto starter cat /proc/self/uid_map"));
  assertEquals(mapOf(stdout)[0], firsts[1], "what is removed is free again");
  await mini(["rm", "aa", "cc"]);
});

userTest("a dozen containers that are made at once have no id in common", async ({ mini }) => {
  const out = await Promise.all(
    Array.from({ length: 12 }, () => mini(words("create --userns auto:size=1000 starter true"), { timeout: 120_000 })),
  );
  const inspected = JSON.parse((await mini(["inspect", ...out.map((o) => o.stdout.trim())])).stdout);
  const firsts = inspected.map((c: { HostConfig: { IDMappings: { UidMap: string[] } } }) =>
    Number(c.HostConfig.IDMappings.UidMap[0]!.split(":")[1])
  );
  const sorted = firsts.toSorted((a: number, b: number) => a - b);
  sorted.slice(1).forEach((n: number, i: number) => assert(n - sorted[i] >= 1000, firsts.join(" ")));
  await mini(["rm", ...out.map((o) => o.stdout.trim())]);
});

userTest("root inside is nobody outside, whatever it does", async (context) => {
  const { mini, inside, folder, root } = context;
  Deno.mkdirSync(`${folder}/volume`);
  Deno.writeTextFileSync(`${folder}/volume/secret`, "secret\n", { mode: 0o600 });
  Deno.writeTextFileSync(`${folder}/volume/open`, "open\n", { mode: 0o644 });
  const script = `
    stat -c %u /v/secret; cat /v/open; cat /v/secret 2>/dev/null || echo denied
    (echo x > /v/new) 2>/dev/null || echo denied; chown 0 /v/open 2>/dev/null || echo denied
    echo x > /etc/hosts && echo own; touch /own && chown 7:7 /own && stat -c %u:%g /own
    mount -t tmpfs x /mnt && echo mounted; (echo 5 > /proc/sys/vm/swappiness) 2>/dev/null || echo denied
    mknod /tmp/null c 1 3 2>/dev/null || echo denied; hostname changed && hostname`;
  // Even with all capabilities and nothing hidden.
  const out = await inside(script, ...words(`--privileged --userns auto -v ${folder}/volume:/v`));
  assertEquals(
    out.split("\n").slice(0, -1),
    words("65534 open denied denied denied own 7:7 mounted denied denied changed"),
  );
  assertEquals(Deno.readTextFileSync(`${folder}/volume/open`), "open\n");
  // What it has changed is on the disk as it sees it: nothing has to be translated to look at it.
  assertEquals((await mini(words("run --name kept --userns auto starter sh -c"), {})).status, 2);
  await mini(["rm", "kept"]);
  const kept = await mini([...words("run --name kept --userns auto starter sh -c"), "touch /mine; chown 5:6 /mine"]);
  assertEquals(kept, { status: 0, stdout: "", stderr: "" });
  const [{ Id }] = JSON.parse((await mini(["inspect", "kept"])).stdout);
  const { uid, gid } = Deno.statSync(`${root}/containers/${Id}/upper/mine`);
  assertEquals([uid, gid], [5, 6]);
  const listed = await runCommand([
    "sh",
    "-c",
    '"$@" export kept | tar -tv --numeric-owner mine',
    "sh",
    ...context.command,
  ]);
  assertMatch(listed.stdout, / 5\/6 /);
  await mini(["rm", "kept"]);
});

userTest("exec joins the user namespace, with a terminal and without", async ({ mini, start, command }) => {
  const running = start(words("run --rm --name it --userns auto starter sh -c").concat("echo ready; sleep 1000"));
  await until("the container", () => running.stdout() === "ready\n");
  const inIt = await mini([
    ...words("exec it sh -c"),
    "id -u; cat /proc/self/uid_map; touch /made; stat -c %u /made /proc/self/; echo hi > /dev/stderr",
  ]);
  const [id, map, made, own] = inIt.stdout.split("\n");
  assertEquals([inIt.status, id, made, own, inIt.stderr], [0, "0", "0", "0", "hi\n"]);
  const [{ State }] = JSON.parse((await mini(["inspect", "it"])).stdout);
  assertEquals(Deno.readTextFileSync(`/proc/${State.Pid}/uid_map`), `${map}\n`);
  assertEquals(Deno.statSync(`/proc/${State.Pid}`).uid, mapOf(map!)[0]);
  const user = await mini([...words("exec -u 33:44 it sh -c"), "id -u; id -g; echo > /dev/stdout"]);
  assertEquals(user, { status: 0, stdout: "33\n44\n\n", stderr: "" });
  const tty = await runCommand(["script", "-qec", [...command, ..."exec -t it tty".split(" ")].join(" "), "/dev/null"]);
  assertMatch(tty.stdout, /^\/dev\/pts\/\d+\r*\n$/);
  assertEquals((await mini(words("exec -d it touch /detached"))).status, 0);
  await until("the file", async () => (await mini(words("exec it ls /detached"))).status === 0);
  await mini(["stop", "-t", "0", "it"]);
  assertEquals((await running.output).status, 137);
}, [needsProgram("script")]);

userTest("keep-id has the host's ids in a user namespace all the same", async ({ inside }) => {
  const [link, map, user] = (await inside(
    "readlink /proc/self/ns/user; cat /proc/self/uid_map; id -u",
    ...words(
      "--userns keep-id -u 1234",
    ),
  )).split("\n");
  assertNotEquals(link, Deno.readLinkSync("/proc/self/ns/user"));
  assertEquals(mapOf(map!), mapOf(Deno.readTextFileSync("/proc/self/uid_map")));
  assertEquals(user, "1234");
});

userTest("UID:GID:SIZE are the ids that it says, and no more", async ({ mini, inside }) => {
  const maps = await inside("cat /proc/self/uid_map /proc/self/gid_map", "--userns", "300000:400000:2000");
  assertEquals(maps.trim().split("\n").map(mapOf), [[300000, 2000], [400000, 2000]]);
  assertRefused(
    await mini(words("run --rm --userns 300000:400000:2000 -u 2000 starter true")),
    125,
    "2000",
    "--userns",
  );
  assertRefused(await mini(words("run --rm --userns 300000:400000:10 starter true")), 125, "group 10", "--user");
  assertRefused(await mini(words("run --rm --userns 300000:400000 starter true")), 125, "UID:GID:SIZE");
  // A size without the group of terminals.
  assertEquals(await inside("id -u; ls -d /dev/pts", ...words("--userns 300000:400000:1 -u 0:0")), "0\n/dev/pts\n");
});

userTest(
  "a user namespace is joined with others of the same container, and refuses those that it cannot show",
  async (context) => {
    const { mini, inside } = context;
    assertEquals((await mini(words("run -d --name other --ipc shareable --userns auto starter sleep 1000"))).status, 0);
    const theirs = (await mini(words("exec other readlink /proc/self/ns/user"))).stdout;
    const link = "readlink /proc/self/ns/user";
    assertEquals(await inside(link, "--userns", "container:other"), theirs);
    const all = words("--userns container:other --pid container:other --network container:other --ipc container:other");
    assertEquals(
      await inside(`${link}; cat /proc/1/comm; touch /dev/shm/x; ls -d /sys/class`, ...all),
      `${theirs}sleep\n/sys/class\n`,
    );
    assertEquals((await mini(words("exec other ls /dev/shm"))).stdout, "x\n");
    // Another user namespace with the network of this one, and of the host.
    for (const network of ["container:other", "host"]) {
      assertEquals(
        await inside("id -u; ls -d /sys/class", ...words(`--userns auto --network ${network}`)),
        "0\n/sys/class\n",
      );
    }
    assertEquals(
      await inside("ls -d /dev/shm; ls /dev", ...words("--userns auto --ipc host")).then((s) => s.includes("mqueue")),
      false,
    );
    for (const pid of ["host", "container:other"]) {
      assertRefused(await mini(words(`run --rm --userns auto --pid ${pid} starter true`)), 125, "--userns", "--pid");
    }
    await mini(["rm", "-f", "other"]);
  },
);

userTest(
  "a volume has the ids that it has inside, a folder of the host only with idmap",
  async ({ mini, inside, folder }) => {
    Deno.mkdirSync(`${folder}/data`);
    Deno.writeTextFileSync(`${folder}/data/file`, "");
    Deno.chownSync(`${folder}/data/file`, 7, 8);
    const stat = "stat -c %u:%g /data/file";
    assertEquals(await inside(stat, ...words(`--userns auto -v ${folder}/data:/data`)), "65534:65534\n");
    assertEquals(
      await inside(`${stat}; touch /data/mine`, ...words(`--userns auto -v ${folder}/data:/data:idmap`)),
      "7:8\n",
    );
    assertEquals(Deno.statSync(`${folder}/data/mine`).uid, 0);
    // Of two containers with other ids each, both see the same owners in what they share.
    for (const flags of ["--userns auto", "--userns auto:size=1000", ""]) {
      const seen = await inside(
        `touch /data/file; chown 7:8 /data/file; ${stat}`,
        ...words(`${flags} -v shared:/data`),
      );
      assertEquals(seen, "7:8\n", flags);
    }
    assertEquals((await mini(["volume", "rm", "shared"])).status, 0);
    assertRefused(await mini(words(`run --rm -v ${folder}/data:/data:idmap starter true`)), 125, "/data", "idmap");
    assertRefused(await mini(words("run --rm -v shared:/data:idmap starter true")), 125, "idmap", "not about a volume");
  },
);

userTest("--rootfs has its files' ids inside, too", async ({ folder, mini, inside }) => {
  Deno.mkdirSync(`${folder}/r/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/sh; cp /bin/busybox /v/stat", "-v", `${folder}/r/bin:/v`);
  const out = await mini([
    ...words(`run --rm --userns auto --rootfs ${folder}/r sh -c`),
    "stat -c %u /bin/sh; echo > /made",
  ]);
  assertEquals(out, { status: 0, stdout: "0\n", stderr: "" });
  assertEquals(Deno.statSync(`${folder}/r/made`).uid, 0);
});

/** Runs mini where /etc/subuid and /etc/subgid say this. */
function withSubids({ folder, command }: Context, subuid: string, subgid: string, ...args: string[]) {
  Deno.writeTextFileSync(`${folder}/subuid`, subuid);
  Deno.writeTextFileSync(`${folder}/subgid`, subgid);
  const script = 'for n in subuid subgid; do mount --bind "$0/$n" /etc/$n; done; exec "$@"';
  return runCommand(["unshare", "--mount", "sh", "-c", script, folder, ...command, ...args]);
}

userTest("ranges are those of /etc/subuid and /etc/subgid", async (context) => {
  const run = (subuid: string, subgid: string, size = "1000") =>
    withSubids(
      context,
      subuid,
      subgid,
      ...words(`run --rm --userns auto:size=${size} starter cat /proc/self/uid_map /proc/self/gid_map`),
    );
  const { stdout } = await run("containers:500000:1000\n", "root:1:1\ncontainers:600000:5000\n");
  assertEquals(stdout.trim().split("\n").map(mapOf), [[500000, 1000], [604000, 1000]]);
  assertRefused(await run("mini:500000:999\n", "mini:500000:5000\n"), 125, "1000 ids", "999", "/etc/subuid");
  assertRefused(await run("mini:500000\n", ""), 125, "/etc/subuid, line 1");
}, [needsProgram("unshare")]);
