/** The contents of /dev: the devices that every container has, those it was given, and the usual links. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
} from "../ffi/constants.ts";
import { Errno, MiniError } from "../ffi/errors.ts";
import { type Argument, type Jump, op, type Operation, result } from "../ffi/program.ts";
import { components, makeInside, openInside, refuse } from "./plan_paths.ts";
import type { Device } from "./spec.ts";

/** OCI runtime-spec, config-linux.md, "Default Devices". */
const DEFAULT_DEVICES: readonly Device[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5 },
  { path: "/dev/full", type: "c", major: 1, minor: 7 },
  { path: "/dev/random", type: "c", major: 1, minor: 8 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0 },
];

/** config-linux.md, "Default Symbolic Links", and the pseudo terminals' multiplexer. */
const LINKS: readonly (readonly [path: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", "/proc/kcore"],
  ["ptmx", "pts/ptmx"],
];

const TYPE: Record<Device["type"], number> = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO };

/** dev_t as mknod(2) takes it: the kernel's new_encode_dev. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) | major << 8 | (minor & ~0xff) << 12;
}

/** One device. In a user namespace nodes cannot be made: the host's own is mounted instead. */
function device(d: Device, bind: boolean, fresh: boolean): Operation[] {
  const names = components(d.path, "a device's path"), last = names.at(-1), name = `device ${d.path}`;
  if (last === undefined) throw new MiniError("a device cannot be at /");
  if (bind) {
    return [
      op("open_tree", [AT_FDCWD, d.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], `the host's ${d.path}`, {
        name,
        on: d.path,
      }),
      ...makeInside(names, "file", `${name} place`),
      op(
        "move_mount",
        [result(name), "", result(`${name} place`), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH],
        `mount the host's ${d.path}`,
        { on: d.path },
      ),
    ];
  }
  const folder = names.length === 2 && names[0] === "dev" ? "dev" : `${name} folder`;
  // Some write the type into the mode, too.
  const mode = TYPE[d.type] | (d.fileMode ?? 0o666) & 0o7777, number = deviceNumber(d.major ?? 0, d.minor ?? 0);
  return [
    ...(folder === "dev" ? [] : makeInside(names.slice(0, -1), "directory", folder)),
    ...(fresh
      ? [op("mknodat", [result(folder), last, mode, number], `make ${d.path}`, { on: d.path })]
      : makeUnlessThere(d, folder, last, mode, number)),
    ...(d.uid || d.gid
      ? [op("fchownat", [result(folder), last, d.uid ?? 0, d.gid ?? 0, AT_SYMLINK_NOFOLLOW], "its owner", {
        on: d.path,
      })]
      : []),
  ];
}

/** A node that is there already must be the one that is wanted: config-linux.md, "Devices". */
function makeUnlessThere(d: Device, folder: string, name: string, mode: number, number: number): Operation[] {
  const there = `device ${d.path} there`, other = `device ${d.path} other`, done = `device ${d.path} done`;
  // struct statx: the mode is the two bytes at 28, the device's major and minor number four each at 128.
  const load = (offset: number) => ({ load: "device", size: 256, offset }) as const;
  const typeOnTop = BigInt(mode & S_IFMT) << 48n;
  const wanted = d.type === "p" ? 0n : BigInt(d.minor ?? 0) << 32n | BigInt(d.major ?? 0);
  const compare = (value: Argument, when: Jump["when"], than: bigint) =>
    op("add", [value, 0], `is it the ${d.path} that is wanted?`, { jump: { when, than, to: other } });
  return [
    op("mknodat", [result(folder), name, mode, number], `make ${d.path}`, {
      on: d.path,
      jump: { when: "=", than: -Errno.EEXIST, to: there },
    }),
    op("add", [0, 0], "made", { jump: { when: "always", to: done } }),
    op("statx", [result(folder), name, AT_SYMLINK_NOFOLLOW, 0x7ff, { cell: "device", size: 256 }], "what is there?", {
      name: there,
      on: d.path,
    }),
    compare(load(22), "<", typeOnTop),
    compare(load(22), ">=", typeOnTop + (0x1000n << 48n)),
    compare(load(128), "!=", wanted),
    op("add", [0, 0], "it is", { jump: { when: "always", to: done } }),
    { ...refuse(`${d.path} is in the root already, and is another device or none`), name: other },
    op("add", [0, 0], "there it is", { name: done }),
  ];
}

/**
 * Fills /dev, which is a tmpfs of the container's own by now, or a folder of its root.
 *
 * @param bind mount the host's devices instead of making nodes (user namespaces).
 * @param fresh nothing is in it yet.
 */
export function deviceOperations(devices: readonly Device[], bind: boolean, fresh: boolean): Operation[] {
  const given = new Set(devices.map((d) => d.path));
  return [
    ...(fresh
      ? [openInside(["dev"], "open /dev", { name: "dev", flags: O_PATH | O_DIRECTORY })]
      : makeInside(["dev"], "directory", "dev")),
    ...[...DEFAULT_DEVICES.filter((d) => !given.has(d.path)), ...devices].flatMap((d) => device(d, bind, fresh)),
    ...LINKS.map(([path, target]) =>
      // What the image or a mount has there stays.
      op("symlinkat", [target, result("dev"), path], `/dev/${path}`, { on: `/dev/${path}`, optional: true })
    ),
  ];
}

/** Mounts the container's terminal on /dev/console. */
export function consoleOperations(terminal: string): Operation[] {
  return [
    op("open_tree", [result(terminal), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], "the terminal", {
      name: "console",
      on: "/dev/console",
    }),
    ...makeInside(["dev", "console"], "file", "console place"),
    op(
      "move_mount",
      [result("console"), "", result("console place"), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH],
      "/dev/console is the terminal",
      { on: "/dev/console" },
    ),
  ];
}
