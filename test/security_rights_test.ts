/** Ways to more rights than a container was given: each is tried, and each must fail. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, needsIdmaps, needsNewerCalls, needsProgram, runCommand, until } from "./harness.ts";

const words = (text: string) => text.split(" ").filter(Boolean);
const SETS = "grep -E '^Cap(Inh|Amb)' /proc/self/status";
const EMPTY = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";

miniTest(
  "a caller's inheritable and ambient capabilities do not come along (CVE-2022-24769, CVE-2022-27650)",
  async ({ mini, start, command }) => {
    const caller = words("setpriv --inh-caps +chown,+sys_admin --ambient-caps +chown,+sys_admin");
    for (const flags of ["", "--privileged", "--cap-add ALL", "-u 1000:1000", "--init"]) {
      const out = await runCommand([...caller, ...command, ...words(`run --rm ${flags} starter sh -c`), SETS]);
      assertEquals(out, { status: 0, stdout: EMPTY, stderr: "" }, flags);
    }
    const running = start([...words("run --rm --name it starter sh -c"), "echo ready; sleep 1000"]);
    await until("the container", () => running.stdout() === "ready\n");
    for (const flags of ["", "--privileged", "-u 1000:1000"]) {
      const out = await runCommand([...caller, ...command, ...words(`exec ${flags} it sh -c`), SETS]);
      assertEquals(out, { status: 0, stdout: EMPTY, stderr: "" }, `exec ${flags}`);
    }
    await mini(["kill", "it"]);
    await running.output;
  },
  [needsProgram("setpriv")],
);

miniTest(
  "a caller's groups do not come along, with exec either (CVE-2022-36109, CVE-2023-25173)",
  async ({ mini, start, command }) => {
    const caller = words("setpriv --groups 4,20,24");
    const groups = "grep Groups: /proc/self/status";
    const run = await runCommand([...caller, ...command, ...words("run --rm -u 1000:1000 starter sh -c"), groups]);
    assertEquals(run.stdout, "Groups:\t1000 \n");
    const running = start([...words("run --rm --name it starter sh -c"), "echo ready; sleep 1000"]);
    await until("the container", () => running.stdout() === "ready\n");
    const exec = await runCommand([...caller, ...command, ...words("exec -u 1000:1000 it sh -c"), groups]);
    assertEquals(exec.stdout, "Groups:\t1000 \n");
    for (const user of ["4294967295", "4294967296", "18446744073709551616", "-1", "0x0", "1000:4294967295"]) {
      // CVE-2024-40635, CVE-2026-30892: a number that is none must not become root.
      const out = await mini(["exec", "-u", user, "it", "id"]);
      assert(out.status !== 0 && out.stdout === "", `${user}: ${out.stdout}`);
    }
    await mini(["kill", "it"]);
    await running.output;
  },
  [needsProgram("setpriv")],
);

miniTest("the working directory of exec is inside, too (CVE-2024-21626)", async ({ mini, start }) => {
  const running = start([
    ...words("run --rm --name it starter sh -c"),
    "ln -s /proc/self/fd/8 /work; echo ready; sleep 1000",
  ]);
  await until("the container", () => running.stdout() === "ready\n");
  for (const path of ["/work", ...Array.from({ length: 12 }, (_, i) => `/proc/self/fd/${i}`)]) {
    const out = await mini(["exec", "-w", path, "it", "cat", "../../../../../etc/hostname"]);
    assert(out.status !== 0 && out.stdout === "", `${path}: ${out.stdout}`);
  }
  await mini(["kill", "it"]);
  await running.output;
});

miniTest("the cgroup tree cannot be written, however it is asked for (CVE-2023-25809)", async ({ inside }) => {
  const script = `
    cd /sys/fs/cgroup 2>/dev/null || exit 0
    mkdir made 2>/dev/null && echo made; (echo 1 > cgroup.procs) 2>/dev/null && echo moved
    for f in cgroup.subtree_control cgroup.freeze notify_on_release release_agent; do (echo 1 > $f) 2>/dev/null && echo $f; done
    mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo remounted; mount -o remount,rw,bind /sys/fs/cgroup 2>/dev/null && echo remounted
    mkdir /tmp/c && mount -t cgroup2 x /tmp/c 2>/dev/null && echo mounted; cat /proc/self/cgroup | grep -v ':/$' | grep '^0::'; true`;
  const user = needsIdmaps() === undefined ? ["--userns auto"] : [];
  for (const flags of ["", ...user, "-u 1000", "--pid host", "--cap-add ALL --cap-drop SYS_ADMIN"]) {
    assertEquals(await inside(script, ...words(flags)), "", flags);
  }
});

miniTest("a sysctl is one value of one namespace (CVE-2022-0811)", async ({ mini }) => {
  const watched = ["kernel/core_pattern", "vm/swappiness", "kernel/domainname", "net/ipv4/ip_forward"];
  const host = () => watched.map((path) => Deno.readTextFileSync(`/proc/sys/${path}`));
  const before = host();
  const run = (sysctl: string) =>
    mini(["run", "--rm", "--sysctl", sysctl, "starter", "cat", "/proc/sys/net/ipv4/ip_forward"]);
  for (
    const sysctl of [
      "kernel.shm_rmid_forced+kernel.core_pattern=1",
      "kernel.shmmax=1\nkernel.core_pattern=x",
      "kernel.domainname=a\nkernel.core_pattern=b",
      "kernel.shm_rmid_forced=1+kernel.core_pattern=|/evil",
      "kernel/core_pattern=x",
      "net.ipv4.../../kernel/core_pattern=x",
      "net...kernel.core_pattern=x",
      "kernel.shmmax.core_pattern=x",
      "fs.mqueue.../../kernel/core_pattern=x",
    ]
  ) {
    assertRefused(await run(sysctl), 125);
    assertEquals(host(), before, sysctl);
  }
  // All of it is the value, of which the kernel takes the number.
  const { status, stdout } = await run("net.ipv4.ip_forward=1 kernel.core_pattern=x");
  assert(status === 125 || stdout === "1\n", stdout);
  assertEquals(host(), before);
});

miniTest(
  "no socket of mini's can be reached from a container with the host's network (CVE-2020-15257)",
  async ({ mini, inside, state }) => {
    const abstract = () => Deno.readTextFileSync("/proc/net/unix").split("\n").filter((line) => / @.*mini/.test(line));
    assertEquals((await mini(words("run -d --name it starter sleep 1000"))).status, 0);
    assertEquals(abstract(), []);
    // From inside, nothing with a path can be reached either: it is in folders that only the host's root may enter.
    const mode = Deno.statSync(state).mode! & 0o777;
    const folders = [...Deno.readDirSync(state)].filter((e) => e.isDirectory).map(({ name }) =>
      Deno.statSync(`${state}/${name}`).mode! & 0o077
    );
    assert((mode & 0o077) === 0 || folders.every((m) => m === 0), `${mode.toString(8)} ${folders}`);
    assertEquals(await inside("grep @ /proc/net/unix | grep -c mini || true", "--network", "host"), "0\n");
    await mini(["rm", "-f", "it"]);
  },
);

miniTest(
  "a process of another container cannot trace one that is being made in its pid namespace",
  async ({ mini, start, inside }) => {
    // What tells the host's root from the image's.
    const tell = "[ -e /usr/lib/os-release ] || echo no";
    assertEquals([Deno.statSync("/usr/lib/os-release").isFile, await inside(tell)], [true, "no\n"]);
    const running = start([
      ...words("run --rm --name it --userns auto --privileged starter sh -c"),
      "echo ready; sleep 1000",
    ]);
    await until("the container", () => running.stdout() === "ready\n");
    // It looks at everything that comes by, for a root that is not its own.
    const watcher = start([
      ...words("exec it sh -c"),
      "echo watching; end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do for p in /proc/[0-9]*; do [ -e $p/root/usr/lib/os-release ] && echo host; cat $p/environ 2>/dev/null | grep -q HOST_SECRET && echo secret; done; done; true",
    ]);
    await until("the watcher", () => watcher.stdout().includes("watching"));
    for (let i = 0; i < 8; i++) {
      const out = await mini(words("run --rm --pid container:it --userns container:it starter true"), {
        env: { HOST_SECRET: "1" },
      });
      assertEquals([out.status, out.stderr], [0, ""]);
    }
    assertEquals((await watcher.output).stdout, "watching\n");
    await mini(["kill", "it"]);
    await running.output;
  },
  [needsIdmaps()],
);

miniTest(
  "a container's /proc/self/exe is its own, in other containers' namespaces too (CVE-2019-5736)",
  async ({ mini, inside, start }) => {
    const running = start([
      ...words("run --rm --name it --cap-add SYS_PTRACE starter sh -c"),
      "echo ready; sleep 1000",
    ]);
    await until("the container", () => running.stdout() === "ready\n");
    const watcher = start([
      ...words("exec it sh -c"),
      "echo watching; end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do for p in /proc/[0-9]*; do readlink $p/exe; done; done 2>/dev/null | sort -u",
    ]);
    await until("the watcher", () => watcher.stdout().includes("watching"));
    for (let i = 0; i < 5; i++) {
      assertEquals((await mini(words("run --rm --pid container:it starter true"))).status, 0);
      assertEquals((await mini(words("exec it true"))).status, 0);
    }
    for (const path of (await watcher.output).stdout.trim().split("\n").slice(1)) {
      assertMatch(path, /^(\/bin\/busybox|\/memfd:mini \(deleted\))$/);
    }
    await mini(["kill", "it"]);
    await running.output;
    assertEquals(await inside("readlink /proc/self/exe"), "/bin/busybox\n");
  },
  [needsNewerCalls()],
);

miniTest("no process of exec is ever seen with more capabilities than its program has", async ({ mini, start }) => {
  const running = start([...words("run --rm --name it starter sh -c"), "echo ready; sleep 1000"]);
  await until("the container", () => running.stdout() === "ready\n");
  const watcher = start([
    ...words("exec it sh -c"),
    "echo watching; end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do grep -h ^CapPrm /proc/[0-9]*/status; done 2>/dev/null | sort -u",
  ]);
  await until("the watcher", () => watcher.stdout().includes("watching"));
  for (const flags of ["", "-u 1000", "-t", "-d"]) {
    for (let i = 0; i < 3; i++) assertEquals((await mini(words(`exec ${flags} it true`))).status, 0);
  }
  const seen = (await watcher.output).stdout.trim().split("\n").slice(1);
  const container = 0xa80425fbn;
  for (const line of seen) assertEquals(BigInt(`0x${line.split("\t")[1]}`) & ~container, 0n, line);
  await mini(["kill", "it"]);
  await running.output;
});
