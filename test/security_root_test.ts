/** Hostile images and roots: what they try must fail, and nothing outside of the container may change. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { isMissing } from "../ffi/available.ts";
import { assertRefused, type Context, MINI, miniTest, runCommand } from "./harness.ts";

/** A root filesystem with a busybox, as `/bin/sh`. */
async function makeRoot({ inside, folder }: Context, name = "rootfs"): Promise<string> {
  const root = `${folder}/${name}`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/sh", "-v", `${root}/bin:/v`);
  return root;
}

/** What a container must not change: the names in folders of the host, and the state of some of its files. */
async function host(): Promise<string> {
  const names = ["/", "/etc", "/dev", "/tmp", "/proc/sys", "/root"].map((folder) =>
    [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((n) => !/^(mini-|deno_|\.|tmp)/.test(n)).sort()
      .join(" ")
  );
  const files = ["/dev/null", "/etc/passwd", "/dev/zero", MINI].map((path) => {
    const { mode, uid, gid, size, mtime, ino } = Deno.statSync(path);
    return [path, mode, uid, gid, size, path.startsWith("/dev") ? 0 : mtime?.getTime(), ino].join(" ");
  });
  const { stdout } = await runCommand(["hostname"]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile("/etc/passwd")));
  return [...files, stdout, digest.join(), ...names.slice(1, 2), ...names.slice(4)].join("\n");
}

miniTest("links in the place of /dev, /proc, /sys and /etc lead nowhere out of the container", async (context) => {
  const { mini, folder } = context, before = await host();
  const outside = `${folder}/outside`;
  Deno.mkdirSync(outside);
  const up = "../".repeat(20);
  const targets = [
    outside,
    `${up}${outside.slice(1)}`,
    "/etc",
    `${up}etc`,
    "/proc/self/root",
    "/proc/1/root/etc",
    "/",
    ".",
    "dev",
    "/proc",
  ];
  const root = await makeRoot(context);
  for (const place of ["dev", "proc", "sys", "etc", "dev/pts", "dev/shm", "dev/mqueue", "sys/fs", "tmp"]) {
    for (const target of targets) {
      const path = `${root}/${place}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.symlinkSync(target, path);
      const out = await mini([
        "run",
        "--rm",
        "-v",
        `${folder}:/etc/x/y`,
        "--tmpfs",
        "/tmp/a/b",
        "--rootfs",
        root,
        "sh",
        "-c",
        "echo x > /dev/x; echo x > /etc/made; true",
      ]);
      // Some of them make a container that works, in its own way; others are refused. None is our own confusion.
      if (out.status === 125) assertRefused(out, 125);
      else assert([0, 1, 2, 126, 127].includes(out.status), `${place} -> ${target}: ${out.status} ${out.stderr}`);
      assert(!out.stderr.includes("internal error"), out.stderr);
      assertEquals([...Deno.readDirSync(outside)], [], `${place} -> ${target}`);
      for (const name of ["dev", "proc", "sys", "etc", "tmp"]) {
        try {
          Deno.removeSync(`${root}/${name}`, { recursive: true });
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    }
  }
  assertEquals(await host(), before);
});

miniTest("a program that is #!/proc/self/exe never gets hold of mini", async (context) => {
  const { mini } = context, before = await host();
  const root = await makeRoot(context);
  for (const line of ["#!/proc/self/exe\n", "#!/proc/1/exe\n", "#!/proc/self/fd/3\n", "#!/proc/thread-self/exe x\n"]) {
    Deno.writeTextFileSync(`${root}/bin/evil`, line);
    Deno.chmodSync(`${root}/bin/evil`, 0o755);
    for (const flags of [[], ["--init"], ["-t"], ["-u", "1000"]]) {
      const { status } = await mini(["run", "--rm", ...flags, "--rootfs", root, "evil"]);
      assertNotEquals(status, 0, `${line} ${flags}`);
    }
  }
  // From inside, what runs is the image's own, and the init is a sealed file of a few kB in memory.
  const script = `
    readlink /proc/1/exe; (echo x > /proc/1/exe) 2>/dev/null && echo written
    wc -c < /proc/1/exe; ls -l /proc/1/fd | grep -c mini`;
  const out = (await mini(["run", "--rm", "--init", "starter", "sh", "-c", script])).stdout.trim().split("\n");
  assertEquals([out[0], out.length], ["/memfd:mini (deleted)", 3]);
  assert(Number(out[1]) < 1 << 17, `${out[1]} bytes`);
  assertEquals(out[2], "0");
  assertEquals(await host(), before);
});

miniTest("no descriptor of the host is open in a container, nor found by a working directory", async (context) => {
  const { mini, folder, inside } = context;
  for (const n of [0, 3, 4, 5, 6, 7, 8, 9, 10, 20]) {
    const out = await mini(["run", "--rm", "-w", `/proc/self/fd/${n}`, "starter", "pwd"]);
    // Looked up from outside of the pid namespace, there is nothing already at /proc/self.
    assertRefused(out, 125, isMissing("openat2") ? "/proc/self" : `/proc/self/fd/${n}`);
  }
  for (const path of ["/proc/self/cwd", "/proc/1/root", "/proc/self/root/etc", "/proc/1/cwd/../x/proc/self/cwd"]) {
    assertRefused(await mini(["run", "--rm", "-w", path, "starter", "pwd"]), 125);
  }
  const root = await makeRoot(context);
  Deno.symlinkSync("/proc/self/fd/8", `${root}/work`);
  assertRefused(await mini(["run", "--rm", "-w", "/work", "--rootfs", root, "sh", "-c", "pwd"]), 125, "/work");
  // A caller that leaves descriptors open, without close-on-exec.
  Deno.writeTextFileSync(`${folder}/secret`, "secret\n");
  const script = "for n in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/1/fd/$n ] && readlink /proc/1/fd/$n; done; true";
  const out = await runCommand([
    "sh",
    "-c",
    'exec 5<"$0"; exec 7</; exec 9>/dev/null; exec "$@"',
    `${folder}/secret`,
    ...context.command,
    ...["run", "--rm", "starter", "sh", "-c", script],
  ]);
  assertEquals(out, { status: 0, stdout: "", stderr: "" });
  assertEquals(await inside("cat /proc/1/fd/0 | wc -c"), "0\n");
});

miniTest("root in a container cannot change the host's null device", async ({ mini }) => {
  const before = await host();
  const script = `
    chmod 600 /proc/interrupts /proc/keys /proc/timer_list /dev/stdin /proc/self/fd/0 /proc/1/fd/0 /dev/fd/0
    chown 5:5 /proc/interrupts /proc/keys /dev/stdin /proc/1/fd/0
    touch -d @0 /proc/interrupts /dev/stdin
    rm -f /dev/null; true`;
  for (const flags of [[], ["-i"], ["-t"], ["--init"], ["--cap-add", "SYS_ADMIN"], ["--read-only"]]) {
    const { status } = await mini(["run", "--rm", ...flags, "starter", "sh", "-c", script]);
    assertEquals(status, 0);
    assertEquals(await host(), before, flags.join(" "));
  }
});

miniTest("nothing is mounted in /proc, by its name or through links", async (context) => {
  const { mini, folder, inside } = context;
  Deno.mkdirSync(`${folder}/v`);
  Deno.writeTextFileSync(`${folder}/v/cpuinfo`, "mine\n");
  const run = (...flags: string[]) => mini(["run", "--rm", ...flags, "starter", "true"]);
  for (
    const place of [
      "/proc",
      "/proc/",
      "//proc/.",
      "/x/../proc",
      "/proc/self",
      "/proc/self/attr",
      "/proc/1/ns",
      "/proc/sys",
      "/proc/kcore",
    ]
  ) {
    assertRefused(await run("-v", `${folder}/v:${place}`), 125, "/proc");
    assertRefused(await run("--tmpfs", place), 125, "/proc");
  }
  assertEquals(await inside("cat /proc/cpuinfo", "-v", `${folder}/v/cpuinfo:/proc/cpuinfo`), "mine\n");
  const root = await makeRoot(context);
  for (
    const [link, target] of [["to_proc", "/proc"], ["to_attr", "proc/self/attr"], ["to_sys", "../../proc/sys"]] as const
  ) {
    Deno.symlinkSync(target, `${root}/${link}`);
    for (const flags of [["-v", `${folder}/v:/${link}`], ["--tmpfs", `/${link}`]]) {
      assertRefused(await mini(["run", "--rm", ...flags, "--rootfs", root, "sh", "-c", "true"]), 125, `/${link}`);
    }
  }
});

miniTest("passwd and group files that are no files are as good as none", async (context) => {
  const { mini } = context;
  const root = await makeRoot(context), etc = `${root}/etc`;
  Deno.mkdirSync(etc);
  const run = (...flags: string[]) =>
    mini(["run", "--rm", ...flags, "--rootfs", root, "sh", "-c", "echo $HOME"], { timeout: 10_000 });
  const make: Record<string, () => void | Promise<unknown>> = {
    "a link to the host's": () => Deno.symlinkSync("/etc/passwd", `${etc}/passwd`),
    "a link up and out": () => Deno.symlinkSync("../../../../../../../etc/passwd", `${etc}/passwd`),
    "a link to itself": () => Deno.symlinkSync("passwd", `${etc}/passwd`),
    "a link to a descriptor": () => Deno.symlinkSync("/proc/self/fd/0", `${etc}/passwd`),
    "a folder": () => Deno.mkdirSync(`${etc}/passwd`),
    "a FIFO": () => runCommand(["mkfifo", `${etc}/passwd`]),
    "an endless device": () => runCommand(["mknod", `${etc}/passwd`, "c", "1", "5"]),
    "a device that there is not": () => runCommand(["mknod", `${etc}/passwd`, "c", "240", "250"]),
    "noise": () => Deno.writeFileSync(`${etc}/passwd`, crypto.getRandomValues(new Uint8Array(60_000))),
    "a huge file of holes": () => {
      Deno.writeTextFileSync(`${etc}/passwd`, "");
      Deno.truncateSync(`${etc}/passwd`, 1 << 30);
    },
  };
  for (const [what, put] of Object.entries(make)) {
    await put();
    assertEquals((await run()).stdout, "/\n", what);
    assertEquals((await run("-u", "1234")).stdout, "/\n", what);
    assertRefused(await run("-u", "nobody"), 125, "nobody");
    Deno.removeSync(`${etc}/passwd`, { recursive: true });
  }
  Deno.writeTextFileSync(
    `${etc}/passwd`,
    "evil:x:-1:0::/:\nevil:x:4294967296:0::/:\nevil:x:0x0:0::/:\nevil\nevil:::::\n:x:0:0\n",
  );
  assertRefused(await run("-u", "evil"), 125, "evil");
  Deno.writeTextFileSync(`${etc}/passwd`, "odd:x:7:99999999999:gecos:relative/home:\n");
  assertEquals((await run("-u", "odd")).stdout, "/\n");
});

miniTest("supplementary groups are set, with the primary one among them", async ({ inside }) => {
  // A caller's own groups must not come along (CVE-2022-36109, CVE-2023-25173).
  assertEquals(await inside("grep Groups: /proc/self/status", "-u", "1000:1000"), "Groups:\t1000 \n");
  assertEquals(
    await inside("grep Groups: /proc/self/status", "-u", "1000:1000", "--group-add", "50"),
    "Groups:\t50 1000 \n",
  );
});

miniTest(
  "a container that is refused leaves no trace in its cgroup tree, mounts or store",
  async ({ mini, root, state }) => {
    for (const args of [["nosuch"], ["/etc"], ["/etc/passwd"]]) await mini(["run", "--rm", "starter", ...args]);
    for (
      const flags of [["-w", "/etc/passwd"], ["--mount", "type=bind,src=/nosuch-at-all,dst=/x"], [
        "--sysctl",
        "net.nosuch=1",
      ], [
        "-u",
        "nosuch",
      ]]
    ) {
      assertRefused(await mini(["run", "--rm", ...flags, "starter", "true"]), 125);
    }
    for (const folder of [`${root}/containers`, `${root}/names`, `${state}/containers`]) {
      assertEquals([...Deno.readDirSync(folder)], []);
    }
  },
);
