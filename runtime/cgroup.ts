/** A container's cgroup v2, written directly: Documentation/admin-guide/cgroup-v2.rst. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { syscall, trySyscall } from "../ffi/kernel.ts";
import { act } from "../ffi/witness.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";

/** The host's cgroup v2 tree. */
export interface CgroupTree {
  readonly root: string;
  /** Version 1 holds some of the controllers, so that their limits cannot be set here. */
  readonly hybrid: boolean;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function findTree(): CgroupTree | undefined {
  if (exists("/sys/fs/cgroup/cgroup.controllers")) return { root: "/sys/fs/cgroup", hybrid: false };
  if (exists("/sys/fs/cgroup/unified/cgroup.procs")) return { root: "/sys/fs/cgroup/unified", hybrid: true };
  return undefined;
}

/** The tree stays where it is as long as a command lives. */
let known: CgroupTree | undefined;

/** The whole tree of cgroup v2; undefined if none is mounted. */
export function hostTree(): CgroupTree | undefined {
  return known ??= findTree();
}

const W_OK = 2;

/**
 * Where our cgroups are to be: below the root of cgroup v2, or for an ordinary user below the cgroup that was delegated to it.
 * Undefined where there is none.
 */
export function cgroupTree(): CgroupTree | undefined {
  const tree = hostTree();
  return tree && ownNamespace() ? delegatedTree(tree) : tree;
}

/**
 * The part of the tree that was delegated to this process: the topmost cgroup above it that it may write, so that all commands of
 * a user's find the same one. cgroup-v2.rst, "Delegation"
 */
export function delegatedTree(tree: CgroupTree): CgroupTree | undefined {
  const mayWrite = (folder: string) =>
    ["", "/cgroup.procs"].every((file) => trySyscall("faccessat", AT_FDCWD, folder + file, W_OK) === 0);
  const own = Deno.readTextFileSync("/proc/self/cgroup").match(/^0::(\/.*)$/m)?.[1] ?? "/";
  let ours: CgroupTree | undefined;
  for (let path = own === "/" ? "" : own; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const root = `${tree.root}${path}`;
    if (mayWrite(root)) ours = { root, hybrid: tree.hybrid };
    else if (ours) break;
  }
  return ours;
}

/**
 * Moves the processes in the delegated cgroup itself, this one among them, into one below: a cgroup hands controllers down only
 * where no process is in it. cgroup-v2.rst, "No Internal Process Constraint"
 */
export function vacate(tree: CgroupTree, path: string): void {
  const inside = processes(tree.root);
  if (inside.length === 0) return;
  const below = `${tree.root}${path}`;
  Deno.mkdirSync(below, { recursive: true, mode: 0o755 });
  for (const pid of inside) {
    try {
      Deno.writeTextFileSync(`${below}/cgroup.procs`, String(pid), { create: false });
    } catch (error) {
      if (!(error as Error).message.includes("os error 3")) throw error; // it has ended
    }
  }
}

/** What keeps containers without a cgroup: nothing is limited then, but `note` is to be told. */
export interface Cgroup {
  /** Its folder. */
  readonly path: string;
  /** A descriptor of it, for a process to be born in; the caller's to close. */
  readonly fd: number;
}

/**
 * Makes the cgroup `path` (`/mini/ID`) in the tree.
 *
 * @throws {MiniError} if it is there already or the tree cannot be written.
 */
export function makeCgroup(tree: CgroupTree, path: string): Cgroup {
  const folder = `${tree.root}${path}`, parent = folder.slice(0, folder.lastIndexOf("/"));
  try {
    Deno.mkdirSync(parent, { recursive: true, mode: 0o755 });
    act(
      () => `mkdir(${JSON.stringify(folder)})`,
      "the container's cgroup",
      () => Deno.mkdirSync(folder, { mode: 0o755 }),
    );
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new MiniError(`the cgroup ${folder} is there already; is the container running? ('mini ps')`);
    }
    throw new MiniError(`cannot make the cgroup ${folder}: ${(error as Error).message}`, undefined, { cause: error });
  }
  return { path: folder, fd: syscall("openat", AT_FDCWD, folder, O_PATH | O_DIRECTORY | O_CLOEXEC) };
}

/** A cgroup of mini's own processes, made if it is not there; `fd` is the caller's to close. */
export function openCgroup(tree: CgroupTree, path: string): Cgroup {
  const folder = `${tree.root}${path}`;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o755 });
  return { path: folder, fd: syscall("openat", AT_FDCWD, folder, O_PATH | O_DIRECTORY | O_CLOEXEC) };
}

/** Whether a failure means that there is no such cgroup; ENODEV: it was removed between opening the file and using it. */
export const isGone = (error: unknown) =>
  error instanceof Deno.errors.NotFound || (error instanceof Error && error.message.includes("(os error 19)"));

/** Ends every process in a cgroup, however fast they fork (cgroup.kill; kernel 5.14). No cgroup: nothing to do. */
export function killCgroup(folder: string): void {
  try {
    Deno.writeTextFileSync(`${folder}/cgroup.kill`, "1", { create: false });
  } catch (error) {
    if (!isGone(error)) throw error;
    // Before 5.14: one after the other, until there is none.
    for (const pid of processes(folder)) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // it ended meanwhile
      }
    }
  }
}

/** The processes in a cgroup; none if there is no such cgroup. */
export function processes(folder: string): number[] {
  try {
    return Deno.readTextFileSync(`${folder}/cgroup.procs`).split("\n").filter(Boolean).map(Number).filter((pid) =>
      pid > 0
    );
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Cgroups that a container made inside its own go first. */
function removeTree(folder: string): void {
  for (const entry of Deno.readDirSync(folder)) if (entry.isDirectory) removeTree(`${folder}/${entry.name}`);
  Deno.removeSync(folder);
}

/**
 * Removes a cgroup, ending what is left in it. A process that was killed leaves its cgroup a moment later.
 *
 * @throws {MiniError} when a process does not end within ten seconds: one in an uninterruptible wait.
 */
export async function removeCgroup(folder: string): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      // Almost always there is nothing below and nobody left.
      if (tries === 0) act(() => `rmdir(${JSON.stringify(folder)})`, "the cgroup goes", () => Deno.removeSync(folder));
      else removeTree(folder);
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (tries > 1000) {
        throw new MiniError(
          `cannot remove the cgroup ${folder}: a process in it does not end (${(error as Error).message})`,
        );
      }
      killCgroup(folder);
      await new Promise((resolve) => setTimeout(resolve, Math.min(10, tries)));
    }
  }
}

/** Whether a cgroup is frozen, `mini pause`. None: it is not. */
export function isFrozen(folder: string): boolean {
  try {
    return Deno.readTextFileSync(`${folder}/cgroup.freeze`).trim() === "1";
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
