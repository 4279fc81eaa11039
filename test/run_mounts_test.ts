/** The flags of `mini run` about files: volumes, tmpfs, a read-only root, a folder as root. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest } from "./harness.ts";

miniTest("-v mounts folders and files, and ro keeps them as they are", async ({ mini, inside, folder }) => {
  const v = `${folder}/v`;
  Deno.mkdirSync(`${v}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${v}/file`, "of the host\n");
  assertEquals(
    await inside("cat /data/file; echo new > /data/made; cat /one", "-v", `${v}:/data`, "-v", `${v}/file:/one`),
    "of the host\nof the host\n",
  );
  assertEquals(Deno.readTextFileSync(`${v}/made`), "new\n");
  assertEquals(
    await inside(
      "(echo x > /data/file) 2>&1; (touch /data/sub/x) 2>&1; (rm /data/made) 2>&1; mount -o remount,rw /data 2>&1; true",
      "-v",
      `${v}:/data:ro`,
    ),
    "sh: can't create /data/file: Read-only file system\ntouch: /data/sub/x: Read-only file system\n" +
      "rm: can't remove '/data/made': Read-only file system\nmount: permission denied (are you root?)\n",
  );
  assertEquals(
    await inside("touch /data/x 2>&1 || echo no", "-v", `${v}:/data:rro`),
    "touch: /data/x: Read-only file system\nno\n",
  );
  assertEquals(Deno.readTextFileSync(`${v}/file`), "of the host\n");
  // Nothing passes between the host and the container later on.
  assertMatch(
    await inside("grep ' /data ' /proc/self/mountinfo", "-v", `${v}:/data:nosuid,nodev,noexec`),
    / \/data rw,nosuid,nodev,noexec,relatime - /,
  );
  assertRefused(
    await mini(["run", "--rm", "-v", `${v}/file:/one/below`, "-v", `${v}/file:/one`, "starter", "true"]),
    125,
    "/one/below",
  );
});

miniTest(
  "volumes land in one another, through links, and in folders that are made",
  async ({ mini, inside, folder }) => {
    for (const name of ["a", "b"]) {
      Deno.mkdirSync(`${folder}/${name}/inner`, { recursive: true });
      Deno.writeTextFileSync(`${folder}/${name}/name`, `${name}\n`);
    }
    const { a, b } = { a: `${folder}/a`, b: `${folder}/b` };
    assertEquals(await inside("cat /d/name /d/inner/name", "-v", `${b}:/d/inner`, "-v", `${a}:/d`), "a\nb\n");
    assertEquals([...Deno.readDirSync(`${a}/inner`)], []);
    assertEquals(
      await inside("cat /quite/new/place/name; stat -c '%u %a' /quite", "-v", `${a}:/quite/new/place`),
      "a\n0 755\n",
    );
    // The folder of the host has links that would lead out of the container.
    Deno.symlinkSync("/etc", `${a}/etc`);
    Deno.symlinkSync("../../../../../../tmp/escaped", `${a}/up`);
    assertEquals(
      await inside("cat /etc/vol/name; ls /d/etc/vol", "-v", `${a}:/d`, "-v", `${b}:/d/etc/vol`),
      "b\ninner\nname\n",
    );
    // To where such a link leads nothing is made, not even in the container.
    assertRefused(
      await mini(["run", "--rm", "-v", `${a}:/d`, "-v", `${b}:/d/up`, "starter", "true"]),
      125,
      "/d/up",
      "no such file",
    );
    for (const path of ["/etc/vol", "/tmp/escaped"]) assert(!exists(path), `${path} was made on the host`);
  },
);

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

miniTest("a volume's path may hold odd characters and be relative", async ({ mini, folder }) => {
  for (const name of ["a b", "a,b", "a#b?c%20", "ü€", "back\\slash", "$HOME", "'quoted\"", "new\nline", "-v"]) {
    Deno.mkdirSync(`${folder}/${name}`);
    Deno.writeTextFileSync(`${folder}/${name}/x`, name);
    const options = { cwd: `${folder}/${name}` };
    for (const source of [`${folder}/${name}`, ".", `../${name}`, "./../" + name]) {
      const { stdout, stderr } = await mini([
        "run",
        "--rm",
        "-v",
        `${source}:/mnt/${name}`,
        "starter",
        "cat",
        `/mnt/${name}/x`,
      ], options);
      assertEquals([stderr, stdout], ["", name]);
    }
  }
});

miniTest("volumes that cannot be are refused", async ({ mini, folder }) => {
  Deno.mkdirSync(`${folder}/v`);
  Deno.writeTextFileSync(`${folder}/f`, "");
  const run = (...args: string[]) => mini(["run", "--rm", ...args, "starter", "true"]);
  for (
    const [volume, ...says] of [
      [`${folder}/f/below:/data`, `${folder}/f/below`],
      [`${folder}/v:data`, "absolute"],
      [`${folder}/v:/`, "root itself"],
      [`${folder}/v:/data/..`, "root itself"],
      [`${folder}/v:/data:nosuch`, "nosuch"],
      [":/data", "HOST:CONTAINER"],
      ["", "HOST:CONTAINER"],
      ["a:/b:ro:c", "HOST:CONTAINER"],
      [`${folder}/v:/etc/passwd`, "/etc/passwd", "not a directory"],
      [`${folder}/v:/etc/passwd/x`, "/etc/passwd"],
    ] as const
  ) {
    assertRefused(await run("-v", volume), 125, ...says);
  }
  // Without SELinux there are no labels to give.
  const labelled = await run("-v", `${folder}/v:/data:Z`);
  if (labelled.status !== 0) assertRefused(labelled, 125, "SELinux");
  assertEquals(labelled.status === 0, !exists("/sys/fs/selinux/enforce"));
  const missing = `type=bind,src=${folder}/nosuch,dst=/data`;
  assertRefused(await run("--mount", missing), 125, `${folder}/nosuch`);
  assertRefused(await run("-v", `${folder}/v:/d`, "-v", `${folder}/v:/d/`), 125, "/d");
  assertRefused(await run("-v", `${folder}/v:/d`, "--tmpfs", "/d"), 125, "/d");
  // Onto a folder a file cannot be mounted; the kernel says so.
  assertRefused(await run("-v", `${folder}/f:/etc`), 125, "/etc");
});

miniTest("two hundred volumes are mounted", async ({ inside, folder }) => {
  const flags = Array.from({ length: 200 }, (_, i) => {
    Deno.mkdirSync(`${folder}/v${i}`);
    return ["-v", `${folder}/v${i}:/volumes/${i}:ro`];
  });
  assertEquals(await inside("grep -c ' /volumes/' /proc/self/mountinfo", ...flags.flat()), "200\n");
});

miniTest(
  "a volume takes the place of the container's own /etc files, /dev/shm and /sys",
  async ({ inside, folder }) => {
    Deno.writeTextFileSync(`${folder}/hosts`, "mine\n");
    Deno.mkdirSync(`${folder}/v`);
    assertEquals(await inside("cat /etc/hosts", "-v", `${folder}/hosts:/etc/hosts`), "mine\n");
    assertEquals(
      await inside(
        "ls -A /dev/shm; touch /dev/shm/x; ls -A /sys",
        "-v",
        `${folder}/v:/dev/shm`,
        "-v",
        `${folder}/v:/sys`,
      ),
      "x\n",
    );
    assertEquals([...Deno.readDirSync(`${folder}/v`)].map((e) => e.name), ["x"]);
  },
);

miniTest("--tmpfs mounts one with its options", async ({ mini, inside }) => {
  assertMatch(
    await inside("grep ' /t ' /proc/self/mountinfo; stat -c %a /t", "--tmpfs", "/t"),
    / \/t rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw\n1777\n$/,
  );
  assertMatch(
    await inside(
      "grep ' /t ' /proc/self/mountinfo; stat -c '%a %u:%g' /t",
      "--tmpfs",
      "/t:size=10m,mode=700,uid=5,gid=6,exec,nr_inodes=50",
    ),
    / \/t rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=10240k,nr_inodes=50,mode=700,uid=5,gid=6\n700 5:6\n$/,
  );
  assertEquals(await inside("touch /t/x 2>&1 || true", "--tmpfs", "/t:ro"), "touch: /t/x: Read-only file system\n");
  for (
    const [bad, says] of [["t", "absolute"], ["/", "root itself"], ["/t:nosuch", "nosuch"], ["/t:size=x", "size"], [
      "/t:mode=999",
      "mode=999",
    ]] as const
  ) {
    assertRefused(await mini(["run", "--rm", "--tmpfs", bad, "starter", "true"]), 125, says);
  }
});

miniTest("--shm-size is the size of /dev/shm", async ({ mini, inside }) => {
  assertMatch(await inside("grep ' /dev/shm ' /proc/self/mountinfo", "--shm-size", "1m"), /size=1024k\n$/);
  for (const bad of ["0", "x", "-1", ""]) {
    assertRefused(await mini(["run", "--rm", "--shm-size", bad, "starter", "true"]), 125, "--shm-size");
  }
});

miniTest("--read-only makes the root read-only and leaves the rest", async ({ inside }) => {
  const out = await inside(
    "for d in / /etc /tmp; do touch $d/x 2>/dev/null && echo wrote $d; done; for d in /dev/shm /new /dev; do touch $d/x && echo $d; done; pwd",
    ...["--read-only", "--tmpfs", "/new", "-w", "/made"],
  );
  assertEquals(out, "/dev/shm\n/new\n/dev\n/made\n");
});

miniTest("--rootfs runs in a folder as it is", async ({ mini, inside, folder }) => {
  const root = `${folder}/rootfs`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/bin/sh", "-v", `${root}:/v`);
  const run = (args: string[], options = {}) => mini(["run", "--rm", ...args], options);
  const { stdout, stderr, status } = await run([
    "--rootfs",
    root,
    "sh",
    "-c",
    "echo made > /here; echo $$; cat /proc/1/comm; true",
  ]);
  assertEquals([status, stderr, stdout], [0, "", "1\nsh\n"]);
  assertEquals(Deno.readTextFileSync(`${root}/here`), "made\n");
  assertEquals((await run(["--rootfs", "rootfs", "sh", "-c", "echo hi"], { cwd: folder })).stdout, "hi\n");
  assertEquals((await run(["--read-only", "--rootfs", root, "sh", "-c", "echo x > /no"])).status, 1);
  assertRefused(await run(["--rootfs", root, "nosuch"]), 127, "nosuch");
  assertRefused(await run(["--rootfs", root]), 125, "no program");
  assertRefused(await run(["--rootfs", `${folder}/nosuch`, "sh"]), 125, "nosuch", "no such folder");
  assertRefused(await run(["--rootfs", `${root}/here`, "sh"]), 125, "not a folder");
  assertRefused(await run(["--rootfs", "/", "sh"]), 125, "host itself");
  assertRefused(await run(["--rootfs", root, "--pull", "never", "sh"]), 125, "--pull");
  const empty = `${folder}/empty`;
  Deno.mkdirSync(empty);
  assertRefused(await run(["--rootfs", empty, "sh"]), 127, "sh");
});

miniTest("--label and --cidfile are written down", async ({ mini, folder }) => {
  const cid = `${folder}/cid`;
  assertEquals(
    (await mini(["run", "--name", "kept", "--cidfile", cid, "-l", "a=b=c", "--label", "empty", "starter", "true"]))
      .status,
    0,
  );
  const [container] = JSON.parse((await mini(["inspect", "kept"])).stdout);
  assertEquals(container.Config.Labels, { a: "b=c", empty: "" });
  assertEquals(container.Id, Deno.readTextFileSync(cid));
  assertEquals([container.State.Status, container.State.ExitCode, container.Name], ["exited", 0, "/kept"]);
  assertRefused(await mini(["run", "--rm", "--cidfile", cid, "starter", "true"]), 125, cid, "there already");
  assertRefused(
    await mini(["run", "--rm", "--cidfile", `${folder}/no/cid`, "starter", "true"]),
    125,
    `${folder}/no/cid`,
  );
  assertRefused(await mini(["run", "--rm", "-l", "=b", "starter", "true"]), 125, "--label");
  assertRefused(
    await mini(["run", "--rm", "--name", "kept", "starter", "true"]),
    125,
    "kept",
    "already in use",
    "mini rm kept",
  );
  assertEquals((await mini(["rm", "kept"])).status, 0);
});
