/** The flags of `mini run` about the program: what each does, and what it refuses. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, until } from "./harness.ts";
import { tinyElf } from "./tiny_elf.ts";

const words = (text: string) => text.split(" ").filter(Boolean);

miniTest("-e sets variables, takes the caller's value, and takes away", async ({ mini }) => {
  const env = async (flags: string[], options = {}) => {
    const { stdout, stderr, status } = await mini(["run", "--rm", "-h", "box", ...flags, "starter", "env"], options);
    assertEquals([status, stderr], [0, ""]);
    return stdout.trim().split("\n").filter((line) => !/^(PATH|HOSTNAME|HOME)=/.test(line));
  };
  assertEquals(await env(words("-e A=1 -e A=2 -e B= -e C=x=y")), ["A=2", "B=", "C=x=y"]);
  assertEquals(await env(["-e", "A=two\nlines", "-e", "-=odd", "-e", "ü=€"]), ["A=two", "lines", "-=odd", "ü=€"]);
  assertEquals(await env(words("-e GIVEN -e MISSING"), { env: { GIVEN: "of the caller" } }), ["GIVEN=of the caller"]);
  const { stdout } = await mini(words("run --rm -e HOME -e PATH=/usr/bin -e HOSTNAME=other starter env"), {
    onlyEnv: { PATH: "/usr/bin:/bin" },
  });
  assertEquals(
    stdout.trim().split("\n").sort(),
    ["HOSTNAME=other", "PATH=/usr/bin"],
    "-e HOME without a value takes it away",
  );
  for (const bad of ["=x", "", "A B=x"]) {
    assertRefused(await mini(["run", "--rm", "-e", bad, "starter", "env"]), 125, "--env", JSON.stringify(bad));
  }
});

miniTest(
  "--env-file reads lines, comments and Windows line endings, and names a bad line",
  async ({ mini, folder }) => {
    const file = `${folder}/env`;
    const run = (content: string | Uint8Array<ArrayBuffer>, ...more: string[]) => {
      if (typeof content === "string") Deno.writeTextFileSync(file, content);
      else Deno.writeFileSync(file, content);
      return mini(["run", "--rm", "--env-file", file, ...more, "starter", "env"], { env: { GIVEN: "1" } });
    };
    const own = (stdout: string) => stdout.split("\n").filter((l) => l && !/^(PATH|HOSTNAME|HOME)=/.test(l));
    assertEquals(own((await run("# comment\r\nA=1\r\n\n  B=2 \nGIVEN\nMISSING\nD=x=y #no comment\n")).stdout), [
      "A=1",
      "B=2 ",
      "GIVEN=1",
      "D=x=y #no comment",
    ]);
    assertEquals(own((await run("A=file\n", "-e", "A=flag")).stdout), ["A=flag"]);
    assertEquals(own((await run("\ufeffA=bom")).stdout), ["A=bom"]);
    assertRefused(await run("A=1\n=2\n"), 125, `${file}, line 2`, '"=2"');
    assertRefused(await run("A=1\n\nB C=2\n"), 125, `${file}, line 3`);
    assertRefused(await run(new Uint8Array([0xff, 0x3d, 0x31])), 125, file, "UTF-8");
    assertRefused(await run("A=x\0y\n"), 125, "NUL");
    assertRefused(await mini(["run", "--rm", "--env-file", folder, "starter", "env"]), 125, folder);
    assertRefused(await mini(["run", "--rm", "--env-file", `${folder}/no`, "starter", "env"]), 125, `${folder}/no`);
  },
);

miniTest("-w makes the folder that is missing, and is absolute and inside", async ({ mini, inside }) => {
  assertEquals(await inside("pwd; stat -c '%u:%g %a' .", "-w", "/new/deep/er"), "/new/deep/er\n0:0 755\n");
  assertEquals(await inside("pwd", "-w", "/root/../../../etc/"), "/etc\n");
  assertEquals(await inside("pwd", "-w", ""), "/\n");
  assertEquals(await inside("pwd", "-w", "/new", "-u", "1000"), "/new\n");
  assertRefused(await mini(words("run --rm -w relative starter pwd")), 125, '"relative"', "absolute");
  assertRefused(await mini(words("run --rm -w /etc/passwd starter pwd")), 125, "/etc/passwd", "not a directory");
  assertRefused(await mini(words("run --rm -w /etc/passwd/x starter pwd")), 125, "/etc/passwd/x", "not a directory");
});

miniTest("-u takes names and numbers of the container, with its groups", async ({ mini, inside }) => {
  const id = async (...flags: string[]) =>
    (await inside("id -u; id -g; grep Groups: /proc/self/status; echo $HOME", ...flags))
      .trim().split("\n").map((line) => line.replace("Groups:", "").trim()).join("|");
  assertEquals(await id(), "0|0|0 10|/root");
  assertEquals(await id("-u", "nobody"), "65534|65534|65534|/nonexistent");
  assertEquals(await id("-u", "1000"), "1000|0|0|/");
  assertEquals(await id("-u", "1000:1001"), "1000|1001|1001|/");
  assertEquals(await id("-u", "www-data:wheel"), "33|10|10|/var/www");
  assertEquals(await id("-u", ":wheel"), "0|10|10|/root");
  assertEquals(await id("-u", "0:0"), "0|0|0|/root", "a group named by hand is all there is");
  assertEquals(await id("-u", "4294967294:4294967294"), "4294967294|4294967294|4294967294|/");
  assertEquals(await id("-u", "1000", "--group-add", "wheel", "--group-add", "33"), "1000|0|0 10 33|/");
  const status = await inside("grep -E '^(Uid|Gid|Cap|NoNew)' /proc/self/status", "-u", "1000:1001");
  assertMatch(status, /^Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\n/);
  // As in Docker, a program of another user has none of root's rights, and no way to get them.
  assertMatch(status, /CapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t00000000a80425fb\nCapAmb:\t0{16}\nNoNewPrivs:\t1/);
  for (
    const [user, ...says] of [
      ["nosuch", "nosuch", "/etc/passwd"],
      ["1000:nosuch", "nosuch", "/etc/group"],
      ["-1", "-1"],
      ["4294967295", "4294967295"],
      ["4294967296", "4294967296"],
      ["18446744073709551616", "18446744073709551616"],
      ["1000:4294967295", "4294967295"],
      ["1000:", "USER:GROUP"],
      ["1:2:3", "USER:GROUP"],
      ["0x0", "0x0"],
      ["1e3", "1e3"],
      [" 0", '" 0"'],
      ["+0", "+0"],
    ] as const
  ) {
    assertRefused(await mini(["run", "--rm", "-u", user, "starter", "id"]), 125, ...says);
  }
  assertRefused(await mini(words("run --rm --group-add nosuch starter id")), 125, "nosuch", "/etc/group");
  assertRefused(await mini(words("run --rm --group-add 4294967295 starter id")), 125, "4294967295");
});

miniTest("--hostname names it in the kernel, the environment and /etc", async ({ mini, inside }) => {
  assertEquals(
    await inside("hostname; echo $HOSTNAME; cat /etc/hostname", "-h", "web_1.example"),
    "web_1.example\n".repeat(3),
  );
  assertMatch(await inside("hostname", "-h", ""), /^[0-9a-f]{12}\n$/);
  assertEquals(await inside("hostname", "-h", "a".repeat(64)), "a".repeat(64) + "\n");
  for (const bad of ["a b", "a\nb", "-a", "ü", "a".repeat(65), "a/b"]) {
    assertRefused(await mini(["run", "--rm", "-h", bad, "starter", "hostname"]), 125, "host name");
  }
  assert(!["a b", "-a"].includes(Deno.hostname()));
});

miniTest("--entrypoint is one program that the arguments follow", async ({ mini }) => {
  const run = (...args: string[]) => mini(["run", "--rm", ...args]);
  assertEquals((await run("--entrypoint", "/bin/echo", "starter", "a", "-e", "--rm")).stdout, "a -e --rm\n");
  assertEquals((await run("--entrypoint", "", "starter", "echo", "b")).stdout, "b\n");
  assertEquals(
    (await run("--entrypoint", "pwd", "starter")).stdout,
    "/\n",
    "the image's own command is not its argument",
  );
  assertRefused(await run("--entrypoint", "", "starter"), 125, "starter", "no program");
  assertRefused(await run("--entrypoint", "echo a", "starter"), 127, "echo a");
});

miniTest("--init is PID 1, reaps orphans, and hands signals and statuses on", async ({ mini, inside, start }) => {
  assertEquals(
    await inside(
      "echo $$; (sleep 0.05 &); (sleep 0.05 &); while set -- /proc/[0-9]*; [ $# -gt 2 ]; do sleep 0.05; done; echo $*",
      "--init",
    ),
    // In the end there are init and the shell, and no zombie.
    "2\n/proc/1 /proc/2\n",
  );
  assertEquals((await mini(words("run --rm --init starter sh -c"), {})).status, 2, "a usage error of sh");
  for (
    const [script, status] of [["exit 7", 7], ["exit 255", 255], ["kill -9 $$", 137], ["kill -TERM $$", 143], [
      "true",
      0,
    ]] as const
  ) {
    assertEquals((await mini(["run", "--rm", "--init", "starter", "sh", "-c", script])).status, status, script);
  }
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const) {
    const running = start(["run", "--rm", "--init", "starter", "sh", "-c", "echo ready; sleep 1000"]);
    await until("the program", () => running.stdout() === "ready\n");
    running.kill(signal);
    const { status } = await running.output;
    assertEquals(status, 128 + { SIGTERM: 15, SIGINT: 2, SIGHUP: 1, SIGUSR2: 12 }[signal], signal);
  }
  assertRefused(await mini(words("run --rm --init starter nosuch")), 127, "nosuch");
});

miniTest("a signal reaches the program, which may do as it likes", async ({ start }) => {
  const running = start([
    "run",
    "--rm",
    "starter",
    "sh",
    "-c",
    "trap 'echo got; exit 3' USR2; echo ready; while :; do sleep 0.05; done",
  ]);
  await until("the program", () => running.stdout() === "ready\n");
  running.kill("SIGUSR2");
  assertEquals(await running.output, { status: 3, stdout: "ready\ngot\n", stderr: "" });
});

miniTest("SIGUSR1 is the container's, and never opens an inspector of mini", async ({ start }) => {
  const running = start([
    ...words("run --rm starter sh -c"),
    "trap 'echo got' USR1; trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
  ]);
  const connects = async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port: 9229 })).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return false;
      throw error;
    }
  };
  const before = await connects();
  await until("the program", () => running.stdout() === "ready\n");
  running.kill("SIGUSR1");
  await until("the first signal", () => running.stdout() === "ready\ngot\n");
  // Deno begins to listen for itself half a second after its start.
  await new Promise((resolve) => setTimeout(resolve, 800));
  running.kill("SIGUSR1");
  await until("the second signal", () => running.stdout() === "ready\ngot\ngot\n");
  assertEquals(await connects(), before);
  running.kill("SIGTERM");
  assertEquals(await running.output, { status: 3, stdout: "ready\ngot\ngot\n", stderr: "" });
});

miniTest("--stop-signal is what mini stop sends", async ({ mini, start }) => {
  const script =
    "trap 'echo usr1; exit 4' USR1; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  for (
    const [flags, said, status] of [["--stop-signal USR1", "usr1", 4], ["--stop-signal 10", "usr1", 4], [
      "",
      "term",
      5,
    ]] as const
  ) {
    const running = start([...words(`run --rm --name stopped ${flags} starter sh -c`), script]);
    await until("the program", () => running.stdout() === "ready\n");
    assertEquals(await mini(["stop", "stopped"]), { status: 0, stdout: "stopped\n", stderr: "" });
    assertEquals(await running.output, { status, stdout: `ready\n${said}\n`, stderr: "" });
  }
  for (const bad of ["FOO", "65", "0", "", "RTMAX+1"]) {
    assertRefused(await mini(["run", "--rm", "--stop-signal", bad, "starter", "true"]), 125, "signal");
  }
});

miniTest("--cap-add and --cap-drop give exactly what they say", async ({ mini, inside }) => {
  const caps = async (...flags: string[]) => {
    const out = await inside("grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status", ...flags);
    const [inheritable, permitted, effective, bounding, ambient] = out.trim().split("\n").map((l) =>
      BigInt(`0x${l.split("\t")[1]}`)
    );
    assertEquals([inheritable, ambient], [0n, 0n]);
    assertEquals([permitted, effective], [bounding, bounding]);
    return bounding!;
  };
  const bit = (n: number) => 1n << BigInt(n), DEFAULT = 0xa80425fbn;
  const status = Deno.readTextFileSync("/proc/self/status");
  const own = BigInt(`0x${status.match(/CapBnd:\t(\w+)/)![1]}`) & BigInt(`0x${status.match(/CapPrm:\t(\w+)/)![1]}`);
  assertEquals(await caps("--cap-drop", "ALL"), 0n);
  assertEquals(await caps("--cap-drop", "all", "--cap-add", "chown"), bit(0));
  assertEquals(await caps("--cap-add", "sys_admin", "--cap-drop", "CAP_CHOWN"), DEFAULT & ~bit(0) | bit(21));
  assertEquals(await caps("--cap-add", "ALL"), own);
  assertEquals(await caps("--cap-add", "ALL", "--cap-drop", "SYS_ADMIN"), own & ~bit(21));
  assertRefused(await mini(words("run --rm --cap-add nope starter true")), 125, "--cap-add nope");
  assertRefused(await mini(words("run --rm --cap-drop 99 starter true")), 125, "--cap-drop 99");
});

miniTest(
  "--security-opt no-new-privileges=false lets setuid programs work, and only then",
  async ({ mini, folder }) => {
    Deno.writeFileSync(`${folder}/euid`, tinyElf());
    Deno.chmodSync(`${folder}/euid`, 0o4755);
    const user = (...flags: string[]) =>
      mini([...words(`run --rm -u 99:1000 -v ${folder}:/v`), ...flags, "starter", "/v/euid"]);
    assertEquals((await user()).status, 99);
    assertEquals((await user("--security-opt", "no-new-privileges")).status, 99);
    assertEquals((await user("--security-opt", "no-new-privileges=false")).status, 0);
    assertEquals((await user("--security-opt", "no-new-privileges:false")).status, 0);
    assertRefused(await user("--security-opt", "no-new-privileges=maybe"), 125, "no-new-privileges=maybe");
    assertRefused(await user("--security-opt", "nosuch=1"), 125, "nosuch=1");
  },
);

miniTest("--ulimit refuses what is no limit", async ({ mini }) => {
  for (
    const bad of ["foo=1", "nofile", "nofile=", "nofile=5:1", "nofile=-2", "nofile=1:2:3", "nofile=unlimited:5", "=5"]
  ) {
    assertRefused(await mini(["run", "--rm", "--ulimit", bad, "starter", "true"]), 125, "--ulimit");
  }
});

miniTest("--ulimit may leave a program with fewer open files than it takes to make its container", async (context) => {
  const { inside, mini } = context;
  for (const limit of ["nofile=64", "nofile=3", "nofile=16:2048", "nofile=4096:8192"]) {
    const [soft, hard = soft] = limit.slice("nofile=".length).split(":");
    const show = "ulimit -Sn; ulimit -Hn";
    assertEquals(await inside(show, "--ulimit", limit), `${soft}\n${hard}\n`);
    assertEquals(await inside(show, "--ulimit", limit, "--init"), `${soft}\n${hard}\n`);
    assertEquals((await mini(["run", "-d", "--name", "web", "--ulimit", limit, "starter", "sleep", "600"])).status, 0);
    assertEquals((await mini(["exec", "web", "sh", "-c", show])).stdout, `${soft}\n${hard}\n`);
    assertEquals((await mini(["rm", "-f", "web"])).status, 0);
  }
});

miniTest("--sysctl sets what a namespace has of its own, and nothing of the host", async ({ mini, inside }) => {
  const out = await inside(
    "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max",
    ...words(
      "--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=100000 --sysctl kernel.msgmax=1000 --sysctl fs.mqueue.msg_max=5",
    ),
  );
  assertEquals(out, "1\n100000\n1000\n5\n");
  const watched = ["net/ipv4/ip_forward", "kernel/core_pattern", "vm/swappiness", "kernel/shmmax"];
  const host = () => watched.map((path) => Deno.readTextFileSync(`/proc/sys/${path}`));
  const before = host();
  const run = (...args: string[]) => mini(["run", "--rm", ...args, "starter", "true"]);
  for (
    const [setting, ...says] of [
      ["kernel.core_pattern=|/bin/x", "kernel.core_pattern", "host"],
      ["vm.swappiness=1", "vm.swappiness", "host"],
      ["kernel.hostname=x", "kernel.hostname", "host"],
      ["net.nosuch=1", "net/nosuch"],
      ["net.ipv4.ip_forward=x", "ip_forward", "invalid"],
      ["net.ipv4.ip_forward=1\nkernel.core_pattern=x", "one line"],
      ["net.ipv4.ip_forward", "NAME=VALUE"],
      ["net/ipv4/ip_forward=1", "not the name"],
      ["net.ipv4.../../kernel.core_pattern=1", "not the name"],
      ["kernel.shmmax+net.x=1", "not the name"],
    ] as const
  ) {
    assertRefused(await run("--sysctl", setting), 125, ...says);
  }
  assertRefused(await run("--network", "host", "--sysctl", "net.ipv4.ip_forward=1"), 125, "network namespace");
  assertEquals(host(), before);
});
