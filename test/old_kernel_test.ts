/**
 * Kernels before Linux 5.12, and filters around mini that are older than the calls which it makes: openat2 and the mount calls by
 * descriptor are refused as such a kernel or filter refuses them. Containers are the same; what cannot be is refused by name. Most
 * of the other integration tests run once more like that (tools/test_lanes.ts).
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MOUNT_CALLS } from "../ffi/available.ts";
import {
  assertRefused,
  type Context,
  miniTest,
  needsNewerCalls,
  type Output,
  runCommand,
  type RunOptions,
} from "./harness.ts";

const CALLS = ["openat2", ...MOUNT_CALLS];
const ALL = CALLS.join(","), MOUNTS = MOUNT_CALLS.join(",");
const LAUNCHER = new URL("./without_calls.ts", import.meta.url).pathname;

/** Runs mini where there are no such calls. */
const without = (
  { command }: Pick<Context, "command">,
  calls: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<Output> =>
  runCommand([Deno.execPath(), "run", "-A", "--no-check", "--quiet", LAUNCHER, calls, ...command, ...args], options);

const fine = (output: Output): string => {
  assertEquals([output.status, output.stderr], [0, ""]);
  return output.stdout;
};

/** What a program finds in its container: what is mounted and how, what it may do, what is in some folders. */
const LOOK = `
  while read -r id parent device root point options rest; do
    case $root in /*/containers/*) root=own;; esac
    echo "$point $root $options \${rest% * *}"
  done < /proc/self/mountinfo | sed 's/ shared:[0-9]*//' | sort
  grep -e ^Cap -e NoNewPrivs /proc/self/status; ls -la /dev | sed 's/ [A-Z][a-z][a-z] .*:.. / /'; id; pwd; ulimit -n; ls /proc/self/fd | wc -l`;
/** And what refuses, in one that is confined: nothing here is to be tried in any other. */
const TRY = `${LOOK}
  for path in /proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/acpi; do
    [ -d $path ] && ls $path; [ -f $path ] && cat $path; [ -c $path ] && cat $path
  done
  for path in /proc/sys/kernel/hostname /proc/irq/x /sys/x /v/x /w/x /etc/x /x; do (echo 1 > $path) 2>&1; done; true`;

miniTest("a container is the same without openat2 and the mount calls by descriptor", async (context) => {
  const { mini, folder } = context;
  Deno.mkdirSync(`${folder}/v/sub`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/file`, "text");
  for (
    const flags of [
      [],
      ["-v", `${folder}/v:/v:ro`, "-v", "data:/w", "-v", `${folder}/file:/new/file`, "--tmpfs", "/t:size=64k,noexec"],
      ["--read-only", "-u", "1000:1000", "--init", "-w", "/made/here"],
      ["--privileged", "--ipc", "host", "--pid", "host", "-v", `${folder}/v:/v`],
      ["--sysctl", "net.ipv4.ip_forward=1", "--cap-add", "SYS_ADMIN", "--device", "/dev/fuse:/dev/sub/fuse"],
      ["-t", "--security-opt", "no-new-privileges=false", "--security-opt", "systempaths=unconfined"],
    ]
  ) {
    const isConfined = !flags.includes("--privileged") && !flags.includes("systempaths=unconfined");
    const args = ["run", "--rm", ...flags, "starter", "sh", "-c", isConfined ? TRY : LOOK];
    const expected = fine(await mini(args));
    for (const calls of [ALL, MOUNTS, "openat2", `EPERM:${ALL}`]) {
      assertEquals(fine(await without(context, calls, args)), expected, `${flags.join(" ")} without ${calls}`);
    }
  }
  await mini(["volume", "rm", "data"]);
}, [needsNewerCalls()]);

miniTest("whichever of the calls is missing, a container is run", async (context) => {
  for (const calls of CALLS.flatMap((call) => [call, `EPERM:${call}`])) {
    const output = await without(context, calls, ["run", "--rm", "starter", "echo", "here"]);
    assertEquals([calls, output.status, output.stdout, output.stderr], [calls, 0, "here\n", ""]);
  }
}, [needsNewerCalls()]);

miniTest("no link of an image leads out of its root, and none is mounted on that must not be", async (context) => {
  const { folder, inside } = context, root = `${folder}/rootfs`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  await inside("cp /bin/busybox /v/sh", "-v", `${root}/bin:/v`);
  Deno.mkdirSync(`${folder}/v`);
  Deno.mkdirSync(`${folder}/outside`);
  for (const place of [`${folder}/outside`, "/inside"]) Deno.mkdirSync(`${root}${place}`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/v/mine`, "mine\n");
  const run = (...flags: string[]) =>
    without(context, ALL, [
      "run",
      "--rm",
      ...flags,
      "--rootfs",
      root,
      "sh",
      "-c",
      "read -r word </v/mine && echo $word",
    ]);
  // To places of the host by their names, and up: they are places in the root.
  for (const [i, target] of [`${folder}/outside`, "../../../../../../../inside", "/inside/./..//inside"].entries()) {
    Deno.symlinkSync(target, `${root}/link${i}`);
    assertEquals(fine(await run("-v", `${folder}/v:/link${i}/new`, "-v", `${folder}/v:/v`)), "mine\n");
    assertEquals([...Deno.readDirSync(`${root}${i === 0 ? `${folder}/outside` : "/inside"}`)].length, 1);
    assertEquals([...Deno.readDirSync(`${folder}/outside`)], []);
  }
  for (
    const [target, why] of [["/proc/self/root", "/magic"], ["/proc/1/cwd", "/magic"], ["loop", "/magic"], [
      "/proc/sys",
      "leads into the container's /proc",
    ]] as const
  ) {
    Deno.symlinkSync(target, `${root}/magic`);
    if (target === "loop") Deno.symlinkSync("loop", `${root}/loop`);
    assertRefused(await run("-v", `${folder}/v:/magic`), 125, why);
    Deno.removeSync(`${root}/magic`);
  }
  Deno.symlinkSync("/proc/self/fd/7", `${root}/work`);
  assertRefused(await run("-w", "/work"), 125, "/work");
  // A link in the place of the file systems that hide paths.
  for (const name of ["proc", "sys"]) {
    Deno.removeSync(`${root}/${name}`, { recursive: true });
    Deno.symlinkSync("/bin", `${root}/${name}`);
    assertRefused(await run(), 125, `/${name}`);
    Deno.removeSync(`${root}/${name}`);
    Deno.mkdirSync(`${root}/${name}`);
  }
}, [needsNewerCalls()]);

miniTest("in the background, by exec, with a terminal, step by step and explained", async (context) => {
  const old = (...args: string[]) => without(context, ALL, args);
  fine(await old("run", "-d", "--name", "web", "starter", "sleep", "600"));
  assertEquals(fine(await old("exec", "web", "echo", "well")), "well\n");
  assertEquals(fine(await old("exec", "-t", "web", "tty")).trim(), "/dev/pts/0");
  assertEquals(fine(await context.mini(["exec", "web", "echo", "well"])), "well\n");
  fine(await old("create", "--name", "made", "starter", "true"));
  fine(await old("start", "-a", "made"));
  const { status, stdout, stderr } = await old("run", "--rm", "--explain", "starter", "true");
  assertEquals([status, stdout], [0, ""]);
  // What is told is what was done: the calls that are missing are not among them.
  assertMatch(stderr, /mount\(/);
  for (const call of CALLS) assert(!stderr.includes(`${call}(`), call);
  const plan = fine(await old("explain", "run", "starter", "true"));
  for (const call of CALLS) assert(!plan.includes(`${call}(`), call);
  const stepped = await without(context, ALL, ["run", "--rm", "--step", "starter", "echo", "x"], { stdin: "c\n" });
  assertEquals([stepped.status, stepped.stdout], [0, "x\n"], stepped.stderr);
  fine(await old("rm", "-f", "web", "made"));
}, [needsNewerCalls()]);

miniTest("Linux 5.10 has no mount_setattr, and close_range only closes", async (context) => {
  const run = (...args: string[]) => without(context, "mount_setattr,CLOSE_RANGE_CLOEXEC", args);
  for (const flags of [[], ["-t"], ["--init", "-u", "1000"], ["--privileged"]]) {
    const look = [
      "run",
      "--rm",
      ...flags,
      "starter",
      "sh",
      "-c",
      "ls /proc/self/fd; ls /proc/1/fd 2>/dev/null; echo $$",
    ];
    assertEquals(fine(await run(...look)), fine(await context.mini(look)), flags.join(" "));
  }
  assertRefused(await run("run", "--rm", "starter", "no-such-program"), 127, "no-such-program");
  fine(await run("run", "-d", "--name", "web", "starter", "sleep", "600"));
  for (const flags of [[], ["-t"], ["-d"]]) fine(await run("exec", ...flags, "web", "true"));
  assertRefused(await run("exec", "web", "no-such-program"), 127, "no-such-program");
  fine(await run("cp", "-q", "web:/etc/passwd", `${context.folder}/passwd`));
  fine(await run("rm", "-f", "web"));
}, [needsNewerCalls()]);

miniTest("what takes a mount with other ids is refused by name, and failures are told as ever", async (context) => {
  const run = (...args: string[]) => without(context, "mount_setattr", ["run", "--rm", ...args]);
  assertRefused(await run("--userns", "auto", "starter", "true"), 125, "user namespace", "mount_setattr", "Linux 5.12");
  assertEquals((await without(context, "openat2", ["run", "--rm", "--userns", "auto", "starter", "true"])).status, 0);
  assertRefused(await run("--tmpfs", "/t:size=nonsense", "starter", "true"), 125, "size=nonsense");
  assertRefused(
    await run("-v", `${context.folder}:/s:rshared`, "starter", "true"),
    125,
    "cannot be rshared",
    "open_tree",
  );
  assertRefused(await run("starter", "no-such-program"), 127, "no-such-program");
  assertEquals((await context.mini(["ps", "-aq"])).stdout, "");
}, [needsNewerCalls()]);

miniTest("what was made by all calls goes on without the newer ones, and the reverse", async (context) => {
  const { mini, folder } = context, old = (...args: string[]) => without(context, ALL, args);
  const usual = (...args: string[]) => mini(args);
  Deno.writeTextFileSync(`${folder}/file`, "x");
  assertEquals((await mini(["volume", "create", "data"])).status, 0);
  for (const [name, make, use] of [["one", usual, old], ["two", old, usual]] as const) {
    const made = await make("run", "-d", "--name", name, "-v", "data:/data", "starter", "sleep", "1000");
    fine(made);
    assertEquals(await use("exec", "-w", "/tmp", name, "pwd"), { status: 0, stdout: "/tmp\n", stderr: "" });
    for (
      const args of [
        ["cp", "-q", `${folder}/file`, `${name}:/data/${name}`],
        ["cp", "-q", `${name}:/etc/passwd`, `${folder}/${name}`],
        ["restart", "-t", "0", name],
        ["stop", "-t", "0", name],
        ["cp", "-q", `${name}:/data/${name}`, `${folder}/${name}-stopped`],
        ["start", name],
        ["export", "-o", `${folder}/${name}.tar`, name],
        ["commit", name, `image-${name}`],
        ["diff", name],
        ["rm", "-f", name],
      ]
    ) {
      const { status, stderr } = await use(...args);
      assertEquals([status, stderr], [0, ""], args.join(" "));
    }
    assertEquals(Deno.readTextFileSync(`${folder}/${name}-stopped`), "x");
  }
  assertEquals((await mini(["volume", "rm", "data"])).status, 0);
}, [needsNewerCalls()]);

miniTest("/dev/shm of another container cannot be joined", async (context) => {
  const { mini } = context;
  fine(await mini(["run", "-d", "--name", "web", "--ipc", "shareable", "starter", "sleep", "1000"]));
  const join = ["run", "--rm", "--ipc", "container:web", "starter", "true"];
  assertRefused(await without(context, MOUNTS, join), 125, "open_tree", "5.2");
  assertEquals(fine(await without(context, "openat2", join)), "");
  fine(await mini(["rm", "-f", "web"]));
}, [needsNewerCalls()]);

miniTest("system check tells which calls are missing, and what that means", async (context) => {
  const check = (calls: string) => without(context, calls, ["system", "check"]);
  const limited = await check(ALL);
  assertEquals([limited.status, limited.stderr], [0, ""]);
  assertMatch(limited.stdout, new RegExp(`^system calls +limited +${CALLS.join(", ")}: .*name by name.*--userns`, "m"));
  const unfit = await check("openat2,close_range");
  assertEquals([unfit.status, unfit.stderr], [1, ""]);
  assertMatch(unfit.stdout, /^system calls +missing +close_range: /m);
  assertStringIncludes((await check("clone3")).stdout, "clone3");
}, [needsNewerCalls()]);
