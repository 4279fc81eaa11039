/** Sets the limits of a cgroup, and hands the controllers down to it that they need. cgroup-v2.rst of the kernel. */
import { AT_FDCWD, O_CLOEXEC, O_TRUNC, O_WRONLY } from "../ffi/constants.ts";
import { Errno, errnoMeaning, errnoName, MiniError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { act } from "../ffi/witness.ts";
import type { CgroupTree } from "./cgroup.ts";
import { type CgroupWrite, cgroupWrites } from "./cgroup_limits.ts";
import type { Resources } from "./resources.ts";

/** Handed down with what is needed, so that what a container uses can be told, and limits can be set while it runs. */
const WITH_ANY: readonly string[] = ["cpu", "io", "memory", "pids"];

const encoder = new TextEncoder();

/** Writes to a file of the kernel in one write. @returns 0, or -errno. */
function writeTo(path: string, value: string): number {
  return act(() => `write(${JSON.stringify(path)}, ${JSON.stringify(value)})`, "a limit", () => writeOnce(path, value));
}

function writeOnce(path: string, value: string): number {
  const fd = trySyscall("openat", AT_FDCWD, path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  const bytes = encoder.encode(value), result = trySyscall("write", fd, bytes, bytes.length);
  close(fd);
  return Math.min(result, 0);
}

/** The words in a file of the kernel; none if there is no such file. */
function wordsOf(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split(/\s+/).filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The controllers that version 2 has here; the others are with version 1, or not in this kernel. */
export const controllers = (tree: CgroupTree): string[] => wordsOf(`${tree.root}/cgroup.controllers`);

/** The controller that a file belongs to. */
const controllerOf = (file: string) => file.slice(0, file.indexOf("."));

/**
 * Limits a cgroup to `resources`, all but its devices (device_limits.ts).
 *
 * @param path of the cgroup in the tree. @param optional files that are not written where their controller cannot be had.
 * @throws {MiniError} for what cannot be set, and why.
 */
export function applyResources(
  tree: CgroupTree,
  path: string,
  resources: Resources,
  optional: readonly string[] = [],
): void {
  const writes = cgroupWrites(resources);
  if (resources.memory?.checkBeforeUpdate) checkUsage(`${tree.root}${path}`, resources.memory.limit);
  for (const write of writes) apply(tree, path, write, optional.includes(write.file));
}

function apply(tree: CgroupTree, path: string, write: CgroupWrite, optional: boolean): void {
  const folder = `${tree.root}${path}`, controller = controllerOf(write.file);
  const attempt = (): number => {
    const result = writeTo(`${folder}/${write.file}`, write.value);
    if (result !== -Errno.ENOENT || !write.otherwise) return result;
    return writeTo(`${folder}/${write.otherwise.file}`, write.otherwise.value);
  };
  let result = attempt(), hindrance: string | undefined;
  // Only the first container of a tree, and one that is the first to need a controller, comes here.
  if (result === -Errno.ENOENT) {
    if (optional && !controllers(tree).includes(controller)) return;
    hindrance = handDown(tree, path, controller);
    result = attempt();
  }
  if (result === 0) return;
  if (result === -Errno.ENOENT && (optional || write.extra)) return;
  if (result === -Errno.ENOENT) throw new MiniError(`cannot set ${write.what}: ${hindrance ?? noFile(folder, write)}`);
  throw refusedValue(folder, write, -result);
}

function noFile(folder: string, { file }: CgroupWrite): string {
  return file === "memory.swap.max"
    ? "this kernel does not count swap; boot it with swapaccount=1"
    : `this kernel has no ${file} (it would be in ${folder})`;
}

/**
 * Hands a controller, and those that go with any, down from the root of the tree to the cgroup's parent.
 *
 * @returns what is in the way of the controller itself; undefined if nothing is.
 */
function handDown(tree: CgroupTree, path: string, controller: string): string | undefined {
  const there = controllers(tree);
  const steps = path.split("/").filter(Boolean).slice(0, -1);
  for (let depth = 0; depth <= steps.length; depth++) {
    const folder = [tree.root, ...steps.slice(0, depth)].join("/"), file = `${folder}/cgroup.subtree_control`;
    const enabled = wordsOf(file);
    const wanted = [...new Set([controller, ...WITH_ANY])].filter((c) => there.includes(c) && !enabled.includes(c));
    if (wanted.length === 0 || writeTo(file, wanted.map((c) => `+${c}`).join(" ")) === 0) continue;
    // All or none of one write: what is in the way of one is not to keep the others away.
    const failures = new Map(wanted.map((c) => [c, -writeTo(file, `+${c}`)]));
    const errno = failures.get(controller) ?? 0;
    if (errno !== 0) return cannotHandDown(folder, controller, errno);
  }
  if (there.includes(controller)) return undefined;
  if (tree.hybrid && isWithVersion1(controller)) {
    return `the ${controller} controller of this host is with cgroup version 1, and mini uses version 2; to change that, boot the host with systemd.unified_cgroup_hierarchy=1 (without systemd: cgroup_no_v1=all) on the kernel's command line`;
  }
  return controller === "memory"
    ? `this kernel has no memory controller; where it is only turned off, boot with cgroup_enable=memory`
    : `this host has no ${controller} controller (${tree.root}/cgroup.controllers lists what it has)`;
}

/** Whether a hierarchy of cgroup version 1 has the controller: cgroups(7), /proc/PID/cgroup. */
function isWithVersion1(controller: string): boolean {
  const name = controller === "io" ? "blkio" : controller;
  return Deno.readTextFileSync("/proc/self/cgroup").split("\n").some((line) =>
    line.split(":")[1]?.split(",").includes(name)
  );
}

function cannotHandDown(folder: string, controller: string, errno: number): string {
  if (errno === Errno.EBUSY) {
    return `the cgroup ${folder} has processes of its own, and such a one cannot hand the ${controller} controller down; move them into a cgroup below it first: mkdir ${folder}/init; for p in $(cat ${folder}/cgroup.procs); do echo $p > ${folder}/init/cgroup.procs; done`;
  }
  if (errno === Errno.ENOENT) return `the cgroup ${folder} was not given the ${controller} controller`;
  if (errno === Errno.EROFS || errno === Errno.EACCES || errno === Errno.EPERM) {
    return `${folder}/cgroup.subtree_control cannot be written (${
      errnoName(errno)
    }), so it cannot hand the ${controller} controller down`;
  }
  return `${folder} cannot hand the ${controller} controller down: ${errnoMeaning(errno)} (${errnoName(errno)})`;
}

function refusedValue(folder: string, { file, value, what }: CgroupWrite, errno: number): MiniError {
  const why = `the kernel does not take ${JSON.stringify(value)} for ${file}`;
  const parent = folder.slice(0, folder.lastIndexOf("/"));
  if (file === "cpuset.cpus" || file === "cpuset.mems") {
    const kind = file === "cpuset.cpus" ? "processors" : "memory nodes";
    return new MiniError(`cannot set ${what}: ${why}; there are the ${kind} ${effective(parent, file)}`);
  }
  if (file === "io.max" && errno === Errno.ENODEV) {
    return new MiniError(`cannot set ${what}: there is no such disk, or it is a part of one: give the whole disk`);
  }
  return new MiniError(`cannot set ${what}: ${why}: ${errnoMeaning(errno)} (${errnoName(errno)})`);
}

/** The processors or memory nodes that a cgroup can have at most. */
function effective(folder: string, file: string): string {
  return wordsOf(`${folder}/${file}.effective`).join(" ") || "that its parent has";
}

/** @throws {MiniError} if more is used already than would be allowed. */
function checkUsage(folder: string, limit: number | undefined): void {
  const used = Number(wordsOf(`${folder}/memory.current`)[0] ?? 0);
  if (limit !== undefined && limit > 0 && used > limit) {
    throw new MiniError(`the container uses ${used} bytes of memory already, more than the limit of ${limit}`);
  }
}
