import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Anatomy } from "../engine/anatomy/anatomy.ts";
import { assertRefused, miniTest, needsIdmaps, needsJoinedShm, type Output, runCommand, until } from "./harness.ts";
import { HOST, networkTest } from "./network_lab.ts";

/** A namespace that another container joins; with that of IPC it would have to join /dev/shm. */
const SHARED = needsJoinedShm() ? "uts" : "ipc";

const done = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""]);
  return stdout;
};

miniTest("anatomy says what the kernel says", async ({ mini, folder }) => {
  Deno.mkdirSync(`${folder}/a b`);
  const flags = [
    "--ipc",
    "shareable",
    "-v",
    "data:/data",
    "-v",
    `${folder}/a b:/srv:ro`,
    "--tmpfs",
    "/scratch",
    "--cap-drop",
    "CHOWN",
  ];
  done(await mini(["run", "-d", "--name", "one", ...flags, "starter", "sh", "-c", "sleep 1000 & sleep 1001; true"]));
  done(await mini(["run", "-d", "--name", "two", `--${SHARED}`, "container:one", "starter", "sleep", "1000"]));
  await until("both programs", async () => done(await mini(["top", "one"])).includes("1001"));
  const one: Anatomy = JSON.parse(done(await mini(["anatomy", "--format", "json", "one"])));
  const { pid } = one, proc = (file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);

  for (const { kind, inode, host, sharedWith } of one.namespaces) {
    assertEquals(Deno.readLinkSync(`/proc/${pid}/ns/${kind}`), `${kind}:[${inode}]`);
    assertEquals(host, Deno.readLinkSync(`/proc/self/ns/${kind}`) === `${kind}:[${inode}]`);
    assertEquals(sharedWith, kind === SHARED || host ? ["two"] : [], kind);
  }
  assertEquals(one.namespaces.map(({ kind }) => kind).slice(0, 7), [
    "mnt",
    "pid",
    "net",
    "ipc",
    "uts",
    "cgroup",
    "user",
  ]);

  const lines = proc("mountinfo").trim().split("\n");
  assertEquals(one.mounts.length, lines.length);
  const behind = (path: string) => one.mounts.find((mount) => mount.path === path)?.behind;
  assertEquals(behind("/data"), "volume data");
  assertEquals(behind("/srv"), `host ${folder}/a b`);
  assert(one.mounts.find(({ path }) => path === "/srv")!.options.includes("ro"));
  assertEquals(behind("/scratch"), "a new tmpfs of its own");
  assertEquals(behind("/etc/hosts"), "hosts, written by mini");
  const [root] = one.mounts.filter(({ path }) => path === "/");
  assertStringIncludes(root!.behind, "image starter (1 layer)");
  for (const layer of root!.layers!) assert(Deno.statSync(layer).isDirectory);

  const { rights } = one;
  const mask = (set: string) => BigInt(`0x${proc("status").match(new RegExp(`^${set}:\t(.*)$`, "m"))![1]}`);
  const bits = (names: readonly string[]) => names.length;
  const count = (value: bigint) => [...value.toString(2)].filter((bit) => bit === "1").length;
  assertEquals(bits(rights.capabilities.bounding), count(mask("CapBnd")));
  assertEquals(bits(rights.capabilities.effective), count(mask("CapEff")));
  assertEquals(rights.capabilities.inheritable, []);
  assert(rights.capabilities.effective.includes("CAP_KILL") && !rights.capabilities.effective.includes("CAP_CHOWN"));
  const around = Number(/^Seccomp_filters:\s*(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
  assertEquals([rights.noNewPrivileges, rights.seccomp.mode, rights.seccomp.filters], [true, "filter", around + 1]);
  assert(rights.seccomp.filter!.allowed.includes("read") && !rights.seccomp.filter!.allowed.includes("reboot"));
  assert(rights.seccomp.filter!.conditional.includes("personality"));
  assertEquals([rights.uid, rights.uidMap[0]!.hostID], [0, 0]);

  assertStringIncludes(proc("cgroup"), one.cgroup!.path.slice(one.cgroup!.path.indexOf("/mini/")));
  assertEquals(one.cgroup!.files["cgroup.freeze"], "0");
  assertMatch(one.cgroup!.files["cpu.stat"]!, /^usage_usec \d+/);

  assertEquals(one.processes.map(({ command }) => command), [
    "sh -c sleep 1000 & sleep 1001; true",
    "sleep 1000",
    "sleep 1001",
  ]);
  assertEquals(one.processes[0]!.inside, [1]);
  for (const process of one.processes) {
    const numbers = Deno.readTextFileSync(`/proc/${process.pid}/status`).match(/^NSpid:\t(.*)$/m)![1]!.split("\t").map(
      Number,
    );
    assertEquals(process.inside, numbers.slice(-1));
  }
  assertEquals(one.descriptors.map(({ fd }) => fd).slice(0, 3), [0, 1, 2]);
  for (const { fd, target } of one.descriptors) assertEquals(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`), target);
  assertEquals([one.network.mode, one.network.interfaces, one.network.paths], ["none", ["lo"], []]);

  const text = done(await mini(["anatomy", "one"]));
  for (
    const heading of [
      "Namespaces",
      "User",
      "Rights",
      "Mounts",
      "Cgroup",
      "Network (none)",
      "Processes (outside, inside)",
    ]
  ) {
    assertMatch(text, new RegExp(`^${heading.replace(/[()]/g, "\\$&")}$`, "m"));
  }
  assertMatch(text, new RegExp(`^ +${SHARED} +\\d+ +shared with two$`, "m"));
  assertMatch(text, /^ +\d+ +1 +sh -c/m);
  done(await mini(["rm", "-f", "two"]).then((output) => ({ ...output, stdout: "" })));
  done(await mini(["stop", "-t", "0", "one"]));
  assertRefused(await mini(["anatomy", "one"]), 1, "is not running");
  assertRefused(await mini(["anatomy", "nothing"]), 1, "nothing");
  done(await mini(["rm", "one"]));
  done(await mini(["volume", "rm", "data"]));
});

miniTest("anatomy shows maps of user namespaces", async ({ mini }) => {
  done(await mini(["run", "-d", "--name", "mapped", "--userns", "auto", "starter", "sleep", "1000"]));
  const parts: Anatomy = JSON.parse(done(await mini(["anatomy", "--format", "json", "mapped"])));
  const [map] = parts.rights.uidMap;
  const file = await runCommand(["cat", `/proc/${parts.pid}/uid_map`]);
  assertEquals(file.stdout.trim().split(/\s+/).map(Number), [map!.containerID, map!.hostID, map!.size]);
  assertEquals(parts.rights.uid, map!.hostID);
  assert(parts.namespaces.some(({ kind, host }) => kind === "user" && !host));
  assertMatch(done(await mini(["anatomy", "mapped"])), /^ +uids +0 inside is \d+ outside/m);
  done(await mini(["rm", "-f", "mapped"]));
}, [needsIdmaps()]);

networkTest("anatomy follows a packet from the container's interface to the host's port", async (c) => {
  const flags = ["-d", "--name", "web", "-p", `${HOST.ip}:8080:80`];
  await c.ok("run", ...flags, "starter", "sleep", "1000");
  const { pid, network }: Anatomy = JSON.parse(await c.ok("anatomy", "--format", "json", "web"));
  const [path] = network.paths;
  assertEquals([network.mode, network.interfaces], ["bridge", ["lo", "eth0"]]);
  const link = (await c.script(`ip -o link show ${path!.hostInterface}`)).trim();
  assertStringIncludes(link, `master ${path!.bridge} `);
  const inside =
    (await runCommand(["nsenter", `--net=/proc/${pid}/ns/net`, "ip", "-o", "address", "show", "eth0"])).stdout;
  assertStringIncludes(inside, `inet ${path!.addresses[0]} `);
  const [port] = network.ports;
  assertEquals([port!.hostIp, port!.hostPort, port!.containerPort], [HOST.ip, 8080, 80]);
  assertEquals(`${port!.containerIp}/20`, path!.addresses[0]);
  const text = await c.ok("anatomy", "web");
  assertStringIncludes(text, `${path!.hostInterface} on the host → bridge ${path!.bridge} → network bridge → gateway`);
  assertMatch(text, /^ +172\.17\.0\.2:80\/tcp +192\.0\.2\.1:8080 on the host$/m);
  await c.ok("rm", "-f", "web");
});
