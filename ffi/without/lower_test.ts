import { assert, assertEquals, assertThrows } from "@std/assert";
import { MOUNT_CALLS } from "../available.ts";
import * as K from "../constants.ts";
import { elf, mapResults } from "../elf.ts";
import { MiniError } from "../errors.ts";
import { machine } from "../kernel.ts";
import { op, type Operation, type Program, result } from "../program.ts";
import { lower } from "./lower.ts";

const NUMBERS = { ask: 30, place: 31, slots: 32, earlier: 33 };
const ALL = { openat2: true, mounts: true, marking: false };
const how = (flags: number, resolve: number) => ({ words: [flags | K.O_CLOEXEC, 0, resolve] });
const IN_ROOT = K.RESOLVE_IN_ROOT | K.RESOLVE_NO_MAGICLINKS;
const end = op("exit_group", [0], "end");

const open = (path: string, resolve: number, details = {}, flags = K.O_PATH) =>
  op("openat2", [result("root"), path, how(flags, resolve), 24], `open ${path}`, { on: `/${path}`, ...details });
const root = op("openat", [K.AT_FDCWD, "/r", K.O_PATH, 0], "the root", { name: "root" });
const copy = (path: string, name: string, flags = 0) =>
  op("open_tree", [K.AT_FDCWD, path, K.OPEN_TREE_CLONE | flags], `take ${path}`, { name, on: path });
const attach = (name: string, place: string, details = {}) =>
  op("move_mount", [result(name), "", result(place), "", 0x44], `attach ${name}`, { on: place, ...details });
const attributes = (name: string, set: number, clear = 0, propagation = 0, flags = 0) =>
  op(
    "mount_setattr",
    [result(name), "", K.AT_EMPTY_PATH | flags, { words: [set, clear, propagation, 0] }, 32],
    "its options",
  );

/** The program, made into a file as well: its names and jumps hold. */
function lowered(program: Program, missing = ALL, isNew = true): Operation[] {
  const [whole] = lower([[...program, end]], missing, NUMBERS, isNew);
  elf([mapResults(3, whole!.length + 1, false), ...whole!], machine);
  const calls: readonly string[] = [...missing.openat2 ? ["openat2"] : [], ...missing.mounts ? MOUNT_CALLS : []];
  assertEquals(whole!.filter(({ call }) => calls.includes(call)), []);
  return whole!;
}
const calls = (program: Program) => program.map(({ call }) => call);
const text = (program: Program, call: string) => program.filter((o) => o.call === call).map(({ args }) => args);

Deno.test("a program that makes none of the calls stays as it is", () => {
  const program = [root, op("chdir", ["/"], "somewhere"), op("unshare", [Number(K.CLONE_NEWNS)], "alone"), end];
  assertEquals(lower([program], ALL, NUMBERS, false)[0]!.slice(0, 4), program);
});

Deno.test("a path in a root is asked for, and its result has the name, the jump and the reason that it had", () => {
  const jump = { when: "=", than: -2, to: "next" } as const;
  const program = lowered([
    root,
    open("etc/x", IN_ROOT, { name: "x", jump }),
    op("add", [0, 0], "next", { name: "next" }),
  ]);
  assertEquals(calls(program), ["openat", "write", "recvmsg", "add", "add", "add", "exit_group", "exit_group"]);
  const [, write, receive, , opened] = program;
  assertEquals(JSON.parse(write!.args[1] as string), {
    open: "etc/x",
    from: "root",
    flags: K.O_PATH | K.O_CLOEXEC,
    resolve: IN_ROOT,
  });
  assertEquals([write!.args[0], receive!.args[0], receive!.jump], [30, 30, { when: "<=", to: "orphaned" }]);
  assertEquals(
    [opened!.name, opened!.jump, opened!.why, opened!.on, opened!.optional, opened!.insteadOf],
    ["x", jump, "open etc/x", "/etc/x", false, "openat2"],
  );
});

Deno.test("what jumps to such an operation comes to the first one that stands for it", () => {
  const program = lowered([
    root,
    op("add", [0, 0], "again", { jump: { when: "always", to: "x" } }),
    open("a", IN_ROOT, { name: "x" }),
  ]);
  const target = program.find(({ why }) => why === "again")!.jump!.to;
  assertEquals(program.find(({ name }) => name === target)!.call, "write");
});

Deno.test("where no link may be, the program goes from name to name, and sees for itself that the last one is none", () => {
  const jump = { when: "=", than: -2, to: "next" } as const;
  const strict = K.RESOLVE_BENEATH | K.RESOLVE_NO_SYMLINKS;
  const program = lowered([
    root,
    open("proc/sys/x", strict, { name: "x", jump }),
    op("add", [0, 0], "next", { name: "next" }),
  ]);
  const folder = K.O_PATH | K.O_DIRECTORY | K.O_NOFOLLOW | K.O_CLOEXEC;
  assertEquals(text(program, "openat").slice(1), [
    [result("root"), "proc", folder, 0],
    [result("x folder 0"), "sys", folder, 0],
    [result("x folder 1"), "x", K.O_PATH | K.O_CLOEXEC | K.O_NOFOLLOW, 0],
  ]);
  assert(
    program.filter(({ call }) => call === "openat").slice(1).every((o) => o.jump === undefined || o.jump.to === "next"),
  );
  assertEquals(program.filter(({ jump: j }) => j?.to === "next").length, 3);
  const failing = program.find(({ call, args }) => call === "add" && args[0] === -40);
  assertEquals(failing?.optional, false);
  // What is opened for more than a place fails by itself at a link.
  assert(!calls(lowered([root, open("a/b", strict, { name: "b" }, K.O_WRONLY)])).includes("readlinkat"));
  assertThrows(() => lowered([root, open("a/../b", strict, { name: "b" })]), Error, "a/../b");
});

Deno.test("a procfs of the program's own is opened by itself, any other not", () => {
  const proc = [
    op("fsopen", ["proc", 1], "begin", { name: "context" }),
    op("fsconfig", [result("context"), K.FSCONFIG_CMD_CREATE, 0, 0, 0], "make"),
    op("fsmount", [result("context"), 1, 0], "a mount", { name: "root" }),
  ];
  const label = open("self/attr/exec", K.RESOLVE_BENEATH | K.RESOLVE_NO_MAGICLINKS, { name: "label" }, K.O_WRONLY);
  const paths = { ...ALL, mounts: false };
  assertEquals(lowered([...proc, label], paths).map(({ call }) => call).slice(3, 4), ["openat"]);
  assertThrows(() => lowered([root, label], paths), Error, "self/attr/exec");
});

Deno.test("a mount that is attached nowhere waits where only its program finds it, and is moved", () => {
  const program = lowered([root, copy("/data", "m", K.AT_RECURSIVE), root2, attach("m", "place")]);
  assertEquals(calls(program).slice(1, 7), ["mount", "mount", "mount", "openat", "dup3", "close"]);
  const mounts = text(program, "mount");
  assertEquals(mounts.slice(0, 3), [
    ["none", "/", 0, K.MS_REC | K.MS_SLAVE, 0],
    ["mini", "/", "tmpfs", 0, "mode=755"],
    ["none", "/..", 0, K.MS_UNBINDABLE, 0],
  ]);
  const [, , , folder, file, move] = mounts, slot = folder![1];
  assertEquals([folder![0], folder![3], file], ["/data", 0x1000 | K.MS_REC, folder]);
  assertEquals(move, [slot!, "/proc/self/fd/31", 0, K.MS_MOVE, 0]);
  const moved = program.findIndex(({ call, args }) => call === "mount" && args[3] === K.MS_MOVE);
  assertEquals(program[moved - 1]!.args, [result("place"), 31, K.O_CLOEXEC]);
});
const root2 = op("openat", [K.AT_FDCWD, "/r/place", K.O_PATH, 0], "the place", { name: "place" });

Deno.test("one that is attached at once is mounted there directly", () => {
  const program = lowered([root2, copy("/dev/null", "m"), attach("m", "place", { optional: true })]);
  const last = program.findLast(({ call }) => call === "mount")!;
  assertEquals([last.args, last.optional], [["/dev/null", "/proc/self/fd/31", 0, 0x1000, 0], true]);
  assertEquals(text(program, "mkdirat"), []);
});

Deno.test("a file system is made by one call, with its options and attributes", () => {
  const set = (key: string, value?: string) =>
    op(
      "fsconfig",
      value === undefined ? [result("c"), K.FSCONFIG_SET_FLAG, key, 0, 0] : [
        result("c"),
        K.FSCONFIG_SET_STRING,
        key,
        value,
        0,
      ],
      "an option",
    );
  const make = (...options: Operation[]) =>
    lowered([
      op("fsopen", ["tmpfs", 1], "begin", { name: "c" }),
      ...options,
      op("fsconfig", [result("c"), K.FSCONFIG_CMD_CREATE, 0, 0, 0], "make"),
      op("fsmount", [result("c"), 1, K.MOUNT_ATTR_RDONLY | K.MOUNT_ATTR_NOSUID | K.MOUNT_ATTR_NOATIME], "a mount", {
        name: "m",
      }),
    ]);
  const program = make(set("source", "mine"), set("size", "64k"), set("noswap"), set("sync"), set("context", "a:b,c"));
  const mount = program.findLast(({ call }) => call === "mount")!;
  assertEquals([mount.args[0], ...mount.args.slice(2)], [
    "mine",
    "tmpfs",
    1 | 2 | 16 | 1024,
    'size=64k,noswap,context="a:b,c"',
  ]);
  assert(mount.why.includes("size=64k"));
  assertThrows(() => make(set("size", "1,exec")), MiniError, "size=1,exec");
});

Deno.test("attributes are asked for mount by mount, propagation is not", () => {
  const program = lowered([root, attributes("root", K.MOUNT_ATTR_RDONLY, 0, K.MS_PRIVATE, K.AT_RECURSIVE)]);
  const asked = program.find(({ call }) => call === "write")!;
  assertEquals(JSON.parse(asked.args[1] as string), { mount: "root", set: 1, clear: 0, below: true });
  const mounts = text(program, "mount");
  assertEquals(mounts.map(([source, place, type]) => [source, place, type]), [
    ["none", "/proc/self/fd/31", 0],
    ["none", "/proc/self/fd/31", 0],
  ]);
  assert(typeof mounts[0]![3] === "object");
  assertEquals(mounts[1]![3], K.MS_PRIVATE | K.MS_REC);
  assertThrows(() => lowered([root, attributes("root", K.MOUNT_ATTR_IDMAP)]), MiniError, "Linux 5.12");
});

Deno.test("in the host's mount namespace nothing is mounted: the program has one of its own before", () => {
  const unshare = op("unshare", [Number(K.CLONE_NEWNS)], "apart");
  const program = lowered([copy("/data", "m"), unshare, root2, attach("m", "place")], ALL, false);
  assertEquals(calls(program)[0], "unshare");
  assertEquals(calls(program).filter((call) => call === "unshare").length, 1);
});

Deno.test("what is mounted before a clone into another mount namespace is taken along as copies that can be moved", () => {
  const clone = op("clone3", [{ words: [K.CLONE_NEWNS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, 88], "the container");
  const program = lowered([copy("/data", "m"), clone, root2, attach("m", "place")]);
  const after = program.slice(calls(program).indexOf("clone3"));
  assertEquals(text(after, "dup3").map(([, number]) => number), [33, 32, result("m"), 31]);
  const copied = text(after, "mount").find(([source]) => String(source).startsWith("/proc/self/fd/33/"))!;
  assertEquals([String(copied[1]).startsWith("/proc/self/fd/32/"), copied[3]], [true, 0x1000 | K.MS_REC]);
});

Deno.test("what is mounted in a container that was joined cannot be taken out of it, nor anything mounted over its root", () => {
  const join = op("setns", [7, Number(K.CLONE_NEWNS)], "join");
  assertThrows(() => lowered([join, copy("/dev/shm", "m")], ALL, false), MiniError, "open_tree");
});

Deno.test("where mounts wait is gone before anybody looks at the mount namespace", () => {
  const [first, second] = lower(
    [[copy("/data", "m"), root2, attach("m", "place")], [op("pause", [], "wait"), end]],
    ALL,
    NUMBERS,
    true,
  );
  assertEquals(first!.at(-1)!.call, "umount2");
  assertEquals(calls(second!), ["pause", "exit_group", "exit_group"]);
});

Deno.test("what cannot be marked close-on-exec is closed, but for what is used up to then", () => {
  const program = lowered([
    op("close_range", [4, 0xffffffff, K.CLOSE_RANGE_CLOEXEC], "nothing else is open"),
    op("write", [7, "+", 1], "tell"),
    op("read", [3, { cell: "c", size: 8 }, 1], "wait"),
  ], { ...ALL, marking: true });
  assertEquals(program.slice(0, 3).map(({ call, args }) => [call, ...args]), [
    ["close_range", 4, 6, 0],
    ["close_range", 8, 0xffffffff, 0],
    ["fcntl", 7, K.F_SETFD, 1],
  ]);
});
