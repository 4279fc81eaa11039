/** `mini commit`: an image of what a container has become. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertRefused, type Context, miniTest, needsProgram, type Output, runCommand, until } from "./harness.ts";
import { missing } from "./registry/lab.ts";
import { startRegistry } from "./registry/server.ts";

const ok = ({ status, stdout, stderr }: Output) => {
  assertEquals([status, stderr], [0, ""], stdout);
  return stdout.trim();
};

/** Makes a container whose program has run `script`, and goes on running or not. */
async function makeWeb({ mini }: Context, isRunning: boolean, script: string, ...flags: string[]): Promise<void> {
  ok(
    await mini(["run", "-d", "--name", "web", ...flags, "starter", "sh", "-c", `${script}; touch /ready; sleep 1000`]),
  );
  for (let i = 0; (await mini(["exec", "web", "ls", "/ready"])).status !== 0; i++) assert(i < 300, "not ready");
  if (isRunning) return;
  ok(await mini(["kill", "web"]));
  await until("its end", async () => (await mini(["ps", "-q"])).stdout === "");
}

const CHANGES = `
  mkdir -p /a/b /replaced; echo text > /a/b/file; ln /a/b/file /a/hard; ln -s b /a/link; mkfifo /a/fifo; chmod 4711 /a/hard
  rm /etc/shells; rm -r /var; mkdir /var; echo new > /var/new; rmdir /opt; echo file > /opt; chown 12:34 /a/b
  truncate -s 20M /holes; echo end >> /holes; rm /bin/true; echo '#!/bin/sh' > /bin/true; echo /etc >> /etc/passwd`;

/** All files of a root, as lines; \`find\` of the host understands them all. */
async function treeOf(folder: string): Promise<string> {
  const script = `cd "$0" && find . \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./ready \\) -prune -o ` +
    `-printf '%p %y %m %U:%G %s %n %l\\n' | sed -E 's/ d ([0-7]+ [0-9:]+) [0-9]+ [0-9]+/ d \\1/' | LC_ALL=C sort; cat a/b/file; tail -c 4 holes`;
  const { stdout, stderr } = await runCommand(["sh", "-c", script, folder]);
  assertEquals(stderr, "");
  return stdout;
}

for (const isRunning of [true, false]) {
  miniTest(`the image has exactly the container's files (running: ${isRunning})`, async (context) => {
    const { mini, folder } = context;
    Deno.mkdirSync(`${folder}/vol`);
    Deno.writeTextFileSync(`${folder}/vol/secret`, "of the host");
    await makeWeb(context, isRunning, CHANGES, "-v", `${folder}/vol:/mnt`);
    const id = ok(await mini(["commit", "web", "new:1"]));
    assertMatch(id, /^sha256:[0-9a-f]{64}$/);
    const unpack = async (name: string) => {
      ok(await mini(["export", "-o", `${folder}/${name}.tar`, name]));
      Deno.mkdirSync(`${folder}/${name}`);
      await runCommand(["tar", "-C", `${folder}/${name}`, "--same-owner", "-xpf", `${folder}/${name}.tar`]);
      return await treeOf(`${folder}/${name}`);
    };
    ok(await mini(["run", "--name", "other", "new:1", "sh", "-c", "touch /ready"]));
    const other = await unpack("other");
    assertEquals(other, await unpack("web"));
    assert(other.includes("./a/hard f 4711 0:0 5 2 \n") && !other.includes("secret"), other);
    assertEquals(
      ok(await mini(["run", "--rm", "new:1", "sh", "-c", "cat /a/hard; ls /var"])),
      "text\nnew",
    );
    if (isRunning) assertEquals(ok(await mini(["exec", "web", "echo", "it goes on"])), "it goes on");
    await mini(["rm", "-f", "web", "other"]);
    await mini(["rmi", "new:1"]);
  });
}

miniTest(
  "the image's settings are the container's, with the changes, and its history tells of them",
  async (context) => {
    const { mini } = context;
    const settings = [
      "-c",
      "ENV IMAGE=1",
      "-c",
      "LABEL image=yes",
      "-c",
      "EXPOSE 80",
      "-c",
      "VOLUME /data",
      "-c",
      "USER 5",
    ];
    ok(await mini(["create", "--name", "first", "starter", "sh"]));
    ok(
      await mini(["commit", ...settings, "-c", "WORKDIR /srv", "-c", "ONBUILD RUN x", "-a", "First", "first", "base"]),
    );
    const inspect = async (image: string) => JSON.parse(ok(await mini(["image", "inspect", image])))[0];
    const base = await inspect("base");
    assertEquals([base.Config.User, base.Config.OnBuild, base.Config.Cmd], ["5", ["RUN x"], ["sh"]]);
    ok(
      await mini([
        "create",
        "--name",
        "web",
        "-e",
        "OWN=2",
        "-u",
        "0:7",
        "-l",
        "own=no",
        "--hostname",
        "h",
        "-t",
        ...[
          "-v",
          "/own",
          "-v",
          "named:/named",
          "--expose",
          "99/udp",
          "--network",
          "bridge",
          "-p",
          "81",
          "-p",
          "53/udp",
        ],
        ...["--health-cmd", "true", "--health-interval", "9s", "--stop-signal", "INT"],
        "base",
        "id",
      ]),
    );
    ok(await mini(["commit", "--author", "Ada", "-m", "second", "--pause=false", "web", "second"]));
    const second = await inspect("second");
    assertEquals(
      second.Config.Env.toSorted(),
      [
        "IMAGE=1",
        "OWN=2",
        base.Config.Env.find((e: string) => e.startsWith("PATH=")),
      ].toSorted(),
    );
    assertEquals([second.Author, second.Comment, second.Config.User, second.Config.WorkingDir], [
      "Ada",
      "second",
      "0:7",
      "/srv",
    ]);
    assertEquals([second.Config.Cmd, second.Config.OnBuild, second.Config.Volumes], [["id"], null, {
      "/data": {},
      "/own": {},
    }]);
    assertEquals([second.Config.StopSignal, second.Config.Healthcheck], ["INT", {
      Test: ["CMD-SHELL", "true"],
      Interval: 9_000_000_000,
    }]);
    assertEquals([second.Config.Labels, second.Config.ExposedPorts], [{ image: "yes", own: "no" }, {
      "80/tcp": {},
      "99/udp": {},
      "81/tcp": {},
      "53/udp": {},
    }]);
    assertEquals(second.RootFS.Layers.length, 3);
    // A new entrypoint takes the old command with it, and one that comes after the command does not.
    const other = async (...changes: string[]) => {
      const id = ok(await mini(["commit", ...changes.flatMap((change) => ["-c", change]), "web"]));
      const { Config } = await inspect(id);
      return [Config.Entrypoint, Config.Cmd, Config.Healthcheck?.Test];
    };
    assertEquals(await other('ENTRYPOINT ["/bin/app"]'), [["/bin/app"], null, ["CMD-SHELL", "true"]]);
    assertEquals(await other("CMD x", 'ENTRYPOINT ["/bin/app"]', "HEALTHCHECK CMD y"), [["/bin/app"], [
      "/bin/sh",
      "-c",
      "x",
    ], [
      "CMD-SHELL",
      "y",
    ]]);
    const history = ok(await mini(["history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "second"]));
    assertEquals(history.split("\n").slice(0, 2), ["id|second", "sh|"]);
    ok(await mini(["rm", "-v", "first", "web"]));
    ok(await mini(["volume", "rm", "named"]));
  },
);

miniTest("what is refused is refused with one sentence and leaves nothing in the store", async (context) => {
  const { mini, root } = context;
  await makeWeb(context, true, "echo x > /x");
  const store = () =>
    ["layers", "ingest", "leases", "blobs/sha256"].flatMap((name) =>
      [...Deno.readDirSync(`${root}/images/${name}`)].length
    );
  const before = store();
  assertRefused(await mini(["commit", "nobody"]), 1, "No such container: nobody");
  assertRefused(await mini(["commit", "-c", "RUN x", "web"]), 1, "the change", "RUN x");
  assertRefused(await mini(["commit", "web", "Not A Name"]), 1, "Not A Name");
  assertRefused(await mini(["commit", "web", `x@sha256:${"0".repeat(64)}`]), 1, "digest");
  ok(await mini(["exec", "web", "touch", "/etc/.wh.passwd"]));
  assertRefused(await mini(["commit", "web"]), 1, "etc/.wh.passwd", "remove another file");
  ok(await mini(["exec", "web", "rm", "/etc/.wh.passwd"]));
  assertEquals(store(), before);
  assertEquals(ok(await mini(["ps", "--format", "{{.Status}}"])).startsWith("Up"), true);
  ok(await mini(["rmi", "-f", "starter"]).then((output) => ({ ...output, stdout: "" })));
  assertRefused(await mini(["commit", "web"]), 1, "starter", "not here any more");
  await mini(["rm", "-f", "web"]);
});

miniTest("nothing changes while a container is read, and a killed commit leaves none frozen", async (context) => {
  const { mini, start, state } = context;
  // Two files that always say the same, but for an instant between two writes; and much to read between them.
  const script = "mkdir /d; dd if=/dev/zero of=/d/between bs=1M count=150 2>/dev/null; " +
    "(i=0; while :; do i=$((i+1)); for f in a z; do echo $i > /d/t; mv /d/t /d/$f; done; done) & until [ -e /d/z ]; do sleep 0.05; done";
  await makeWeb(context, true, script);
  const id = ok(await mini(["ps", "-q", "--no-trunc"]));
  const { cgroup } = JSON.parse(Deno.readTextFileSync(`${state}/containers/${id}/state.json`));
  const isFrozen = () => Deno.readTextFileSync(`${cgroup}/cgroup.freeze`).trim() === "1";
  ok(await mini(["commit", "web", "still"]));
  assertEquals(isFrozen(), false);
  const values = ok(await mini(["run", "--rm", "still", "cat", "/d/a", "/d/z"])).split("\n").map(Number);
  assert(Math.abs(values[0]! - (values[1] ?? 0)) <= 1, `${values}`);
  const committing = start(["commit", "web", "killed"]);
  await until("it is frozen", isFrozen);
  committing.kill("SIGKILL");
  await until("it goes on", () => !isFrozen());
  assertEquals((await committing.output).status, 137);
  // One that is paused by hand stays so.
  ok(await mini(["pause", "web"]));
  ok(await mini(["commit", "web", "paused"]));
  assertEquals(isFrozen(), true);
  await mini(["rm", "-f", "web"]);
  ok(await mini(["system", "check"]).then((output) => ({ ...output, stdout: "" })));
  ok(await mini(["image", "prune", "-f"]).then((output) => ({ ...output, stdout: "" })));
  assertEquals(
    [...Deno.readDirSync(`${context.root}/images/layers`)].filter(({ name }) => name.startsWith(".tmp")),
    [],
  );
});

miniTest("skopeo and umoci take the image, and so does a registry", async (context) => {
  const { mini, folder } = context;
  await makeWeb(context, false, `${CHANGES}; chmod 711 /`);
  await using registry = await startRegistry();
  const name = `${registry.host}/team/app:1`;
  ok(await mini(["commit", "web", name]));
  ok(await mini(["save", "--format", "oci-archive", "-o", `${folder}/image.tar`, name]));
  const run = async (...command: string[]) => {
    const { status, stderr } = await runCommand(command);
    assertEquals(status, 0, stderr);
  };
  await run("skopeo", "--insecure-policy", "copy", `oci-archive:${folder}/image.tar`, `oci:${folder}/layout:1`);
  await run("umoci", "unpack", "--image", `${folder}/layout:1`, `${folder}/bundle`);
  ok(await mini(["export", "-o", `${folder}/web.tar`, "web"]));
  Deno.mkdirSync(`${folder}/web`);
  await run("tar", "-C", `${folder}/web`, "-xpf", `${folder}/web.tar`);
  assertEquals(await treeOf(`${folder}/bundle/rootfs`), await treeOf(`${folder}/web`));
  assertEquals((await mini(["push", name])).status, 0);
  await run(
    "skopeo",
    "--insecure-policy",
    "copy",
    "--src-tls-verify=false",
    `docker://${name}`,
    `dir:${folder}/pulled`,
  );
  await mini(["rm", "-f", "web"]);
}, [needsProgram("umoci"), missing.length > 0 ? `no ${missing.join(", ")}` : undefined]);
