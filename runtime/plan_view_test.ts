import { assert, assertEquals } from "@std/assert";
import { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, RESOLVE_NO_SYMLINKS } from "../ffi/constants.ts";
import { result } from "../ffi/program.ts";
import { openHow, ROOT } from "./plan_paths.ts";
import { planLayers, VIEW } from "./plan_layers.ts";
import { NAMESPACE, planJoin, planMount, planSubpath, planView, SCRATCH_UPPER, SCRATCH_WORK } from "./plan_view.ts";

const rootfs = { kind: "overlay", options: "lowerdir=/b:/a", relativeTo: "/", target: "/t" } as const;
const facts = { isDirectory: () => true, cgroup2: true };
const volume = { destination: "/data", type: "bind", source: "/host", options: ["bind", "ro"] };
const calls = (program: ReturnType<typeof planView>) => program.map(({ call }) => call);

Deno.test("a view takes hold of volumes first, mounts them in the root, and hands over what keeps them", () => {
  const program = planView({ rootfs, scratch: false, mounts: [volume], facts, readonly: false, sync: 9 });
  assertEquals(calls(program)[0], "open_tree");
  const taken = [ROOT, NAMESPACE].map((taken) => program.findIndex(({ name }) => name === taken));
  assertEquals(taken.map((index) => program[index]?.call), ["openat", "openat"]);
  assert(program.findIndex(({ call }) => call === "move_mount") < taken[1]!);
  assertEquals(program.slice(-3).map(({ call }) => call), ["write", "read", "exit_group"]);
});

Deno.test("a source that the caller has found by a path is opened by it once more, and no link on it is followed", () => {
  const sources = new Map([[0, "/volumes/v/data/sub"]]),
    view = { rootfs, scratch: false, facts, readonly: false, sync: 9 };
  const [place, copy] = planView({ ...view, mounts: [volume], sources });
  assertEquals([place!.call, ...place!.args.slice(1, 3)], [
    "openat2",
    "/volumes/v/data/sub",
    openHow(O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS),
  ]);
  assertEquals([copy!.call, copy!.args[0]], ["open_tree", result(place!.name!)]);
});

Deno.test("a view whose changes nobody keeps writes to a file system of its own, which the host does not see", () => {
  const program = planView({ rootfs, scratch: true, mounts: [], facts, readonly: false, sync: 9 });
  const [apart, tmpfs, ...folders] = program;
  assertEquals([apart!.args[1], tmpfs!.args[2]], ["/", "tmpfs"]);
  assertEquals(folders.slice(0, 2).map(({ args }) => args[1]), [SCRATCH_UPPER, SCRATCH_WORK]);
});

Deno.test("a root that can only be read is made so after everything is mounted in it, and before it is handed over", () => {
  const program = planView({ rootfs, scratch: false, mounts: [volume], facts, readonly: true, sync: 9 });
  const last = program.findLastIndex(({ call }) => call === "mount_setattr");
  assertEquals(program[last + 1]!.name, NAMESPACE);
});

Deno.test("the root of a container that runs is that of its mount namespace", () => {
  assertEquals(calls(planJoin(7, 9)), ["setns", "openat", "write", "read", "exit_group"]);
  assertEquals(planLayers(rootfs, 9).filter(({ name }) => name === VIEW).length, 1);
});

Deno.test("what is in a mount is copied while that is attached, and before the namespace ends", () => {
  const program = planSubpath(7, 8, 3), calls = program.map(({ call }) => call);
  assertEquals(calls.slice(0, 3), ["mount", "move_mount", "open_tree"]);
  assertEquals([program[1]!.args[0], program[2]!.args[0], program[2]!.name], [7, 8, VIEW]);
});

Deno.test("what is joined of another container is found by no link", () => {
  const program = planMount(7, "/dev/shm", 3);
  assertEquals(calls(program).slice(0, 5), ["setns", "openat", "openat", "openat", "open_tree"]);
  const flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  assertEquals(program.slice(2, 4).map(({ args }) => args.slice(1, 3)), [["dev", flags], ["shm", flags]]);
});
