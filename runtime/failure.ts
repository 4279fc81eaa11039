/** Why a container did not come to be, in one sentence and with Docker's exit status. */
import { O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { Errno, errnoMeaning, errnoName, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, machine } from "../ffi/kernel.ts";
import { openInRoot } from "../ffi/files.ts";
import { open, openRegular, readFile } from "../ffi/open.ts";
import type { Operation } from "../ffi/program.ts";
import type { Failure, Results } from "../ffi/spawn.ts";
import { IDMAP } from "./plan_mounts.ts";
import { components, REFUSED } from "./plan_paths.ts";
import { EXEC, LOOK, NOT_HERE } from "./plan_process.ts";
import type { Mount } from "./spec.ts";

/** Status of a command that could not be found, could not be executed, or of our own failure. */
const NOT_FOUND = 127, NOT_EXECUTABLE = 126, OURS = 125;

/** What it takes to look at a program as the container would have seen it. */
export interface Inside {
  /** Opens the root, without anything that is mounted in it; the descriptor is closed here. */
  readonly openRoot?: (() => number) | undefined;
  readonly cwd: string;
  readonly mounts: readonly Mount[];
}

/**
 * The error for a program that ended by an operation that failed.
 *
 * @param inside to look at the program there; without it the message says less.
 */
export function containerError(failure: Failure, results: Results, inside?: Inside): MiniError {
  const { operation, index, errno } = rootCause(failure, results);
  if (operation.name?.startsWith(EXEC)) return execError(results, EXEC, inside);
  if (operation.name?.startsWith(LOOK)) return execError(results, LOOK, inside);
  if (operation.why.startsWith(REFUSED)) return new MiniError(operation.why.slice(REFUSED.length), OURS);
  const call = callOf(operation), what = operation.on ? `${call} ${operation.on}` : call;
  // What asks whether to go on (ffi/step.ts) has no reason of its own, and is not counted.
  const count = (end?: number) => results.program.slice(0, end).filter(({ why }) => why !== "").length;
  const place = `operation ${count(index) + 1} of ${count()}, "${operation.why}"`;
  const hint = hintFor(operation, errno);
  return new MiniError(
    `${what}: ${errnoMeaning(errno)} (${errnoName(errno)}; ${place})${hint ? `; ${hint}` : ""}`,
    OURS,
  );
}

/** The call as it was planned, where one that is missing fails by what is done in its place (ffi/without). */
const callOf = ({ call, insteadOf }: Operation) =>
  insteadOf === "openat2" || insteadOf && call === "add" ? insteadOf : call;

/** A place that is not there after it was to be made: why it could not be made is what matters. */
function rootCause(failure: Failure, results: Results): Failure {
  if (callOf(failure.operation) !== "openat2" || failure.errno !== Errno.ENOENT) return failure;
  let cause = failure;
  for (let index = failure.index - 1;; index--) {
    const operation = results.program[index];
    const makes = operation?.call === "mkdirat" || operation?.call === "mknodat";
    if (!operation || !makes && callOf(operation) !== "openat2") return cause;
    const errno = -(results.at(index) ?? 0);
    if (makes && errno > 0 && errno !== Errno.EEXIST) cause = { operation, index, errno };
  }
}

/** What a person can do about the failures that are the host's, not the container's. */
function hintFor({ call, args, why }: Operation, errno: number): string | undefined {
  if ((call === "mount" && args[2] === "overlay") && errno === Errno.ENODEV) {
    return "this kernel has no overlayfs: try 'modprobe overlay', or use --rootfs";
  }
  if (call === "mount" && args[2] === "overlay" && errno === Errno.EINVAL) {
    return "the file system that --root is on cannot hold overlay layers; 'dmesg' says why, and --root moves it";
  }
  if (call === "mount_setattr" && why === IDMAP && errno === Errno.EINVAL) {
    return "the file system there cannot give its files other ids: ext4, xfs and btrfs can, tmpfs and others since Linux 6.3";
  }
  if (call === "setns" && errno === Errno.EINVAL) {
    return "it is no namespace of that kind, or mini's own user namespace";
  }
  if (call === "fsopen" && errno === Errno.ENODEV) return `this kernel has no ${args[0]}`;
  if (call === "mount" && typeof args[2] === "string" && errno === Errno.ENODEV) return `this kernel has no ${args[2]}`;
  if (call === "prlimit64" && errno === Errno.EPERM) {
    return "it is above mini's own hard limit ('ulimit -H'), and mini lacks CAP_SYS_RESOURCE to raise that";
  }
  if (call === "prlimit64" && errno === Errno.EINVAL) return "the first limit may not be above the second";
  if (call === "unshare" && (errno === Errno.ENOSPC || errno === Errno.EUSERS)) {
    return "the limit on namespaces is reached: see /proc/sys/user/max_*_namespaces and 'lsns'";
  }
  if (errno === Errno.ENOSPC || errno === Errno.EDQUOT) return "make room on that file system, or move it with --root";
  if (errno === Errno.EPERM || errno === Errno.EACCES) return "a security module or a filter around mini may forbid it";
  return undefined;
}

/** The error of a program that could not be started: which of the candidates along PATH was the one, and what is wrong with it. */
function execError(results: Results, candidates: string, inside?: Inside): MiniError {
  const tried = results.program.flatMap((operation, i) => {
    const errno = -(results.at(i) ?? 0);
    return operation.name?.startsWith(candidates) && errno > 0 ? [{ path: operation.on!, errno }] : [];
  });
  // As execvp(3): a program that was found and refused is more worth telling than folders where there is none.
  const found = tried.find((t) => !NOT_HERE.includes(t.errno));
  const root = openQuietly(inside?.openRoot);
  try {
    for (const { path, errno } of found ? [found] : tried) {
      const reason = root === undefined ? undefined : inspect(root, inside!, path, errno);
      if (reason) return new MiniError(`cannot run ${path}: ${reason}`, NOT_EXECUTABLE);
    }
  } finally {
    if (root !== undefined) close(root);
  }
  if (found) {
    return new MiniError(
      `cannot run ${found.path}: ${errnoMeaning(found.errno)} (${errnoName(found.errno)})`,
      NOT_EXECUTABLE,
    );
  }
  const path = tried[0]?.path ?? "the program";
  return new MiniError(
    tried.length > 1
      ? `cannot run ${path.slice(path.lastIndexOf("/") + 1)}: there is no such program along PATH in the container`
      : `cannot run ${path}: there is no such file in the container`,
    NOT_FOUND,
  );
}

/** The message is worth having without it: the failure to look is not what the person asked about. */
function openQuietly(open?: () => number): number | undefined {
  try {
    return open?.();
  } catch (error) {
    if (error instanceof SyscallError || error instanceof MiniError) return undefined;
    throw error;
  }
}

const MACHINES: Record<number, string> = {
  3: "x86",
  40: "arm",
  62: "x86-64",
  183: "aarch64",
  243: "riscv",
  21: "ppc64",
  22: "s390x",
};

/** Opens a program (O_PATH), in the root or in what is mounted there from the host. @throws {SyscallError} */
function openProgram(root: number, { cwd, mounts }: Inside, path: string): number {
  const names = components(path.startsWith("/") ? path : `${cwd}/${path}`, "a program");
  const isBelow = (place: string[]) => place.length <= names.length && place.every((name, i) => name === names[i]);
  const found = mounts.flatMap(({ type, source, destination }) => {
    const place = components(destination, "a mount's destination");
    return type === "bind" && source !== undefined && isBelow(place) ? [{ source, depth: place.length }] : [];
  }).reduce((a, b) => b.depth >= a.depth ? b : a, { source: "", depth: -1 });
  const rest = names.slice(Math.max(0, found.depth)).join("/") || ".";
  if (found.depth < 0) return openInRoot(root, rest, O_PATH);
  if (rest === ".") return open(found.source, O_PATH);
  const folder = open(found.source, O_PATH | O_DIRECTORY);
  try {
    return openInRoot(folder, rest, O_PATH);
  } finally {
    close(folder);
  }
}

/** What is wrong with the file at `path`; undefined if there is none. */
function inspect(root: number, inside: Inside, path: string, errno: number): string | undefined {
  let place: number, fd: number | undefined;
  try {
    place = openProgram(root, inside, path);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (NOT_HERE.includes(error.errno)) return undefined;
    return `${errnoMeaning(errno)} (${errnoName(errno)})`;
  }
  try {
    const info = Deno.statSync(`/proc/self/fd/${place}`);
    if (info.isDirectory) return "it is a folder, not a program";
    if (!info.isFile) return "it is no regular file";
    if (errno === Errno.EACCES && ((info.mode ?? 0) & 0o111) === 0) {
      return `it has no execute permission ('chmod +x' where the file comes from)`;
    }
    fd = openRegular(place);
    return fd === undefined ? undefined : inspectContent(fd, root, errno);
  } finally {
    if (fd !== undefined) close(fd);
    close(place);
  }
}

function inspectContent(fd: number, root: number, errno: number): string {
  const content = readFile(fd, 4096), { length } = content;
  const head = new Uint8Array(4096), view = new DataView(head.buffer);
  head.set(content);
  if (head[0] === 0x23 && head[1] === 0x21) { // #!
    const line = new TextDecoder().decode(head.subarray(2, length)).split("\n")[0]!;
    const interpreter = line.trim().split(/\s/)[0] ?? "";
    if (line.endsWith("\r")) {
      return `its first line ends in a carriage return (a Windows line ending), so that the interpreter would be "${interpreter}\\r"`;
    }
    if (errno === Errno.ENOENT) return `its interpreter ${interpreter} is not in the container`;
  } else if (length >= 20 && view.getUint32(0) === 0x7f454c46) {
    const elfMachine = view.getUint16(18, head[5] === 1);
    if (elfMachine !== machine.elfMachine && errno === Errno.ENOEXEC) {
      return `it is a program for ${MACHINES[elfMachine] ?? `machine ${elfMachine}`}, and this machine is ${
        machine.name.replace("_", "-")
      }`;
    }
    const loader = head[4] === 2 ? elfInterpreter(head, view) : undefined;
    if (errno === Errno.ENOENT && loader && !isThere(root, loader)) {
      return `its loader ${loader} is not in the container (a program built for another C library?)`;
    }
  } else if (errno === Errno.ENOEXEC) {
    return length === 0
      ? "the file is empty"
      : "it is neither a program nor a script: its first line does not begin with #!";
  }
  return `${errnoMeaning(errno)} (${errnoName(errno)})`;
}

/** PT_INTERP of a 64-bit little-endian file, if its headers are within the first page, as linkers put them. elf(5) */
function elfInterpreter(head: Uint8Array, view: DataView): string | undefined {
  const table = Number(view.getBigUint64(32, true)), size = view.getUint16(54, true), count = view.getUint16(56, true);
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (at + 40 > head.length) return undefined;
    if (view.getUint32(at, true) !== 3) continue;
    const offset = Number(view.getBigUint64(at + 8, true)), length = Number(view.getBigUint64(at + 32, true));
    if (offset + length > head.length) return undefined;
    return new TextDecoder().decode(head.subarray(offset, offset + length - 1));
  }
  return undefined;
}

function isThere(root: number, path: string): boolean {
  try {
    close(openInRoot(root, components(path, "a loader").join("/"), O_PATH));
    return true;
  } catch {
    return false;
  }
}
