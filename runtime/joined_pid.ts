/**
 * What makes it possible that a container comes into a pid namespace of others last of all, as what it is to be. Until then our program has
 * the host's root and rights, and whoever is in that namespace and may trace (CAP_SYS_PTRACE) could take them from it.
 *
 * All that has to be made from inside a pid namespace is its procfs. So the container gets that of the namespace's first process, as
 * a mount of its own, with its own options.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWNS,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../ffi/constants.ts";
import { hasDetachedMounts } from "../ffi/available.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, trySyscall } from "../ffi/kernel.ts";
import { op, type Operation, type Program, result } from "../ffi/program.ts";
import { takeOpened, untilTaken } from "../ffi/take.ts";
import { capabilityMask } from "./capabilities.ts";
import { parseMountOptions } from "./mount_options.ts";
import { PROC_SUPER_MAGIC } from "./plan_mounts.ts";
import type { Hooks, Mount, Spec } from "./spec.ts";

const isProc = ({ type, options = [] }: Mount) => type === "proc" && !options.includes("remount");

/** A namespace as /proc names it: `pid:[4026531836]`. */
const nameOf = (path: string): string | undefined => {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined; // it has ended, or is not ours to look at
  }
};

/** A process in the namespace, as /proc tells it. */
interface Member {
  readonly pid: number;
  readonly isFirst: boolean;
  /** It may trace what has more rights than it has, and cannot become the host's root in other ways. */
  readonly mayTrace: boolean;
}

function members(namespace: string): Member[] {
  const own = nameOf("/proc/self/ns/user");
  const trace = capabilityMask(["CAP_SYS_PTRACE"]), all = capabilityMask(["CAP_SYS_ADMIN"]);
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    if (!/^\d+$/.test(name) || nameOf(`/proc/${name}/ns/pid`) !== namespace) return [];
    let status: string;
    try {
      status = Deno.readTextFileSync(`/proc/${name}/status`);
    } catch {
      return []; // it has ended
    }
    const has = BigInt(`0x${status.match(/^CapPrm:\s*(\w+)$/m)?.[1] ?? 0}`);
    return [{
      pid: Number(name),
      isFirst: /^NSpid:.*\t1$/m.test(status),
      mayTrace: nameOf(`/proc/${name}/ns/user`) === own && (has & trace) !== 0n && (has & all) === 0n,
    }];
  });
}

/**
 * Takes the procfs of a pid namespace for each such mount of a specification: mounts that are attached nowhere, by their place in
 * the list, the caller's to close.
 *
 * @param fd of the namespace. @returns undefined where there is none to take, or hooks want its process earlier: it is born in the namespace then.
 * @throws {MiniError} if it were not safe there.
 */
export function takeProcs(spec: Spec, fd: number): Map<number, number> | undefined {
  const places = (spec.mounts ?? []).flatMap((mount, i) => isProc(mount) ? [i] : []);
  // These are to find the container's own process, and are in its namespaces themselves.
  if (["prestart", "createRuntime", "createContainer"].some((kind) => spec.hooks?.[kind as keyof Hooks]?.length)) {
    return undefined;
  }
  // Options of the file system itself would be those of the other container's, too.
  if (places.some((i) => parseMountOptions(spec.mounts![i]!.options ?? [], "/proc").data.length > 0)) return undefined;
  // Programs that do without these calls ask for what is done in their place, and have to be where it is done.
  const isOld = !hasDetachedMounts();
  if (places.length === 0 && !isOld) return new Map();
  const all = members(nameOf(`/proc/self/fd/${fd}`)!), first = all.find(({ isFirst }) => isFirst);
  const taken = first && !isOld ? takeFrom(first.pid, fd, places) : undefined;
  if (!taken && all.some(({ mayTrace }) => mayTrace)) {
    const why = isOld ? "this kernel has no mount calls by descriptor" : "its first process has no /proc of its own";
    throw new MiniError(
      `a container whose pid namespace is to be joined may trace (CAP_SYS_PTRACE), and ${why}, so that it could take over ` +
        "this one while it is being made: give them a user namespace (--userns), or join another one's",
      125,
    );
  }
  return taken;
}

function takeFrom(pid: number, namespace: number, places: readonly number[]): Map<number, number> | undefined {
  const pidfd = trySyscall("pidfd_open", pid, 0);
  if (pidfd < 0) return undefined;
  try {
    const { ino } = Deno.statSync(`/proc/self/fd/${namespace}`);
    const names = places.map((i) => `proc ${i}`);
    const taken = takeOpened(
      (sync) => planProcs(pidfd, BigInt(ino!), names, sync),
      names,
      { pass: [pidfd] },
      ["mount", Errno.EINVAL],
    );
    return new Map(places.map((place, i) => [place, taken[i]!]));
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    close(pidfd);
  }
}

/** The number of the root of every procfs. */
const PROC_ROOT_INO = 1n;
const WHAT = { cell: "statfs", size: 256 } as const;
/** Where struct stat has st_ino. */
const INO = 8;

/** @param process its descriptor. @param namespace the number of the pid namespace that its /proc must be of. */
function planProcs(process: number, namespace: bigint, names: readonly string[], sync: number): Program {
  const compare = (offset: number, than: number | bigint, what: string): Operation =>
    op("add", [{ load: "statfs", size: 256, offset }, 0], what, { jump: { when: "!=", than, to: "another" } });
  return [
    op("setns", [process, Number(CLONE_NEWNS)], "see what the container sees"),
    op("openat", [AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0], "its /proc", { name: "proc" }),
    op("fstatfs", [result("proc"), WHAT], "what file system is that?"),
    compare(0, PROC_SUPER_MAGIC, "a procfs?"),
    op("fstat", [result("proc"), WHAT], "which part of it?"),
    compare(INO, PROC_ROOT_INO, "all of it?"),
    op("openat", [result("proc"), "1/ns/pid", O_RDONLY | O_CLOEXEC, 0], "the pid namespace of its process 1", {
      name: "namespace",
    }),
    op("fstat", [result("namespace"), WHAT], "which one is that?"),
    compare(INO, namespace, "the one that is joined?"),
    ...names.map((name) =>
      op(
        "open_tree",
        [result("proc"), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
        "to be mounted elsewhere",
        {
          name,
        },
      )
    ),
    ...untilTaken(sync),
    { ...op("exit_group", [1], "it is another one"), name: "another" },
  ];
}
