/** What a program in a default container sees of itself, of the kernel, and of the host. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { capabilityMask, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { miniTest } from "./harness.ts";

/** `Name:\tvalue` lines as a record. */
const fields = (text: string) =>
  Object.fromEntries(
    text.trim().split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );

miniTest("/proc/self/status shows Docker's capabilities and nothing blocked or ignored", async ({ inside }) => {
  const status = fields(await inside("exec cat /proc/self/status"));
  const mask = capabilityMask(DEFAULT_CAPABILITIES).toString(16).padStart(16, "0");
  assertEquals(mask, "00000000a80425fb");
  for (const set of ["CapPrm", "CapEff", "CapBnd"]) assertEquals([set, status[set]], [set, mask]);
  for (const set of ["CapInh", "CapAmb", "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"]) {
    assertEquals([set, status[set]], [set, "0".repeat(16)]);
  }
  const around = Number(/^Seccomp_filters:\s*(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
  assertEquals([status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]], ["1", "2", `${around + 1}`]);
  assertEquals([status["Uid"], status["Gid"]], ["0\t0\t0\t0", "0\t0\t0\t0"]);
  assertEquals(status["Groups"], "0 10", "root's own group and wheel, as the image's /etc/group has it");
  assertEquals([status["Pid"], status["PPid"], status["NSpid"], status["NSpgid"], status["NSsid"]], [
    "1",
    "0",
    "1",
    "1",
    "1",
  ]);
  assertEquals(status["Umask"], "0022");
  assertEquals([status["Threads"], status["TracerPid"]], ["1", "0"]);
});

miniTest("every namespace is the container's own but user and time", async ({ inside }) => {
  const lines = (await inside("cd /proc/self/ns; for n in *; do echo $n $(readlink $n); done")).trim().split("\n");
  assertEquals(lines.length, [...Deno.readDirSync("/proc/self/ns")].length);
  for (const line of lines) {
    const [name = "", ours] = line.split(" "), hosts = Deno.readLinkSync(`/proc/self/ns/${name}`);
    if (["user", "time", "time_for_children"].includes(name)) assertEquals(ours, hosts, name);
    else assertNotEquals(ours, hosts, name);
  }
});

/** One line of /proc/self/mountinfo, proc(5). */
function mountLine(line: string) {
  const [before = "", after = ""] = line.split(" - ");
  const [, , device, root, place, flags] = before.split(" "), [type, source, options] = after.split(" ");
  return {
    device,
    root,
    place: place!,
    flags: flags!,
    type: type!,
    source,
    options: options!,
    optional: before.split(" ").slice(6),
  };
}

miniTest("the mounts are exactly those of a container, each with its flags", async ({ inside, root }) => {
  const mounts = (await inside("exec cat /proc/self/mountinfo")).trim().split("\n").map(mountLine);
  for (const mount of mounts) assertEquals(mount.optional, [], `${mount.place} passes mounts on or takes them`);
  const seen = new Map(mounts.map((m) => [m.place, `${m.type} ${m.flags}`]));
  assertEquals(seen.size, mounts.length, "two mounts on one place");
  const take = (place: string) => {
    const found = seen.get(place);
    seen.delete(place);
    return found;
  };
  const NOTHING = "nosuid,nodev,noexec";
  assertEquals(take("/"), "overlay rw,relatime");
  assertEquals(take("/proc"), `proc rw,${NOTHING},relatime`);
  assertMatch(take("/dev")!, /^tmpfs rw,nosuid(,strictatime)?$/);
  assertEquals(take("/dev/pts"), "devpts rw,nosuid,noexec,relatime");
  assertEquals(take("/sys"), `sysfs ro,${NOTHING},relatime`);
  assertMatch(take("/sys/fs/cgroup") ?? "none", new RegExp(`^(cgroup2 ro,${NOTHING},relatime|none)$`));
  assertEquals(take("/dev/mqueue"), `mqueue rw,${NOTHING},relatime`);
  assertEquals(take("/dev/shm"), `tmpfs rw,${NOTHING},relatime`);
  for (const name of ["hostname", "hosts", "resolv.conf"]) {
    const mount = mounts.find((m) => m.place === `/etc/${name}`);
    assert(mount?.root?.includes(`/containers/`) && mount.root.endsWith(`/${name}`), name);
    assertMatch(take(`/etc/${name}`)!, / rw\b/);
  }
  // All that is left hides something or makes it read-only.
  for (const [place, how] of seen) {
    assertMatch(place, /^\/(proc|sys)\//);
    assertMatch(how, /^[a-z0-9]+ ro,nosuid,(nodev,)?noexec,relatime$/, place);
  }
  assertEquals(mounts.find((m) => m.place === "/dev/shm")!.options, "rw,size=65536k");
  assert(mounts.find((m) => m.place === "/")!.options.includes(`lowerdir=${root}/images/layers/`));
});

miniTest("what tells of the host is hidden, what changes it is read-only", async ({ inside }) => {
  const hidden = await inside(`
    for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts /proc/latency_stats; do
      [ -e $f ] && [ "$(head -c 1 $f | wc -c)" != 0 ] && echo "can read $f"
    done
    for d in /proc/acpi /proc/scsi /proc/asound /sys/firmware /sys/devices/virtual/powercap; do
      [ -e $d ] && [ -n "$(ls -A $d)" ] && echo "can look into $d"
    done
    for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity /proc/sys/vm/drop_caches \\
        /sys/kernel/mm/ksm/run /sys/fs/cgroup/cgroup.procs; do
      [ -e $f ] && (echo 0 > $f) 2>/dev/null && echo "can write $f"
    done
    for d in /sys /sys/fs/cgroup /proc/sys /proc/fs /proc/bus /sys/firmware; do
      [ -e $d ] && (mkdir $d/x || touch $d/x) 2>/dev/null && echo "can make files in $d"
    done
    mount -o remount,rw /sys 2>/dev/null && echo "can remount"
    umount /proc/keys 2>/dev/null && echo "can unmount"
    true`);
  assertEquals(hidden, "");
  assert(Deno.readTextFileSync("/proc/interrupts").length > 100, "the host itself must not have lost it");
});

miniTest(
  "PID 1 is the program, with three descriptors, in a session of its own and the cgroup's root",
  async ({ inside }) => {
    const out = await inside(`
    echo $$ $(cat /proc/1/comm)
    readlink /proc/1/cwd; readlink /proc/1/exe
    for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ -e /proc/1/fd/$fd ] && echo $fd; done
    grep '^0::' /proc/1/cgroup || echo none
    cat /proc/1/oom_score_adj
    cut -d' ' -f4-8 /proc/1/stat`);
    const lines = out.trim().split("\n");
    assertEquals(lines.slice(0, 3), ["1 sh", "/", "/bin/busybox"]);
    assertEquals(lines.slice(3, 6), ["0", "1", "2"]);
    assertMatch(lines[6]!, /^(0::\/|none)$/);
    assertEquals(lines[7], Deno.readTextFileSync("/proc/self/oom_score_adj").trim());
    assertEquals(lines[8], "0 1 1 0 -1", "parent, group, session, no terminal, no foreground group");
    assertEquals(lines.length, 9);
  },
);

miniTest("the environment is Docker's, with TERM only for a terminal", async ({ mini, inside }) => {
  const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const { stdout } = await mini(["run", "--rm", "-h", "box", "starter", "env"], {
    env: { SECRET: "of the host", LD_PRELOAD: "", TERM: "vt52" },
  });
  assertEquals(stdout.trim().split("\n").sort(), ["HOME=/root", "HOSTNAME=box", PATH]);
  const terminal = await mini(["run", "--rm", "-t", "-h", "box", "starter", "env"]);
  assertEquals(terminal.stdout.trim().split("\r\n").sort(), ["HOME=/root", "HOSTNAME=box", PATH, "TERM=xterm"]);
  assertMatch(await inside("echo $HOSTNAME"), /^[0-9a-f]{12}\n$/);
});

miniTest("the host name is the id's first twelve digits, in the kernel and in /etc", async ({ mini, folder }) => {
  const { stdout, status } = await mini([
    ..."run --rm --cidfile".split(" "),
    `${folder}/cid`,
    ..."starter sh -c".split(" "),
    "hostname; cat /etc/hostname; cat /etc/hosts; cat /etc/resolv.conf",
  ]);
  assertEquals(status, 0);
  const id = Deno.readTextFileSync(`${folder}/cid`);
  assertMatch(id, /^[0-9a-f]{64}$/);
  const [first, second, hosts] = stdout.split("\n");
  assertEquals([first, second], [id.slice(0, 12), id.slice(0, 12)]);
  assertEquals(hosts, "127.0.0.1\tlocalhost");
  assert(stdout.endsWith(Deno.readTextFileSync("/etc/resolv.conf")));
});

miniTest("limits are the caller's, and those asked for", async ({ inside }) => {
  const limits = async (...flags: string[]) =>
    Object.fromEntries(
      (await inside("exec cat /proc/self/limits", ...flags)).trim().split("\n").slice(1).map((line) => [
        line.slice(0, 26).trim(),
        line.slice(26).trim().split(/ +/).slice(0, 2).join(" "),
      ]),
    );
  const own = Deno.readTextFileSync("/proc/self/limits").split("\n").find((l) => l.startsWith("Max stack size"));
  const plain = await limits();
  assertEquals(plain["Max stack size"], own!.slice(26).trim().split(/ +/).slice(0, 2).join(" "));
  const asked = await limits(
    ..."--ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=500 --ulimit cpu=unlimited:unlimited --ulimit stack=4194304:-1"
      .split(
        " ",
      ),
  );
  assertEquals(asked["Max open files"], "100 200");
  assertEquals(asked["Max core file size"], "0 0");
  assertEquals(asked["Max processes"], "500 500");
  assertEquals(asked["Max cpu time"], "unlimited unlimited");
  assertEquals(asked["Max stack size"], "4194304 unlimited");
});

miniTest("without a network there is lo, and it is up", async ({ inside }) => {
  const out = await inside(
    "ls /sys/class/net; cat /proc/net/route | wc -l; ping -c 1 -w 2 127.0.0.1 >/dev/null && echo up",
  );
  assertEquals(out, "lo\n1\nup\n");
});

miniTest("with the host's network its interfaces and its name are there", async ({ mini }) => {
  const { stdout, stderr, status } = await mini(
    [
      "run",
      "--rm",
      "--network",
      "host",
      "starter",
      "sh",
      "-c",
      "ls /sys/class/net; readlink /proc/self/ns/net; cat /etc/hosts; hostname",
    ],
  );
  assertEquals([status, stderr], [0, ""]);
  for (const { name } of Deno.readDirSync("/sys/class/net")) assert(stdout.split("\n").includes(name), name);
  assert(stdout.includes(Deno.readLinkSync("/proc/self/ns/net")));
  assert(stdout.includes(Deno.readTextFileSync("/etc/hosts")));
  assertEquals((await mini(["run", "--rm", "--network", "host", "-h", "own", "starter", "hostname"])).stdout, "own\n");
  assertEquals(stdout.trimEnd().split("\n").at(-1), Deno.hostname());
});

miniTest("/dev has the usual devices and links, and they work", async ({ inside }) => {
  const out = await inside(`
    cd /dev; for n in *; do [ -h $n ] && echo "$n -> $(readlink $n)" || stat -c '%n %A %t,%T' $n; done
    echo lost > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; head -c 3 /dev/random | wc -c
    (echo x > /dev/full) 2>/dev/null || echo full
    echo out > /dev/stdout; cat /dev/stdin; ls /dev/fd/ | head -n 3 | tr '\\n' ' '; df /dev/shm | tail -n 1 | cut -d' ' -f1`);
  assertEquals(out.trim().split("\n").map((line) => line.trim()), [
    "core -> /proc/kcore",
    "fd -> /proc/self/fd",
    "full crw-rw-rw- 1,7",
    "mqueue drwxrwxrwt 0,0",
    "null crw-rw-rw- 1,3",
    "ptmx -> pts/ptmx",
    "pts drwxr-xr-x 0,0",
    "random crw-rw-rw- 1,8",
    "shm drwxrwxrwt 0,0",
    "stderr -> /proc/self/fd/2",
    "stdin -> /proc/self/fd/0",
    "stdout -> /proc/self/fd/1",
    "tty crw-rw-rw- 5,0",
    "urandom crw-rw-rw- 1,9",
    "zero crw-rw-rw- 1,5",
    "3",
    "3",
    "3",
    "full",
    "out",
    "0 1 2 shm",
  ]);
});

miniTest("what a container writes is its own, and gone with it", async ({ mini, root }) => {
  const write = await mini([
    "run",
    "--name",
    "writer",
    "starter",
    "sh",
    "-c",
    "echo mine > /etc/motd; rm /etc/group; mkdir /new",
  ]);
  assertEquals([write.status, write.stderr], [0, ""]);
  const other = await mini(["run", "--rm", "starter", "sh", "-c", "ls -d /etc/motd /new /etc/group 2>/dev/null"]);
  assertEquals(other.stdout, "/etc/group\n");
  assertEquals([...Deno.readDirSync(`${root}/containers`)].length, 1);
  assertEquals((await mini(["rm", "writer"])).status, 0);
  assertEquals([...Deno.readDirSync(`${root}/containers`)].length, 0);
});
