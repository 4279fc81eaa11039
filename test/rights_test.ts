/** What a container may do and whose namespaces it is in: --privileged, --security-opt, --ipc, --pid, --uts, --network. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CAPABILITIES } from "../runtime/capabilities.ts";
import { assertRefused, type Context, miniTest, needsJoinedShm, until } from "./harness.ts";

const words = (text: string) => text.split(" ").filter(Boolean);

/** A container in the background with these flags, gone when `body` is done. */
async function withOther({ mini }: Context, flags: string, body: (name: string) => Promise<void>): Promise<void> {
  const { status, stderr } = await mini(words(`run -d --rm --name other ${flags} starter sleep 1000`));
  assertEquals([status, stderr], [0, ""]);
  try {
    await body("other");
  } finally {
    await mini(["rm", "-f", "other"]);
  }
}

const ns = (...kinds: string[]) => `for n in ${kinds.join(" ")}; do readlink /proc/self/ns/$n; done`;
const host = (kind: string) => Deno.readLinkSync(`/proc/self/ns/${kind}`);

miniTest("--privileged opens what is closed, unless it is asked for", async ({ mini, inside }) => {
  const script = `grep -E '^(CapEff|CapBnd|CapInh|NoNewPrivs|Seccomp)' /proc/self/status
    mount | grep -E ' on /(sys|sys/fs/cgroup) '; mount | grep -c ' on /proc/'; grep -q CPU /proc/interrupts && echo readable
    mount -t tmpfs x /mnt && echo mounted; ls /dev | wc -l`;
  const lines = (await inside(script, "--privileged")).trim().split("\n");
  const status = Deno.readTextFileSync("/proc/self/status"), own = status.match(/CapBnd:\t(\w+)/)![1];
  assertEquals(lines.slice(0, 5), [
    "CapInh:\t0000000000000000",
    `CapEff:\t${own}`,
    `CapBnd:\t${own}`,
    "NoNewPrivs:\t0",
    status.match(/Seccomp:\t\d/)![0], // what is around mini is around its containers
  ]);
  const rest = lines.filter((line) => !line.startsWith("Seccomp_filters")).slice(5);
  assertMatch(rest[0]!, /^sysfs on \/sys type sysfs \(rw,/);
  if (rest[1]!.startsWith("cgroup")) assertMatch(rest.splice(1, 1)[0]!, /type cgroup2 \(rw,/);
  assertEquals(rest.slice(1, 4), ["0", "readable", "mounted"]);
  const some = (await inside("ls /dev | wc -l")).trim();
  assert(Number(rest[4]) > Number(some), `${rest[4]} devices and not more than ${some}`);
  const closed = await inside(
    "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status",
    ...words("--privileged --cap-drop SYS_ADMIN --security-opt no-new-privileges --security-opt seccomp=builtin"),
  );
  const without = BigInt(`0x${own}`) & ~(1n << BigInt(CAPABILITIES.indexOf("CAP_SYS_ADMIN")));
  assertEquals(closed, `CapEff:\t${without.toString(16).padStart(16, "0")}\nNoNewPrivs:\t1\nSeccomp:\t2\n`);
  assertEquals((await mini(words("run --name open --privileged starter true"))).status, 0);
  const [{ HostConfig }] = JSON.parse((await mini(["inspect", "open"])).stdout);
  assertEquals([HostConfig.Privileged, HostConfig.MaskedPaths, HostConfig.ReadonlyPaths], [true, [], []]);
  await mini(["rm", "open"]);
});

miniTest("systempaths=unconfined hides nothing and leaves the rest closed", async ({ mini, inside }) => {
  const script =
    "mount | grep -c ' on /proc/'; grep -E '^(CapBnd|Seccomp):' /proc/self/status; mount | grep 'on /sys '";
  const [mounts, capabilities, filter, sys] = (await inside(script, "--security-opt", "systempaths=unconfined")).split(
    "\n",
  );
  assertEquals([mounts, capabilities, filter], ["0", "CapBnd:\t00000000a80425fb", "Seccomp:\t2"]);
  assertMatch(sys!, /\(ro,/);
  assertRefused(
    await mini(words("run --rm --security-opt systempaths=x starter true")),
    125,
    "systempaths=x",
    "unconfined",
  );
});

const kernelHas = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

miniTest("labels that the kernel cannot give are refused, and none is as good as none", async ({ mini, inside }) => {
  const run = (option: string) => mini(["run", "--rm", "--security-opt", option, "starter", "true"]);
  if (!kernelHas("/sys/module/apparmor/parameters/enabled")) {
    assertRefused(await run("apparmor=some-profile"), 125, "apparmor=some-profile", "AppArmor");
  }
  if (!kernelHas("/sys/fs/selinux/enforce")) {
    assertRefused(await run("label=type:container_t"), 125, "label", "SELinux");
  }
  await inside("true", ...words("--security-opt apparmor=unconfined --security-opt label=disable"));
});

miniTest("--uts and --hostname: whose name it is", async (context) => {
  const { mini, inside } = context;
  const name = Deno.hostname();
  assertEquals(
    await inside(`hostname; cat /etc/hostname; ${ns("uts")}`, "--uts", "host"),
    `${name}\n${name}\n${host("uts")}\n`,
  );
  // Not even root may change the host's.
  assertEquals((await mini(words("run --rm --uts host starter hostname changed"))).status, 1);
  assertEquals(Deno.hostname(), name);
  assertRefused(await mini(words("run --rm --uts host -h box starter true")), 125, "--hostname");
  await withOther(context, "-h there", async (other) => {
    assertEquals(await inside("hostname; cat /etc/hostname", "--uts", `container:${other}`), "there\nthere\n");
  });
  assertRefused(await mini(words("run --rm --uts nosuch starter true")), 125, '--uts "nosuch"', "container:NAME");
});

miniTest("--pid host shows all processes, and nothing of the container outlives it", async ({ mini, inside }) => {
  const script = `${ns("pid")}; [ -d /proc/${Deno.pid} ] && echo there; echo $$`;
  const [link, there, pid] = (await inside(script, "--pid", "host")).split("\n");
  assertEquals([link, there], [host("pid"), "there"]);
  assert(Number(pid) > 1);
  // What it leaves behind holds its output open.
  for (const flags of ["", "--init"]) {
    const out = await mini([
      ...words(`run --rm --pid host ${flags} starter sh -c`),
      "sleep 1071 & sleep 1072 & echo done",
    ]);
    assertEquals(out, { status: 0, stdout: "done\n", stderr: "" });
  }
  assertEquals((await mini([...words("run --rm --pid host starter sh -c"), "kill -9 $$"])).status, 137);
  // Root in it may see the host's processes, but not end them.
  const kill = await mini([...words("run --rm --pid host --cap-drop KILL -u 1234 starter kill -0"), `${Deno.pid}`]);
  assertEquals(kill.status, 1);
});

miniTest("--pid container joins the processes of one that runs", async (context) => {
  const { mini, inside, start } = context;
  await withOther(context, "", async (other) => {
    const flags = ["--pid", `container:${other}`];
    assertMatch(await inside("cat /proc/1/cmdline | tr '\\0' ' '", ...flags), /^sleep 1000 $/);
    const joined = start([
      "run",
      "--rm",
      "--name",
      "joined",
      ...flags,
      "starter",
      "sh",
      "-c",
      "echo ready; sleep 1000",
    ]);
    await until("the container", () => joined.stdout() === "ready\n");
    assertMatch((await mini(["exec", "joined", "ps"])).stdout, /sleep 1000[^]*sleep 1000/);
    // The end of the one whose pid namespace it is ends both.
    await mini(["kill", other]);
    assertEquals((await joined.output).status, 137);
  });
  assertRefused(await mini(words("run --rm --pid container:other starter true")), 125, "No such container: other");
});

miniTest("a container that is joined must run, also when it is started again", async ({ mini }) => {
  const out = (text: string, options = {}) => mini(words(text), options);
  assertEquals((await out("create --name base starter sleep 1000")).status, 0);
  for (const kind of ["pid", "uts", "network"]) {
    assertRefused(await out(`run --rm --${kind} container:base starter true`), 125, "base", "is not running");
  }
  assertEquals((await out("start base")).status, 0);
  assertEquals((await out("run --name second --uts container:base starter hostname")).status, 0);
  await out("kill base");
  await until("its end", async () => (await out("ps -q")).stdout === "");
  const again = await out("start -a second");
  assertEquals(again.status !== 0 && again.stderr.includes("is not running"), true, again.stderr);
  assertEquals((await out("start base")).status, 0);
  assertEquals((await out("start -a second")).stdout, (await out("exec base hostname")).stdout);
  await out("rm -f base");
  const gone = await out("start -a second");
  assertEquals(gone.status !== 0 && gone.stderr.includes("there no more"), true, gone.stderr);
  await out("rm -f second");
});

miniTest("--ipc: /dev/shm and its kin are its own, the host's, another's or not there", async (context) => {
  const { mini, inside } = context;
  assertEquals(await inside(`[ -d /dev/shm ] && echo there; ${ns("ipc")} | wc -l`, "--ipc", "none"), "1\n");
  const file = `mini-test-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(`/dev/shm/${file}`, "host's\n");
  try {
    assertEquals(await inside(`cat /dev/shm/${file}; ${ns("ipc")}`, "--ipc", "host"), `host's\n${host("ipc")}\n`);
  } finally {
    Deno.removeSync(`/dev/shm/${file}`);
  }
  for (const flags of ["", "--ipc private", "--ipc none"]) {
    await withOther(context, flags, async (other) => {
      assertRefused(
        await mini(["run", "--rm", "--ipc", `container:${other}`, "starter", "true"]),
        125,
        "shareable",
        other,
      );
    });
  }
});

miniTest("--ipc container shares /dev/shm with the namespace", async (context) => {
  const { mini, inside } = context;
  await withOther(context, "--ipc shareable --shm-size 1m", async (other) => {
    const flags = ["--ipc", `container:${other}`];
    const theirs = (await mini(["exec", other, "sh", "-c", `echo from other > /dev/shm/a; ${ns("ipc")}`])).stdout;
    assertEquals(
      await inside(`cat /dev/shm/a; echo from us > /dev/shm/b; ${ns("ipc")}`, ...flags),
      `from other\n${theirs}`,
    );
    assertEquals((await mini(["exec", other, "cat", "/dev/shm/b"])).stdout, "from us\n");
    assertMatch(await inside("df -k /dev/shm", ...flags), / 1024 /);
    await joinJoined(context, flags, other);
  });
}, [needsJoinedShm()]);

/** A third container that joins the second one, which has joined the first. */
async function joinJoined({ mini, inside }: Context, flags: readonly string[], other: string): Promise<void> {
  assertEquals((await mini([...words("run -d --rm --name between"), ...flags, "starter", "sleep", "1000"])).status, 0);
  assertEquals(await inside("cat /dev/shm/b", "--ipc", "container:between"), "from us\n");
  await mini(["rm", "-f", "between"]);
  assertEquals((await mini(["exec", other, "cat", "/dev/shm/b"])).stdout, "from us\n");
}

miniTest("--network container shares interfaces, names and the files that hold them", async (context) => {
  const { mini, inside } = context;
  await withOther(context, "-h there", async (other) => {
    const flags = ["--network", `container:${other}`];
    const theirs = (await mini(["exec", other, "readlink", "/proc/self/ns/net"])).stdout;
    assertEquals(await inside(`${ns("net")}; hostname; cat /etc/hostname`, ...flags), `${theirs}there\nthere\n`);
    await inside("echo 10.1.2.3 added >> /etc/hosts", ...flags);
    assertMatch((await mini(["exec", other, "cat", "/etc/hosts"])).stdout, /10\.1\.2\.3 added/);
    assertRefused(await mini(["run", "--rm", ...flags, "-h", "box", "starter", "true"]), 125, "--hostname");
    const sysctl = ["--sysctl", "net.ipv4.ip_forward=1"];
    assertRefused(await mini(["run", "--rm", ...flags, ...sysctl, "starter", "true"]), 125, "another container's");
  });
  assertRefused(await mini(words("run --rm --network nosuch starter true")), 125, "nosuch");
});

miniTest("sysctls are a namespace's own: whoever has the host's cannot set them", async ({ mini }) => {
  for (
    const [flags, sysctl] of [
      ["--network host", "net.ipv4.ip_forward=1"],
      ["--ipc host", "kernel.shmmax=100000"],
      ["--ipc host", "fs.mqueue.msg_max=11"],
      ["--uts host", "kernel.domainname=x"],
    ] as const
  ) {
    const before = Deno.readTextFileSync(`/proc/sys/${sysctl.split("=")[0]!.replaceAll(".", "/")}`);
    const out = await mini(words(`run --rm ${flags} --sysctl ${sysctl} starter true`));
    assertRefused(out, 125, sysctl.split("=")[0]!, "the host's", flags.split(" ")[0]!);
    assertEquals(Deno.readTextFileSync(`/proc/sys/${sysctl.split("=")[0]!.replaceAll(".", "/")}`), before);
  }
});

miniTest("inspect tells whose namespaces they are", async (context) => {
  const { mini } = context;
  await withOther(context, "--ipc shareable", async (other) => {
    const flags = `--ipc container:${other} --pid host --uts host --security-opt apparmor=unconfined`;
    assertEquals((await mini(words(`create --name one ${flags} starter true`))).status, 0);
    const [{ HostConfig }] = JSON.parse((await mini(["inspect", "one"])).stdout);
    const [{ Id, HostConfig: theirs }] = JSON.parse((await mini(["inspect", other])).stdout);
    assertEquals(
      [HostConfig.IpcMode, HostConfig.PidMode, HostConfig.UTSMode, HostConfig.SecurityOpt, HostConfig.Privileged],
      [`container:${Id}`, "host", "host", ["apparmor=unconfined"], false],
    );
    assertEquals([theirs.IpcMode, theirs.PidMode, theirs.UsernsMode], ["shareable", "", ""]);
    await mini(["rm", "one"]);
  });
});
