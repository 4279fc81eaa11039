/** A system call of a program as a person writes it: `mount("overlay", "/var/…/merged", "overlay", 0, "lowerdir=…")`. */
import { AT_FDCWD } from "./constants.ts";
import { errnoName } from "./errors.ts";
import type { Argument, Operation } from "./program.ts";
import { type FlagKind, showFlags } from "./show_flags.ts";

/** What an argument is: a descriptor, octal permission bits, flags of a kind, plain, or a structure of such words. */
type Shape = "fd" | "mode" | "plain" | FlagKind | readonly Shape[];

/** The arguments of calls whose numbers mean more than themselves; for others the last flags are plain numbers. */
const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  openat: ["fd", "plain", "open", "mode"],
  openat2: ["fd", "plain", ["open", "mode", "resolve"], "plain"],
  open_tree: ["fd", "plain", "openTree"],
  move_mount: ["fd", "plain", "fd", "plain", "moveMount"],
  mount_setattr: ["fd", "plain", "openTree", ["mountAttr", "mountAttr", "mount", "fd"], "plain"],
  clone3: [["clone", "plain", "plain", "plain", "plain", "plain", "plain", "plain", "plain", "plain", "fd"], "plain"],
  clone: ["clone", "plain", "plain", "plain", "plain"],
  mount: ["plain", "plain", "plain", "mount", "plain"],
  umount2: ["plain", "umount"],
  fsopen: ["plain", "fsopen"],
  fsconfig: ["fd", "fsconfig", "plain", "plain", "plain"],
  fsmount: ["fd", "fsmount", "mountAttr"],
  unshare: ["clone"],
  setns: ["fd", "clone"],
  mkdirat: ["fd", "plain", "mode"],
  mknodat: ["fd", "plain", "mode", "plain"],
  symlinkat: ["plain", "fd", "plain"],
  fchownat: ["fd", "plain", "plain", "plain", "at"],
  unlinkat: ["fd", "plain", "at"],
  renameat2: ["fd", "plain", "fd", "plain", "plain"],
  close_range: ["plain", "plain", "closeRange"],
  prctl: ["prctl", "plain", "plain", "plain", "plain"],
  mmap: ["plain", "plain", "protection", "map", "fd", "plain"],
  waitid: ["idType", "plain", "plain", "wait", "plain"],
  socket: ["family", "plain", "plain"],
  ioctl: ["fd", "ioctl", "plain"],
  rt_sigprocmask: ["sigmask", "plain", "plain", "plain"],
  umask: ["mode"],
  splice: ["fd", "plain", "fd", "plain", "plain", "splice"],
  flock: ["fd", "lock"],
  fcntl: ["fd", "fcntl", "plain"],
  seccomp: ["seccomp", "plain", "plain"],
  read: ["fd", "plain", "plain"],
  write: ["fd", "plain", "plain"],
  close: ["fd"],
  fchdir: ["fd"],
  dup3: ["fd", "fd", "open"],
  fchown: ["fd", "plain", "plain"],
  fstatfs: ["fd", "plain"],
  statx: ["fd", "plain", "at", "plain", "plain"],
};

const LONG = 400;
const quote = (text: string) => JSON.stringify(text.length > LONG ? `${text.slice(0, LONG)}…` : text);

function show(argument: Argument | undefined, shape: Shape): string {
  if (argument === undefined) return "0";
  if (typeof argument === "string") return quote(argument);
  if (argument instanceof Uint8Array) return `${argument.length} bytes`;
  if (Array.isArray(argument)) return `[${argument.map((a) => show(a, "plain")).join(", ")}]`;
  if (typeof argument === "object") {
    if ("result" in argument) return `<${argument.result}>`;
    if ("resultAddress" in argument) return `&<${argument.resultAddress}>`;
    if ("cell" in argument) return `&${argument.cell}`;
    if ("load" in argument) return argument.load;
    if ("words" in argument) {
      const inner = (i: number) => typeof shape === "string" ? "plain" : shape[i] ?? "plain";
      return `{${argument.words.map((a, i) => show(a, inner(i))).join(", ")}}`;
    }
    return String(argument);
  }
  const number = argument as number | bigint;
  if (typeof shape !== "string") return `${number}`;
  if (shape === "fd") return Number(number) === AT_FDCWD ? "AT_FDCWD" : `${number}`;
  if (shape === "mode") return `0${number.toString(8)}`;
  if (shape === "plain") return number > 0xffff ? `0x${number.toString(16)}` : `${number}`;
  return showFlags(shape, number);
}

/** The call of an operation with its arguments; `add` and jumps as what they mean. */
export function showCall({ call, args, jump }: Operation): string {
  const shapes = SHAPES[call] ?? [];
  const then = jump
    ? ` → ${jump.when === "always" ? "" : `if ${jump.when} ${show(jump.than ?? 0, "plain")}: `}go to "${jump.to}"`
    : "";
  if (call === "add" && args.every((a) => a === 0)) return `go on here${then}`;
  if (call === "add") return `${args.map((a) => show(a, "plain")).join(" + ")}${then}`;
  // Trailing zeros of calls with many arguments say nothing.
  let length = args.length;
  while (
    length > (shapes.length === 0 ? 1 : 2) && args[length - 1] === 0 && (shapes[length - 1] ?? "plain") === "plain"
  ) length--;
  return `${call}(${args.slice(0, length).map((a, i) => show(a, shapes[i] ?? "plain")).join(", ")})${then}`;
}

/** What a call returned: a number, or the name of its error. */
export function showResult(value: number | undefined): string {
  if (value === undefined) return "";
  return value < 0 && value > -4096 ? errnoName(-value) : value > 0xffffffff ? `0x${value.toString(16)}` : `${value}`;
}

/** The manual page of a call: `mount(2)`. */
export const manualPage = (call: string): string => call === "add" ? "" : `${PAGES[call] ?? call}(2)`;

/** Calls that share a page with another one. */
const PAGES: Readonly<Record<string, string>> = {
  clone3: "clone",
  rt_sigprocmask: "sigprocmask",
  rt_sigtimedwait: "sigtimedwait",
  setresgid: "setresuid",
  prlimit64: "getrlimit",
  newfstatat: "stat",
  fchown: "chown",
  fchownat: "chown",
  umount2: "umount",
  wait4: "wait4",
  waitid: "wait",
  dup3: "dup",
  capset: "capget",
  mkdirat: "mkdir",
  mknodat: "mknod",
  symlinkat: "symlink",
  renameat2: "rename",
  fstatfs: "statfs",
  setdomainname: "getdomainname",
  sethostname: "gethostname",
  exit_group: "exit_group",
};
