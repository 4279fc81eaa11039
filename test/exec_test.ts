/** `mini exec`: further programs in a container that runs. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { trySyscall } from "../ffi/kernel.ts";
import { type Context, miniTest, type Running, until } from "./harness.ts";

/** Runs a container named `web` while the body runs. */
async function whileRunning(
  context: Context,
  body: (web: Running) => Promise<void>,
  ...flags: string[]
): Promise<void> {
  const script = "echo up; exec sleep 1000";
  const web = context.start(["run", "--rm", "--name", "web", ...flags, "starter", "sh", "-c", script]);
  try {
    await until("the container runs", () => web.stdout().includes("up"));
    await body(web);
  } finally {
    web.kill("SIGTERM");
    await context.mini(["rm", "-f", "web"]);
    await web.output;
  }
}

/** Reaps as an init does: the harness has made the tests the parent of whatever loses its own. */
function reapOrphans(name: string): void {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      if (stat.includes(`(${name}) Z ${Deno.pid} `)) trySyscall("wait4", Number(pid), null, 0, null);
    } catch {
      // it ended meanwhile
    }
  }
}

/** `mini exec web sh -c SCRIPT`. */
const inWeb = ({ mini }: Context, script: string, ...flags: string[]) =>
  mini(["exec", ...flags, "web", "sh", "-c", script]);

miniTest("a program joins every namespace, the cgroup and the rights of the container", async (context) => {
  await whileRunning(context, async () => {
    const script = `for n in pid mnt uts ipc net cgroup; do
        [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo "another $n"; done
      cat /proc/self/cgroup | grep ^0::
      for f in self 1; do grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/$f/status; done`;
    const { status, stdout, stderr } = await inWeb(context, script);
    assertEquals([status, stderr], [0, ""]);
    const [cgroup, ...lines] = stdout.trim().split("\n");
    assertEquals(cgroup, "0::/");
    const half = lines.length / 2;
    assert(half >= 7);
    assertEquals(lines.slice(0, half), lines.slice(half));
  });
});

miniTest("exit statuses are carried, and failures told apart", async (context) => {
  await whileRunning(context, async () => {
    assertEquals((await inWeb(context, "exit 7")).status, 7);
    assertEquals((await inWeb(context, "kill -9 $$")).status, 137);
    const missing = await context.mini(["exec", "web", "no-such-program"]);
    assertEquals(missing.status, 127);
    assertMatch(missing.stderr, /^mini: cannot run no-such-program: .*PATH.*\n$/);
    const folder = await context.mini(["exec", "web", "/etc"]);
    assertEquals([folder.status, folder.stderr], [126, "mini: cannot run /etc: it is a folder, not a program\n"]);
  });
});

miniTest("input, output and errors are the program's own", async (context) => {
  await whileRunning(context, async () => {
    const { stdout, stderr } = await context.mini(["exec", "-i", "web", "sh", "-c", "cat; echo bad >&2"], {
      stdin: "one\ntwo\n",
    });
    assertEquals([stdout, stderr], ["one\ntwo\n", "bad\n"]);
    // Without -i its input is empty, not ours.
    assertEquals((await inWeb(context, "cat; test -t 1 || echo none")).stdout, "none\n");
  });
});

miniTest("environment, user and working directory are the container's, changed by flags", async (context) => {
  await whileRunning(
    context,
    async () => {
      const plain = await inWeb(context, "echo $KEPT $HOME $(pwd) $(id -u)");
      assertEquals(plain.stdout, "yes /root /srv 0\n");
      const changed = await inWeb(context, "echo $KEPT $NEW $(pwd) $(id -u):$(id -g)", ...[
        ...["-e", "KEPT=no", "-e", "NEW=1", "-w", "/tmp", "-u", "nobody"],
      ]);
      assertMatch(changed.stdout, /^no 1 \/tmp 65534:\d+\n$/);
    },
    ...["-e", "KEPT=yes", "-w", "/srv"],
  );
});

miniTest("users and folders that are not in the container are refused", async (context) => {
  await whileRunning(context, async () => {
    const user = await inWeb(context, "true", "-u", "nosuchuser");
    assertEquals(user.status, 1);
    assertStringIncludes(user.stderr, 'there is no user "nosuchuser"');
    const relative = await inWeb(context, "true", "-w", "tmp");
    assertEquals(relative.status, 1);
    assertStringIncludes(relative.stderr, "must be an absolute path");
    const missing = await inWeb(context, "true", "-w", "/no/such/folder");
    assert(missing.status !== 0);
    assertStringIncludes(missing.stderr, "/no/such/folder");
  });
});

miniTest("--privileged gives every capability, and no more than once", async (context) => {
  await whileRunning(context, async () => {
    const bits = async (...flags: string[]) =>
      (await inWeb(context, "grep CapEff /proc/self/status", ...flags)).stdout.trim().split("\t")[1]!;
    const own = Deno.readTextFileSync("/proc/self/status").match(/^CapBnd:\t(.*)$/m)![1]!;
    assertEquals(await bits("--privileged"), own);
    assert(await bits() !== own);
  });
});

miniTest("a detached program goes on without its command", async (context) => {
  await whileRunning(context, async () => {
    const script = "until [ -e /tmp/go ]; do sleep 0.05; done; echo done > /tmp/file";
    const { status, stdout } = await inWeb(context, script, "-d");
    assertEquals([status, stdout], [0, ""]);
    assertEquals((await inWeb(context, "test -e /tmp/file")).status, 1);
    await inWeb(context, "touch /tmp/go");
    await until("its end", async () => (await inWeb(context, "cat /tmp/file")).stdout === "done\n");
    const missing = await context.mini(["exec", "-d", "web", "no-such-program"]);
    assertEquals(missing.status, 127);
    assertEquals((await inWeb(context, "true", "-d", "-i")).status, 1);
  });
});

miniTest("a program dies with its command, and with its container", async (context) => {
  await whileRunning(context, async (web) => {
    const running = async () => (await inWeb(context, "ps | grep -c 'sleep 300[0]'")).stdout.trim();
    const one = context.start(["exec", "web", "sleep", "3000"]);
    while (await running() !== "1") await new Promise((resolve) => setTimeout(resolve, 10));
    one.kill("SIGKILL");
    await one.output;
    while (await running() !== "0") await new Promise((resolve) => setTimeout(resolve, 10));
    reapOrphans("sleep");
    const two = context.start(["exec", "web", "sleep", "3000"]);
    while (await running() !== "1") await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals((await context.mini(["kill", "web"])).status, 0);
    assertEquals((await two.output).status, 137);
    await web.output;
  });
});

miniTest("nothing can be run in what does not run or does not exist", async ({ mini }) => {
  const none = await mini(["exec", "nobody", "true"]);
  assertEquals([none.status, none.stderr], [1, "mini: No such container: nobody; 'mini ps -a' lists them\n"]);
  await mini(["run", "--name", "done", "starter", "true"]);
  const ended = await mini(["exec", "done", "true"]);
  assertEquals(ended.status, 1);
  assertStringIncludes(ended.stderr, "container done is not running");
  await mini(["rm", "done"]);
});

miniTest("twenty programs at once in one container", async (context) => {
  await whileRunning(context, async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => inWeb(context, `echo ${i}; exit ${i}`)),
    );
    assertEquals(all.map((o) => [o.status, o.stdout.trim()]), all.map((_, i) => [i, `${i}`]));
  });
});

miniTest("what the container finds of a joining program is a sealed file, never mini", async (context) => {
  await whileRunning(context, async () => {
    // The attack of CVE-2019-5736: a program of the container's is replaced by one that executes its own executor.
    await inWeb(context, "printf '#!/proc/self/exe\\n' > /bin/trap; chmod 755 /bin/trap");
    const before = Deno.statSync(context.command[0]!);
    const { status } = await context.mini(["exec", "web", "trap"]);
    assert(status !== 0);
    const after = Deno.statSync(context.command[0]!);
    assertEquals([after.size, after.mtime, after.ino], [before.size, before.mtime, before.ino]);
  });
});

miniTest("whoever joins a container that is only being made never sees the host's files", async (context) => {
  const { mini, folder } = context;
  Deno.writeTextFileSync(`${folder}/marker`, "");
  for (let round = 0; round < 6; round++) {
    const name = `round${round}`;
    const running = context.start(["run", "--rm", "--name", name, "starter", "sh", "-c", "sleep 1000"]);
    await Promise.all(Array.from({ length: 8 }, async () => {
      await until("it is joined", async () => {
        const seen = await mini(["exec", name, "ls", `${folder}/marker`]);
        assert(seen.status !== 0, "it sees the host");
        return seen.stderr.includes("No such file");
      });
    }));
    await until("it runs", async () => (await mini(["kill", name])).status === 0);
    await running.output;
  }
});

miniTest("what the first program makes of its own root does not keep exec out", async ({ mini }) => {
  const script =
    "mkdir -p /jail/bin; cp /bin/busybox /jail/bin/sh; ln -s sh /jail/bin/sleep; mount --rbind / / && touch /mounted; " +
    "exec chroot /jail sh -c 'echo up; sleep 1000'";
  await mini(["run", "-d", "--name", "web", "--privileged", "starter", "sh", "-c", script]);
  await until("it runs", async () => (await mini(["logs", "web"])).stdout === "up\n");
  assertEquals((await mini(["exec", "web", "ls", "/jail", "/mounted"])).stdout, "/mounted\n\n/jail:\nbin\n");
  assertEquals((await mini(["rm", "-f", "web"])).status, 0);
});
