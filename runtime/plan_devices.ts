/** The contents of /dev: the devices that every container has, those it was given, and the usual links. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import { components, makeInside, openInside } from "./plan_paths.ts";
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
function device(d: Device, bind: boolean): Operation[] {
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
  return [
    ...(folder === "dev" ? [] : makeInside(names.slice(0, -1), "directory", folder)),
    op(
      "mknodat",
      [result(folder), last, TYPE[d.type] | (d.fileMode ?? 0o666), deviceNumber(d.major ?? 0, d.minor ?? 0)],
      `make ${d.path}`,
      { on: d.path },
    ),
    ...(d.uid || d.gid
      ? [op("fchownat", [result(folder), last, d.uid ?? 0, d.gid ?? 0, 0x100 /* AT_SYMLINK_NOFOLLOW */], "its owner", {
        on: d.path,
      })]
      : []),
  ];
}

/**
 * Fills /dev, which is a tmpfs of the container's own by now.
 *
 * @param bind mount the host's devices instead of making nodes (user namespaces).
 */
export function deviceOperations(devices: readonly Device[], bind: boolean): Operation[] {
  const given = new Set(devices.map((d) => d.path));
  return [
    openInside(["dev"], "open /dev", { name: "dev", flags: O_PATH | O_DIRECTORY }),
    ...[...DEFAULT_DEVICES.filter((d) => !given.has(d.path)), ...devices].flatMap((d) => device(d, bind)),
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
