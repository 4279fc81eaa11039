/** Engines that others wrote, with mini as their OCI runtime: Podman, containerd and Docker, each with folders of its own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Context, MINI, miniTest, needsProgram, type Output, runCommand, until } from "./harness.ts";
import { makeBundle } from "./oci_bundle.ts";
import { ownDescendants } from "./leaks.ts";

const PATIENCE = { timeout: 90_000 };

/** The starter image's files as an archive, and `mini-runc`. */
async function prepare({ folder }: Context): Promise<{ archive: string; runtime: string }> {
  const bundle = await makeBundle(`${folder}/files`),
    archive = `${folder}/starter.tar`,
    runtime = `${folder}/mini-runc`;
  const { status, stderr } = await runCommand(["tar", "-C", `${bundle}/rootfs`, "-cf", archive, "."]);
  assertEquals([status, stderr], [0, ""]);
  await Deno.symlink(MINI, runtime);
  return { archive, runtime };
}

const CGROUPS = "/sys/fs/cgroup";
/** The cgroups that engines keep for all of their containers, in every hierarchy. */
const engineCgroups = () =>
  [CGROUPS, ...Array.from(Deno.readDirSync(CGROUPS), ({ name }) => `${CGROUPS}/${name}`)].flatMap((tree) =>
    ["default", "docker", "libpod_parent"].map((name) => `${tree}/${name}`)
  ).filter((path) => {
    try {
      return Deno.statSync(path).isDirectory;
    } catch {
      return false;
    }
  });

/** Removes a cgroup and all below it, unless somebody is in one of them. */
function removeCgroups(folder: string): void {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) if (isDirectory) removeCgroups(`${folder}/${name}`);
    Deno.removeSync(folder);
  } catch {
    // somebody else's containers are in it
  }
}

/** A test that takes away what an engine leaves of cgroups. */
function engineTest(name: string, body: (context: Context) => Promise<void>, needs: readonly string[]): void {
  miniTest(name, async (context) => {
    const before = engineCgroups();
    try {
      await body(context);
    } finally {
      engineCgroups().filter((path) => !before.includes(path)).forEach(removeCgroups);
    }
  }, needs.map(needsProgram));
}

/** A command line that has to succeed. */
async function succeed(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { status, stdout, stderr } = await runCommand(command, { ...PATIENCE, env });
  assert(status === 0, `${command.join(" ")}: status ${status}: ${stdout}${stderr}`);
  return stdout;
}

/** Starts a daemon, and ends it after the body. */
async function withDaemon(
  folder: string,
  command: readonly string[],
  socket: string,
  body: () => Promise<void>,
): Promise<void> {
  const log = await Deno.open(`${folder}/daemon.log`, { create: true, append: true });
  log.close();
  const [program = "", ...args] = command;
  const shell = ["-c", `exec "$@" >> ${folder}/daemon.log 2>&1`, "sh", program, ...args];
  const daemon = new Deno.Command("sh", { args: shell, stdin: "null" }).spawn();
  try {
    await until(`${program} listens`, () => Deno.stat(socket).then(() => true, () => false));
    await body();
  } catch (error) {
    throw new Error(`${error}\n${(await Deno.readTextFile(`${folder}/daemon.log`)).slice(-3000)}`, { cause: error });
  } finally {
    daemon.kill("SIGTERM");
    await daemon.status;
    // What it leaves behind (shims) is ours now.
    for (const pid of ownDescendants()) Deno.kill(pid, "SIGKILL");
  }
}

/** Runs a command in a terminal of its own, and gives what it printed there. */
const inTerminal = (command: readonly string[], env: Record<string, string> = {}): Promise<Output> =>
  runCommand(["script", "-qec", command.map((word) => `'${word}'`).join(" "), "/dev/null"], { ...PATIENCE, env });

engineTest("Podman runs, stops and looks into containers", async (context) => {
  const { folder } = context, { archive, runtime } = await prepare(context);
  await Deno.writeTextFile(
    `${folder}/containers.conf`,
    `[containers]
pids_limit = 0
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`,
  );
  const line = (...args: string[]) => [
    ...["podman", "--root", `${folder}/podman`, "--runroot", `${folder}/run`, "--tmpdir", `${folder}/tmp`],
    ...["--storage-driver", "vfs", "--runtime", runtime, ...args],
  ];
  const env = { CONTAINERS_CONF: `${folder}/containers.conf` };
  const podman = (...args: string[]) => succeed(line(...args), env);
  await podman("import", "--quiet", archive, "localhost/starter");
  const run = ["run", "--network", "none"];
  assertEquals(await podman(...run, "--rm", "localhost/starter", "echo", "hello"), "hello\n");
  const { status } = await runCommand(line(...run, "--rm", "localhost/starter", "sh", "-c", "exit 5"), {
    ...PATIENCE,
    env,
  });
  assertEquals(status, 5);
  const missing = await runCommand(line(...run, "--rm", "localhost/starter", "nosuch"), { ...PATIENCE, env });
  assertEquals(missing.status, 127);
  const options = ["--read-only", "--tmpfs", "/etc:rw", "--user", "1000", "--hostname", "box"];
  assertEquals(
    await podman(
      ...run,
      "--rm",
      ...options,
      "localhost/starter",
      "sh",
      "-c",
      "id -u; hostname; touch /x 2>/dev/null || echo no; test -e /etc/profile && echo copied",
    ),
    "1000\nbox\nno\ncopied\n",
  );
  const loop = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done";
  await podman(...run, "-d", "--name", "web", "--health-cmd", "echo fine", "localhost/starter", "sh", "-c", loop);
  assertEquals(await podman("exec", "web", "sh", "-c", "echo inside"), "inside\n");
  assertEquals((await runCommand(line("exec", "web", "nosuch"), { ...PATIENCE, env })).status, 127);
  await podman("healthcheck", "run", "web");
  await podman("pause", "web");
  assertMatch(await podman("ps", "-a", "--format", "{{.Status}}"), /^Paused/);
  await podman("unpause", "web");
  await podman("stop", "-t", "20", "web");
  assertEquals(await podman("logs", "web"), "up\n");
  assertEquals(await podman("inspect", "--format", "{{.State.ExitCode}}", "web"), "3\n");
  await podman("restart", "-t", "1", "web");
  await podman("rm", "--force", "--time", "0", "web");
  const terminal = await inTerminal(line(...run, "--rm", "-it", "localhost/starter", "sh", "-c", "tty; exit 4"), env);
  assertStringIncludes(terminal.stdout, "/dev/pts/0");
  assertEquals(terminal.status, 4);
  await podman("pod", "create", "--name", "pod", "--infra=false");
  assertEquals(await podman(...run, "--rm", "--pod", "pod", "localhost/starter", "echo", "in a pod"), "in a pod\n");
  await podman("pod", "rm", "--force", "pod");
}, ["podman", "script"]);

engineTest("containerd runs containers by its runc shim", async (context) => {
  const { folder } = context, { runtime } = await prepare(context);
  const socket = `${folder}/c.sock`;
  await Deno.writeTextFile(
    `${folder}/containerd.toml`,
    `version = 2
root = "${folder}/ctd"
state = "${folder}/ctd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket}"
[ttrpc]
address = "${folder}/t.sock"
`,
  );
  const ctr = (...args: string[]) => succeed(["ctr", "--address", socket, ...args]);
  await withDaemon(folder, ["containerd", "--config", `${folder}/containerd.toml`], socket, async () => {
    // An image would have to be an OCI archive; a folder is as good.
    const run = ["run", "--runc-binary", runtime, "--rootfs"], root = `${folder}/files/rootfs`;
    assertEquals(await ctr(...run, "--rm", root, "one", "echo", "hello"), "hello\n");
    const missing = await runCommand(["ctr", "--address", socket, ...run, "--rm", root, "two", "nosuch"], PATIENCE);
    assertStringIncludes(missing.stderr, "executable file not found in $PATH");
    await ctr(...run, "--detach", root, "web", "sleep", "1000");
    assertEquals(await ctr("task", "exec", "--exec-id", "e1", "web", "echo", "inside"), "inside\n");
    const terminal = await inTerminal([
      "ctr",
      "--address",
      socket,
      "task",
      "exec",
      "-t",
      "--exec-id",
      "e2",
      "web",
      "tty",
    ]);
    assertStringIncludes(terminal.stdout, "/dev/pts/0");
    await ctr("task", "pause", "web");
    assertMatch(await ctr("task", "ls"), /web\s+\d+\s+PAUSED/);
    await ctr("task", "resume", "web");
    assertMatch(await ctr("task", "ps", "web"), /^PID +INFO\n\d+/);
    await ctr("task", "kill", "--signal", "SIGKILL", "web");
    await until("its end", async () => /STOPPED/.test(await ctr("task", "ls")));
    await runCommand(["ctr", "--address", socket, "task", "rm", "web"], PATIENCE); // it exits with the task's status
    await ctr("container", "rm", "web");
  });
}, ["containerd", "ctr", "script"]);

engineTest("Docker runs, stops and builds with --add-runtime", async (context) => {
  const { folder } = context, { archive, runtime } = await prepare(context);
  const socket = `${folder}/d.sock`;
  const dockerd = [
    ...["unshare", "--net", "dockerd", "--add-runtime", `mini=${runtime}`, "--default-runtime", "mini"],
    ...["--data-root", `${folder}/docker`, "--exec-root", `${folder}/exec`, "--pidfile", `${folder}/d.pid`],
    ...["--host", `unix://${socket}`, "--bridge", "none", "--iptables=false", "--storage-driver", "vfs"],
    ...["--config-file", `${folder}/none.json`],
  ];
  await Deno.writeTextFile(`${folder}/none.json`, "{}");
  const docker = (...args: string[]) =>
    succeed(["docker", "--host", `unix://${socket}`, ...args], { DOCKER_BUILDKIT: "0" });
  const statusOf = async (...args: string[]) =>
    (await runCommand(["docker", "--host", `unix://${socket}`, ...args], PATIENCE)).status;
  await withDaemon(folder, dockerd, socket, async () => {
    await docker("import", archive, "starter");
    const run = ["run", "--network", "none"];
    assertEquals(await docker(...run, "--rm", "starter", "echo", "hello"), "hello\n");
    assertEquals(await statusOf(...run, "--rm", "starter", "sh", "-c", "exit 5"), 5);
    assertEquals(await statusOf(...run, "--rm", "starter", "nosuch"), 127);
    assertEquals(await statusOf(...run, "--rm", "starter", "/etc"), 126);
    const loop = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done";
    await docker(...run, "-d", "--name", "web", "starter", "sh", "-c", loop);
    assertEquals(await docker("exec", "web", "echo", "inside"), "inside\n");
    await docker("pause", "web");
    assertStringIncludes(await docker("ps", "--format", "{{.Status}}"), "Paused");
    await docker("unpause", "web");
    await docker("stop", "-t", "20", "web");
    assertEquals(await docker("inspect", "--format", "{{.State.ExitCode}}", "web"), "3\n");
    assertEquals(await docker("logs", "web"), "up\n");
    await docker("restart", "-t", "1", "web");
    await docker("rm", "--force", "web");
    await Deno.mkdir(`${folder}/build`);
    await Deno.writeTextFile(`${folder}/build/Dockerfile`, "FROM starter\nRUN echo built > /built\nCMD cat /built\n");
    await docker("build", "--network", "none", "--quiet", "--tag", "made", `${folder}/build`);
    assertEquals(await docker(...run, "--rm", "made"), "built\n");
    assertEquals(await docker(...run, "--rm", "--privileged", "starter", "echo", "all of it"), "all of it\n");
  });
}, ["dockerd", "docker", "unshare"]);
