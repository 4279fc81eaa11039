/** Which devices a container can make and open, whatever its capabilities are. */
import { assertEquals, assertMatch } from "@std/assert";
import { S_IFCHR } from "../ffi/constants.ts";
import { syscall } from "../ffi/kernel.ts";
import { deviceNumber } from "../runtime/plan_devices.ts";
import { needsCgroup2 } from "./cgroups.ts";
import { assertRefused, miniTest, needsIdmaps, needsProgram, runCommand } from "./harness.ts";

/** A device of every host that opening for writing does nothing to: /dev/kmsg. */
const MAJOR = 1, MINOR = 11, RULE = `c ${MAJOR}:${MINOR}`;

/** Makes a node on the host. */
const makeNode = (path: string, major = MAJOR, minor = MINOR) =>
  syscall("mknodat", 0, path, S_IFCHR | 0o666, deviceNumber(major, minor));

miniTest("a device can be made but not opened, although the capability to is there", async (context) => {
  const { folder, inside } = context;
  makeNode(`${folder}/node`);
  // What the image or a volume brings along is no way in either.
  const script = `grep -q "^CapEff:.*a80425fb" /proc/self/status && echo capable
    mknod /made c ${MAJOR} ${MINOR} && mknod /disk b 7 0 && (exec 3>/made) 2>&1; (exec 3</made) 2>&1; (exec 3</disk) 2>&1
    (exec 3>/node) 2>&1; (exec 3</node) 2>&1
    mknod /null c 1 3 && (exec 3<>/null) && echo plain`;
  assertEquals(
    await inside(script, "-v", `${folder}/node:/node`),
    "capable\nsh: can't create /made: Operation not permitted\nsh: can't open /made: Operation not permitted\n" +
      "sh: can't open /disk: Operation not permitted\nsh: can't create /node: Operation not permitted\n" +
      "sh: can't open /node: Operation not permitted\nplain\n",
  );
}, [needsCgroup2]);

miniTest("a rule lets it be opened, for what the rule says", async ({ inside }) => {
  const script = `mknod /made c ${MAJOR} ${MINOR} && (exec 3>/made) && echo written
    (exec 3<>/made) 2>&1; mknod /made2 b 7 0 && (exec 3</made2) 2>&1; true`;
  assertEquals(
    await inside(script, "--device-cgroup-rule", `${RULE} w`),
    "written\nsh: can't create /made: Operation not permitted\nsh: can't open /made2: Operation not permitted\n",
  );
}, [needsCgroup2]);

miniTest("every container has the devices of every container", async ({ inside }) => {
  const script = `for d in null zero full random urandom; do (exec 3<>/dev/$d) && echo $d; done
    (exec 3<>/dev/ptmx) && echo ptmx; head -c 4 /dev/zero | wc -c`;
  assertEquals(await inside(script), "null\nzero\nfull\nrandom\nurandom\nptmx\n4\n");
}, [needsCgroup2]);

miniTest("--device gives a device another name, and no more access than it says", async ({ folder, inside, mini }) => {
  makeNode(`${folder}/node`);
  Deno.chmodSync(`${folder}/node`, 0o640);
  Deno.chownSync(`${folder}/node`, 0, 5);
  const script = `stat -c '%F %t:%T %a %u:%g' /dev/some/thing; (exec 3>/dev/some/thing) && echo written
    (exec 3</dev/some/thing) 2>&1; true`;
  assertMatch(
    await inside(script, "--device", `${folder}/node:/dev/some/thing:w`),
    /^character special file 1:b 640 0:5\nwritten\nsh: can't open \/dev\/some\/thing: Operation not permitted\n$/,
  );
  // What it is given is there as well where it is used later, and shown.
  const device = `${folder}/node:/dev/some/thing:rw`;
  await mini(["create", "--name", "one", "--device", device, "starter", "sh", "-c", "(exec 3>/dev/some/thing)"]);
  const { stdout } = await mini(["inspect", "-f", "{{json .HostConfig.Devices}}", "one"]);
  assertEquals(JSON.parse(stdout), [{
    PathOnHost: `${folder}/node`,
    PathInContainer: "/dev/some/thing",
    CgroupPermissions: "rw",
  }]);
  assertEquals((await mini(["start", "-a", "one"])).status, 0);
  assertEquals((await mini(["rm", "one"])).status, 0);
}, [needsCgroup2]);

miniTest("in a user namespace a device is the host's own, and --privileged gives all of them", async (context) => {
  const { folder, inside } = context;
  makeNode(`${folder}/node`);
  Deno.chmodSync(`${folder}/node`, 0o666);
  const flags = ["--network", "none", "--userns", "auto", "--device", `${folder}/node:/dev/thing:w`];
  assertEquals(
    await inside("(exec 3>/dev/thing) && echo written; (exec 3</dev/thing) 2>&1; true", ...flags),
    "written\nsh: can't open /dev/thing: Operation not permitted\n",
  );
  assertEquals(
    await inside(`mknod /made c ${MAJOR} ${MINOR} && (exec 3>/made) && ls /dev/kmsg`, "--privileged"),
    "/dev/kmsg\n",
  );
}, [needsCgroup2, needsIdmaps()]);

miniTest("a folder of devices is every device in it", async ({ folder, inside }) => {
  Deno.mkdirSync(`${folder}/some/more`, { recursive: true });
  makeNode(`${folder}/some/a`);
  makeNode(`${folder}/some/more/b`, 1, 5);
  Deno.writeTextFileSync(`${folder}/some/file`, "no device");
  assertEquals(
    await inside("cd /dev/mine; find . | sort; (exec 3>a) && echo written", "--device", `${folder}/some:/dev/mine`),
    ".\n./a\n./more\n./more/b\nwritten\n",
  );
}, [needsCgroup2]);

miniTest("a program that is run later is limited, too", async ({ folder, mini }) => {
  makeNode(`${folder}/node`);
  await mini(["run", "-d", "--name", "one", "-v", `${folder}/node:/node`, "starter", "sleep", "600"]);
  for (const flags of [[], ["--privileged"]]) {
    const out = await mini(["exec", ...flags, "one", "sh", "-c", "(exec 3>/node)"]);
    assertEquals([out.status, out.stdout], [1, ""]);
    assertMatch(out.stderr, /can't create \/node: Operation not permitted/);
  }
  assertEquals((await mini(["rm", "-f", "one"])).status, 0);
}, [needsCgroup2]);

miniTest("what is no device, and no rule, is refused", async ({ folder, mini }) => {
  const refused = async (flags: string[], ...words: string[]) =>
    assertRefused(await mini(["run", "--rm", ...flags, "starter", "true"]), 125, ...words);
  await refused(["--device", "/dev/there-is-none"], "--device /dev/there-is-none", "no such device");
  await refused(["--device", "/etc/passwd"], "it is not a device");
  await refused(["--device", folder], "no device in it");
  await refused(["--device", "tty"], "--device", "absolute paths");
  await refused(["--device", "/dev/null:/dev/x:q"], "r, w and m");
  await refused(["--device-cgroup-rule", "c 1:3"], "--device-cgroup-rule", "TYPE MAJOR:MINOR ACCESS");
});

miniTest("where the kernel does not let mini limit devices, nothing is run", async ({ command }) => {
  const strace = ["strace", "-f", "-qq", "-e", "trace=bpf", "-e", "inject=bpf:error=EPERM", "-o", "/dev/null"];
  const out = await runCommand([...strace, ...command, "run", "--rm", "starter", "true"]);
  assertRefused(out, 125, "cannot keep the host's devices from the container: bpf says EPERM", "--privileged");
}, [needsCgroup2, needsProgram("strace")]);
