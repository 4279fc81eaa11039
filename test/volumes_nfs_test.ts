/** A volume on another machine, which is this one: an NFS server that only the test machine may run. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertRefused, miniTest, needsProgram, until } from "./harness.ts";
import { runTool } from "./images_fixtures.ts";

/** The server is the kernel's own, with one list of what it exports: no machine that anybody uses is to be changed. */
const needsTestMachine = Deno.hostname() === "test-machine" ? undefined : "not the test machine";

/** Serves a folder by NFS 4 on loopback. */
async function withServer(folder: string, test: () => Promise<void>): Promise<void> {
  for (const module of ["nfsv4", "nfsd"]) await runTool("modprobe", module);
  await runTool("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd");
  Deno.mkdirSync("/var/lib/nfs/v4recovery", { recursive: true });
  // A new server lets nobody in for this long, if an earlier one's clients want to come back: seconds, 10 at least.
  for (const time of ["lease", "grace"]) Deno.writeTextFileSync(`/proc/fs/nfsd/nfsv4${time}time`, "10");
  await runTool("exportfs", "-o", "rw,no_root_squash,fsid=0,insecure,no_subtree_check", `127.0.0.1:${folder}`);
  const mountd = new Deno.Command("rpc.mountd", {
    args: ["--no-nfs-version", "3", "--foreground"],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await runTool("rpc.nfsd", "--no-nfs-version", "3", "1");
    await test();
  } finally {
    await runTool("rpc.nfsd", "0");
    await runTool("exportfs", "-ua");
    mountd.kill("SIGTERM");
    await mountd.status;
    await runTool("umount", "/proc/fs/nfsd");
  }
}

miniTest("a volume of type nfs is mounted in containers without a network, and never on the host", async (context) => {
  const { mini, inside, folder } = context, exported = `${folder}/export`, none = ["--network", "none"];
  Deno.mkdirSync(exported);
  await withServer(exported, async () => {
    const create = async (name: string, ...options: string[]) => {
      const { status, stderr } = await mini(["volume", "create", ...options.flatMap((o) => ["-o", o]), name]);
      assertEquals([status, stderr], [0, ""]);
    };
    await create("shared", "type=nfs", "device=:/", "o=addr=127.0.0.1,nfsvers=4.2,soft");
    await create("less", "type=nfs", "device=:/", "o=addr=localhost,nfsvers=4.2,soft,ro");
    await create("nowhere", "type=nfs", "device=:/nosuch", "o=addr=127.0.0.1,nfsvers=4.2,soft");
    // Empty, it is filled from the image.
    assertMatch(
      await inside(
        "mkdir /etc/a; echo x > /etc/a/x; grep -o ' /etc rw.* nfs4 ' /proc/self/mountinfo",
        "-v",
        "shared:/etc",
        ...none,
      ),
      /^ \/etc rw,relatime - nfs4 \n$/,
    );
    assertMatch(Deno.readTextFileSync(`${exported}/passwd`), /^root:/);
    assertEquals([...Deno.readDirSync(exported)].filter(({ name }) => name.startsWith(".mini")), []);
    assertEquals(
      await inside(
        "cat /s/a/x /p/x; (touch /s/y) 2>&1; touch /p/y",
        "-v",
        "less:/s",
        "--mount",
        "src=shared,dst=/p,volume-subpath=a",
        ...none,
      ),
      "x\nx\ntouch: /s/y: Read-only file system\n",
    );
    assertEquals(Deno.statSync(`${exported}/a/y`).isFile, true);
    assertRefused(await mini(["run", "--rm", ...none, "-v", "nowhere:/s", "starter", "true"]), 125, "volume nowhere");
    await until("nothing is mounted any more", () => !/ nfs4 /.test(Deno.readTextFileSync("/proc/self/mountinfo")));
    await mini(["volume", "rm", "shared", "less", "nowhere"]);
  });
}, [needsTestMachine, needsProgram("rpc.nfsd"), needsProgram("exportfs"), needsProgram("modprobe")]);
