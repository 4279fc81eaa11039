import { assert, assertEquals } from "@std/assert";
import { isMissing } from "./available.ts";
import * as K from "./constants.ts";
import { Errno } from "./errors.ts";
import { statAt } from "./file_info.ts";
import { close, trySyscall } from "./kernel.ts";
import { open } from "./open.ts";
import { walk } from "./walk.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS } = K;
const IN_ROOT = RESOLVE_IN_ROOT | K.RESOLVE_NO_MAGICLINKS;

/** A tree, its root and what lies outside of it. */
function withTree(test: (root: number, path: string, outside: string) => void): void {
  const folder = Deno.makeTempDirSync(), path = `${folder}/root`;
  Deno.writeTextFileSync(`${folder}/secret`, "not for those inside");
  Deno.mkdirSync(`${path}/a/b/c`, { recursive: true });
  Deno.mkdirSync(`${path}/etc`);
  Deno.writeTextFileSync(`${path}/etc/passwd`, "inside");
  Deno.writeTextFileSync(`${path}/a/file`, "a file");
  const root = open(path, O_PATH | O_DIRECTORY);
  try {
    test(root, path, folder);
  } finally {
    close(root);
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What an open came to: the file, or -errno. */
function outcome(fd: number): string | number {
  if (fd < 0) return fd;
  try {
    const { ino, device, mode } = statAt(fd, "");
    return `${device} ${ino} ${mode.toString(8)} ${trySyscall("fcntl", fd, K.F_GETFL) & ~O_NOFOLLOW}`;
  } finally {
    close(fd);
  }
}

const walked = (root: number, path: string, flags = O_PATH, resolve = IN_ROOT) =>
  outcome(walk(root, path, flags, 0, resolve));

/** The path of what a walk led to, below the tree's folder. */
function place(root: number, path: string, flags = O_PATH): string | number {
  const fd = walk(root, path, flags, 0, IN_ROOT);
  if (fd < 0) return fd;
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`).replace(/^.*\/root(\/|$)/, "/");
  } finally {
    close(fd);
  }
}

/** How many descriptors are open. */
const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;

Deno.test("links and .. lead to places below the root, and never out", () =>
  withTree((root, path) => {
    const link = (to: string, name: string) => Deno.symlinkSync(to, `${path}/${name}`);
    link("/etc/passwd", "absolute");
    link("../../../../../../etc/passwd", "up");
    link("../../etc/./passwd", "a/b/relative");
    link("/", "slash");
    link("/a/b", "etc/folder");
    link("/proc/self/root/etc/passwd", "magic");
    link("../secret", "leak");
    for (
      const [from, to] of [
        ["absolute", "/etc/passwd"],
        ["/absolute", "/etc/passwd"],
        ["up", "/etc/passwd"],
        ["a/b/relative", "/etc/passwd"],
        ["slash/slash/slash/etc//passwd", "/etc/passwd"],
        ["etc/folder/../file", "/a/file"],
        ["etc/folder/c/../../..", "/"],
        ["../../..", "/"],
        ["/..", "/"],
        [".", "/"],
        ["a/b/", "/a/b"],
        ["etc/folder/", "/a/b"],
        ["leak", -Errno.ENOENT],
        ["../secret", -Errno.ENOENT],
        ["magic", -Errno.ENOENT],
        ["", -Errno.ENOENT],
        ["a/file/", -Errno.ENOTDIR],
        ["a/file/..", -Errno.ENOTDIR],
        ["absolute/", -Errno.ENOTDIR],
        ["a/nothing/..", -Errno.ENOENT],
      ] as const
    ) assertEquals(place(root, from), to, from);
    assertEquals(place(root, "absolute", O_PATH | O_NOFOLLOW), "/absolute");
    assertEquals(place(root, "etc/folder/", O_PATH | O_NOFOLLOW), "/a/b");
    assertEquals(place(root, "absolute", O_RDONLY | O_NOFOLLOW), -Errno.ELOOP);
    assertEquals(place(root, "etc/folder", O_RDONLY | O_DIRECTORY), "/a/b");
    assertEquals(place(root, "a\0b"), -Errno.EINVAL);
    assertEquals(place(root, "a/".repeat(2048)), -Errno.ENAMETOOLONG);
  }));

Deno.test("forty links are followed, and not one more; a circle of links ends", () =>
  withTree((root, path) => {
    Deno.symlinkSync("/etc/passwd", `${path}/1`);
    for (let i = 2; i <= 41; i++) Deno.symlinkSync(`${i - 1}`, `${path}/${i}`);
    Deno.symlinkSync("circle", `${path}/circle`);
    assertEquals(place(root, "40"), "/etc/passwd");
    assertEquals(place(root, "41"), -Errno.ELOOP);
    assertEquals(place(root, "circle"), -Errno.ELOOP);
    assertEquals(place(root, "circle/etc/passwd"), -Errno.ELOOP);
  }));

Deno.test("no link of a procfs is followed", () => {
  const proc = open("/proc/self", O_PATH | O_DIRECTORY);
  try {
    for (const link of ["root", "root/etc/passwd", "exe", "cwd/", "fd/0", "ns/mnt"]) {
      assertEquals(walked(proc, link), -Errno.ELOOP, link);
      assertEquals(walked(proc, link, O_RDONLY), -Errno.ELOOP, link);
    }
    assertEquals(typeof walked(proc, "root", O_PATH | O_NOFOLLOW), "string");
    assertEquals(typeof walked(proc, "fdinfo/0", O_RDONLY), "string");
  } finally {
    close(proc);
  }
});

Deno.test("RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS refuse what they forbid, and nothing else is known", () =>
  withTree((root, path) => {
    Deno.symlinkSync("etc/passwd", `${path}/link`);
    Deno.symlinkSync("/etc/passwd", `${path}/absolute`);
    Deno.symlinkSync("../etc/passwd", `${path}/a/up`);
    Deno.symlinkSync("../../etc/passwd", `${path}/a/out`);
    const beneath = (name: string) => walked(root, name, O_PATH, RESOLVE_BENEATH);
    const passwd = walked(root, "etc/passwd");
    assertEquals([beneath("link"), beneath("a/up"), beneath("a/../link")], [passwd, passwd, passwd]);
    for (const name of ["/etc/passwd", "absolute", "a/out", "..", "a/../../root/link"]) {
      assertEquals(beneath(name), -Errno.EXDEV, name);
    }
    const plain = (name: string, flags = O_PATH) => walked(root, name, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    assertEquals([plain("etc/passwd"), plain("link"), plain("a/up")], [passwd, -Errno.ELOOP, -Errno.ELOOP]);
    assertEquals(typeof plain("link", O_PATH | O_NOFOLLOW), "string");
    for (const resolve of [0, RESOLVE_IN_ROOT | RESOLVE_BENEATH, RESOLVE_IN_ROOT | 1]) {
      assertEquals(walked(root, "etc", O_PATH, resolve), -Errno.EINVAL);
    }
  }));

Deno.test("a file is made where a link points to, and nothing stays open of a walk", () =>
  withTree((root, path) => {
    Deno.symlinkSync("/a/new", `${path}/etc/to`);
    const before = descriptors();
    const fd = walk(root, "etc/to", K.O_WRONLY | K.O_CREAT, 0o600, IN_ROOT);
    close(fd);
    assertEquals(Deno.statSync(`${path}/a/new`).mode! & 0o777, 0o600);
    assertEquals(walk(root, "etc/to", K.O_WRONLY | K.O_CREAT | K.O_EXCL, 0o600, IN_ROOT), -Errno.EEXIST);
    assertEquals(place(root, "a/b/c/../../../nothing/x"), -Errno.ENOENT);
    assertEquals(place(root, "etc/to/x"), -Errno.ENOTDIR);
    assertEquals(descriptors(), before);
  }));

Deno.test("a folder that is moved out of the root has no .. that leads there", () =>
  withTree((_root, path, outside) => {
    const b = open(`${path}/a/b`, O_PATH | O_DIRECTORY);
    try {
      Deno.renameSync(`${path}/a/b`, `${outside}/b`);
      assertEquals(walked(b, "../secret", O_PATH, RESOLVE_BENEATH), -Errno.EXDEV);
      assertEquals(walked(b, "../secret"), -Errno.ENOENT);
      assertEquals(walked(b, "c/../../secret"), -Errno.ENOENT);
    } finally {
      close(b);
    }
  }));

Deno.test("whoever moves folders and replaces them by links during a walk does not get it out of the root", async () => {
  const folder = Deno.makeTempDirSync(), root = `${folder}/root`;
  Deno.mkdirSync(`${root}/a/b/c`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/secret`, "");
  Deno.writeTextFileSync(`${root}/secret`, "");
  Deno.symlinkSync("../../..", `${root}/up`);
  Deno.symlinkSync(folder, `${root}/out`);
  const mover = new Worker(
    `data:application/javascript,${
      encodeURIComponent(`
        const folder = ${JSON.stringify(folder)}, root = folder + "/root", { renameSync } = Deno;
        const stop = await new Promise((resolve) => {
          onmessage = ({ data }) => resolve(data);
          postMessage("ready");
        });
        while (Atomics.load(stop, 0) === 0) {
          renameSync(root + "/a/b", folder + "/b");
          renameSync(root + "/up", root + "/a/b");
          renameSync(root + "/a/b", root + "/up");
          renameSync(root + "/out", root + "/a/b");
          renameSync(root + "/a/b", root + "/out");
          renameSync(folder + "/b", root + "/a/b");
        }
        postMessage("done");`)
    }`,
    { type: "module" },
  );
  const message = () => new Promise((resolve) => mover.onmessage = resolve);
  const fd = open(root, O_PATH | O_DIRECTORY), stop = new Int32Array(new SharedArrayBuffer(4));
  try {
    await message();
    mover.postMessage(stop);
    const inside = walked(fd, "secret"), seen = new Set<string | number>();
    for (let i = 0; i < 2000; i++) {
      for (const path of ["a/b/c/../../../secret", "a/b/../../secret", "a/b/secret", "a/b/c/../secret"]) {
        seen.add(walked(fd, path));
      }
    }
    for (const end of seen) if (typeof end === "string") assertEquals(end, inside);
    assert(seen.has(inside), "the walks reach what is inside");
  } finally {
    const done = message();
    Atomics.store(stop, 0, 1);
    await done;
    mover.terminate();
    close(fd);
    Deno.removeSync(folder, { recursive: true });
  }
});

/** A generator of numbers below n, always the same ones. */
function numbers(seed: number): (n: number) => number {
  return (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % 65536 % n;
}

Deno.test({
  name: "a walk comes to what openat2 comes to, or fails as it does, in hostile trees",
  ignore: isMissing("openat2"),
  fn: () =>
    withTree((root, path) => {
      const next = numbers(7), pick = <T>(from: readonly T[]) => from[next(from.length)]!;
      const names = ["a", "b", "c", "x", "y", "file", "etc", "passwd", "nothing", "..", ".", "..", "x", "y"];
      const anyPath = () => {
        const parts = Array.from({ length: 1 + next(5) }, () => pick(names));
        return `${pick(["", "", "/", "//"])}${parts.join(pick(["/", "/", "//"]))}${pick(["", "", "", "/"])}`;
      };
      const folders = ["", "a/", "a/b/", "a/b/c/", "etc/"];
      let same = 0;
      for (let round = 0; round < 30; round++) {
        for (const folder of folders) {
          for (const name of ["x", "y"]) {
            try {
              Deno.removeSync(`${path}/${folder}${name}`);
            } catch (error) {
              if (!(error instanceof Deno.errors.NotFound)) throw error;
            }
            Deno.symlinkSync(anyPath(), `${path}/${folder}${name}`);
          }
        }
        for (let i = 0; i < 200; i++) {
          const at = anyPath();
          const flags = pick([O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_RDONLY, O_RDONLY | O_NOFOLLOW]);
          const resolve = pick([IN_ROOT, IN_ROOT, RESOLVE_BENEATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS]);
          const how = new BigUint64Array([BigInt(flags | K.O_CLOEXEC), 0n, BigInt(resolve)]);
          let kernel: string | number;
          // What is renamed anywhere on the machine meanwhile may keep the kernel from going up.
          do kernel = outcome(trySyscall("openat2", root, at, how, 24)); while (kernel === -Errno.EAGAIN);
          assertEquals(walked(root, at, flags, resolve), kernel, `${at} ${flags.toString(8)} ${resolve}`);
          if (typeof kernel === "string") same++;
        }
      }
      assert(same > 200, `${same} of the paths lead to something`);
    }),
});
