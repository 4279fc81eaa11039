/** Hosts that `mini run` cannot work on: without root, without room, without a kernel's feature. One sentence, nothing left. */
import { assert, assertEquals } from "@std/assert";
import { cgroupTree } from "../runtime/cgroup.ts";
import { LEAST_KERNEL } from "../ffi/errors.ts";
import { assertRefused, type Context, MINI, miniTest, needsProgram, runCommand } from "./harness.ts";

const RUN = ["run", "--rm", "starter", "true"];

/** Runs mini in a mount namespace of its own with a tmpfs of that size on `${folder}/disk`. */
const onSmallDisk = ({ folder }: Context, options: string, args: readonly string[]) =>
  runCommand(
    [
      "unshare",
      "--mount",
      "sh",
      "-c",
      'mount -t tmpfs -o "$0" none "$1"; shift; exec "$@"',
      options,
      `${folder}/disk`,
      MINI,
      ...args,
    ],
  );

miniTest("without root it says what to do", async ({ mini, folder, command }) => {
  Deno.chmodSync(folder, 0o755);
  const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
  assertRefused(await runCommand([...nobody, ...command, ...RUN]), 125, "root", "sudo");
  assertEquals((await mini(RUN)).status, 0);
  assertRefused(await runCommand([...nobody, ...command, ...RUN]), 125, "root", "sudo");
  assertRefused(await runCommand([...nobody, ...command, "run", "--cap-add", "ALL", "nosuch"]), 125, "root", "sudo");
}, [needsProgram("setpriv")]);

miniTest("a full disk is told, wherever it is full", async (context) => {
  const { folder, state, root, mini } = context;
  Deno.mkdirSync(`${folder}/disk`);
  for (const size of ["8k", "64k", "256k", "1m", "2m"]) {
    const out = await onSmallDisk(context, `size=${size}`, ["--root", `${folder}/disk/r`, "--state", state, ...RUN]);
    assertRefused(out, 125);
    assert(/full|No space left|no space left/.test(out.stderr), out.stderr);
  }
  assertEquals((await mini(RUN)).status, 0);
  const stateFull = ["--root", root, "--state", `${folder}/disk/s`, ...RUN];
  assertRefused(await onSmallDisk(context, "size=4k,nr_inodes=3", stateFull), 125, "No space left", "--state");
  assertRefused(await onSmallDisk(context, "ro", stateFull), 125, "Read-only file system", "--state");
  assertRefused(
    await onSmallDisk(context, "ro", ["--root", `${folder}/disk/r`, "--state", state, ...RUN]),
    125,
    "Read-only file system",
  );
}, [needsProgram("unshare")]);

miniTest("a file in the place of the root or state folder is told", async ({ folder, root, state }) => {
  Deno.writeTextFileSync(`${folder}/file`, "");
  for (const place of [`${folder}/file`, `${folder}/file/below`]) {
    assertRefused(await runCommand([MINI, "--root", place, "--state", state, ...RUN]), 125, place);
    assertRefused(await runCommand([MINI, "--root", root, "--state", place, ...RUN]), 125, place);
  }
});

miniTest("a limit on namespaces is told for each kind", async ({ command, mini }) => {
  assertEquals((await mini(RUN)).status, 0);
  for (const kind of ["pid", "mnt", "ipc", "uts", "cgroup", "net"]) {
    const out = await runCommand([
      ...[
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        `echo 0 > /proc/sys/user/max_${kind}_namespaces; exec "$@"`,
        "sh",
      ],
      ...command,
      ...RUN,
    ]);
    assertRefused(out, 125, "namespaces", "max_");
  }
}, [needsProgram("unshare")]);

/** A program that makes one system call fail, then becomes another: seccomp(2), a filter of a few lines. */
const FILTER = `
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>
/* failing NR ERRNO COMMAND... */
int main(int argc, char **argv) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(argv[1]), 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | atoi(argv[2])),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { 4, code };
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 99;
  execv(argv[3], argv + 3);
  return 98;
}`;

miniTest("a kernel that lacks something is told", async ({ folder, command, mini }) => {
  Deno.writeTextFileSync(`${folder}/failing.c`, FILTER);
  assertEquals((await runCommand(["cc", "-o", `${folder}/failing`, `${folder}/failing.c`])).stderr, "");
  assertEquals((await mini(RUN)).status, 0);
  const { syscallNumber } = await import("../ffi/kernel.ts");
  const EPERM = 1, ENOMEM = 12, ENODEV = 19, EINVAL = 22, ENOSPC = 28, ENOSYS = 38;
  const cases = [
    ["clone3", ENOSYS, "clone3", `Linux ${LEAST_KERNEL}`],
    ["mount", EPERM, "mount", "EPERM"],
    ["fsopen", ENODEV, "this kernel has no proc"],
    ["openat2", ENOMEM, "openat2"],
    ["move_mount", ENOMEM, "move_mount"],
    ["pivot_root", EINVAL, "pivot_root"],
    ["setgroups", EPERM, "setgroups"],
    ["capset", EPERM, "capset"],
    ["execveat", ENOSYS, "execveat"],
    ["memfd_create", ENOMEM, "memfd_create"],
    ["mkdirat", ENOSPC, "mkdirat /dev", "no space left", "--root"],
    ["mknodat", EPERM, "mknodat /dev/null", "EPERM"],
    ["unshare", EINVAL, "cgroup namespace"],
    ["close_range", ENOSYS, "close_range"],
    ["sethostname", EPERM, "sethostname"],
  ] as const;
  for (const [call, errno, ...says] of cases) {
    const out = await runCommand([`${folder}/failing`, `${syscallNumber(call)}`, `${errno}`, ...command, ...RUN]);
    try {
      assertRefused(out, 125, ...says);
    } catch (error) {
      throw new Error(`${call} failing with errno ${errno}: status ${out.status}, ${out.stderr}`, { cause: error });
    }
  }
}, [needsProgram("cc")]);

miniTest("a kernel without overlayfs is told, and --rootfs goes without", async ({ folder, command, mini }) => {
  Deno.writeTextFileSync(
    `${folder}/failing.c`,
    // mount's third argument is a pointer that a filter cannot follow: all of the calls with flags 0 fail, which is overlay's.
    FILTER.replace(
      "offsetof(struct seccomp_data, nr)),",
      `offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(argv[1]), 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),`,
    ).replace("atoi(argv[1]), 0, 1),\n    BPF_STMT(BPF_RET", "0, 0, 1),\n    BPF_STMT(BPF_RET")
      .replace("{ 4, code }", "{ sizeof code / sizeof *code, code }"),
  );
  assertEquals((await runCommand(["cc", "-o", `${folder}/failing`, `${folder}/failing.c`])).stderr, "");
  Deno.mkdirSync(`${folder}/rootfs/bin`, { recursive: true });
  assertEquals(
    (await mini(["run", "--rm", "-v", `${folder}/rootfs/bin:/v`, "starter", "cp", "/bin/busybox", "/v/true"])).stderr,
    "",
  );
  const { syscallNumber } = await import("../ffi/kernel.ts");
  const failing = [`${folder}/failing`, `${syscallNumber("mount")}`, "19", ...command];
  assertRefused(await runCommand([...failing, ...RUN]), 125, "no overlayfs", "modprobe overlay", "--rootfs");
  assertEquals(await runCommand([...failing, "run", "--rm", "--rootfs", `${folder}/rootfs`, "true"]), {
    status: 0,
    stdout: "",
    stderr: "",
  });
}, [needsProgram("cc")]);

miniTest("without a cgroup v2 nothing is run that would have all of the host's devices", async ({ command, mini }) => {
  assertEquals((await mini(RUN)).status, 0);
  const out = await runCommand([
    "unshare",
    "--mount",
    "sh",
    "-c",
    'umount -l "$0"; exec "$@"',
    cgroupTree()!.root,
    ...command,
    ...RUN,
  ]);
  assertRefused(out, 125, "this host has no cgroup v2", "mount -t cgroup2", "--privileged");
}, [needsProgram("unshare"), cgroupTree() ? undefined : "no cgroup v2 here"]);
