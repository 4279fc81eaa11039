/** The mounts of a container as operations: file systems of its own, and folders and files of the host. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  F_DUPFD_CLOEXEC,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_PRIVATE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../ffi/constants.ts";
import { Errno, MiniError } from "../ffi/errors.ts";
import { type Argument, type Details, op, type Operation, result } from "../ffi/program.ts";
import { OF_FILE_SYSTEM, parseMountOptions } from "./mount_options.ts";
import { components, makeInside, openHow, openInside, refuse } from "./plan_paths.ts";
import { waitForCaller } from "./plan_process.ts";
import { isProcFile } from "./spec_check.ts";
import type { Mount } from "./spec.ts";

/** What has to be known of the host before a plan can be made. */
export interface MountFacts {
  /** Whether the source of a bind mount is a folder, by the source as the specification has it. */
  readonly isDirectory: (source: string) => boolean;
  /** Whether there is a cgroup v2 tree that the container can be shown. */
  readonly cgroup2: boolean;
  /** The caller's end of a socket pair, if it fills a tmpfs with what the root has in its place (`tmpcopyup`). */
  readonly copyUp?: number;
  /** The procfs of a pid namespace that is joined at the end, by the places of mounts in the list (joined_pid.ts). */
  readonly procs?: ReadonlyMap<number, number>;
}

/** Attaches the detached mount behind one descriptor to the place behind another. */
function attach(mount: Argument, place: Argument, why: string, on: string): Operation {
  return op("move_mount", [mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH], why, { on });
}

/** struct mount_attr of mount_setattr(2). */
const mountAttr = (set: number, clear: number, propagation: number): Argument => ({
  words: [set, clear, propagation, 0],
});

/** The reason of the operation that not every file system can do. */
export const IDMAP = "its files' ids are those in the user namespace";

/** Gives a mount that is not attached yet the ids of a user namespace: mount_setattr(2), "ID-mapped mounts". */
export const idmap = (name: string, user: number, on: string, recursive = false): Operation =>
  op(
    "mount_setattr",
    [
      result(name),
      "",
      AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
      { words: [MOUNT_ATTR_IDMAP, 0, 0, user] },
      32,
    ],
    IDMAP,
    { on },
  );

/** Makes an instance of a file system, as a mount that is not attached anywhere yet. */
export function newFilesystem(
  name: string,
  type: string,
  data: readonly (readonly [key: string, value?: string])[],
  attributes: number,
  on: string,
): Operation[] {
  const context = `${name} context`;
  return [
    op("fsopen", [type, FSOPEN_CLOEXEC], `begin a new ${type}`, { name: context, on }),
    ...data.map(([key, value]) =>
      value === undefined
        ? op("fsconfig", [result(context), FSCONFIG_SET_FLAG, key, 0, 0], `its option ${key}`, { on })
        : op("fsconfig", [result(context), FSCONFIG_SET_STRING, key, value, 0], `its option ${key}=${value}`, { on })
    ),
    op("fsconfig", [result(context), FSCONFIG_CMD_CREATE, 0, 0, 0], `make the ${type}`, { on }),
    op("fsmount", [result(context), FSMOUNT_CLOEXEC, attributes], `a mount of the ${type}`, { name, on }),
  ];
}

/** The attributes of which a mount of a procfs has those that are asked for, and no other. */
const OF_MOUNT = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/** A mount that the caller has made, attached nowhere, in the place of a new instance. */
const takenFilesystem = (name: string, fd: number, attributes: number, on: string): Operation[] => [
  op("fcntl", [fd, F_DUPFD_CLOEXEC, 0], `what is to be on ${on}`, { name, on }),
  op(
    "mount_setattr",
    [result(name), "", AT_EMPTY_PATH, mountAttr(attributes, OF_MOUNT & ~attributes, MS_PRIVATE), 32],
    "its own options",
    { on },
  ),
];

/** A file system of the container's own on its destination. */
function filesystemMount(
  mount: Mount,
  i: number,
  type: string,
  facts: MountFacts,
  label: string | undefined,
): Operation[] {
  const { destination } = mount, names = components(destination, "a mount's destination");
  const { set, setBelow, data, propagation, copyUp } = parseMountOptions(mount.options ?? [], destination);
  if (copyUp && (type !== "tmpfs" || facts.copyUp === undefined)) {
    throw new MiniError(
      `the mount on ${destination} asks for tmpcopyup, which mini does for a tmpfs of a bundle alone`,
    );
  }
  const later = copyUp || isFilledLater(mount), attributes = (set | setBelow) & ~(later ? MOUNT_ATTR_RDONLY : 0);
  const kernelData = type === "cgroup2" ? [] : [...data];
  // What these hold is the container's own; what others hold, the kernel labels.
  if (label && (type === "tmpfs" || type === "devpts")) kernelData.push(["context", label]);
  const name = mountName(i), place = `${name} place`;
  // A link at /proc or /sys would move the file system that the masked paths are in (CVE-2019-16884): there must be none.
  const real = type === "proc" || type === "sysfs";
  const open = makeInside(names, "directory", place);
  const last = open.length - 1;
  if (real) {
    open[last] = openInside(names, `open ${destination}, which must be a real folder`, {
      name: place,
      flags: O_PATH | O_DIRECTORY | O_NOFOLLOW,
      resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    });
  }
  const given = facts.procs?.get(i);
  return [
    ...(given === undefined
      ? newFilesystem(name, type, [["source", mount.source ?? type], ...kernelData], attributes, destination)
      : takenFilesystem(name, given, attributes, destination)),
    ...(copyUp ? waitForCaller(facts.copyUp!, `${destination} is to be filled`) : []),
    ...(copyUp && !isFilledLater(mount) && (set | setBelow) & MOUNT_ATTR_RDONLY
      ? [readOnlyNow(name, destination)]
      : []),
    ...(propagation === MS_PRIVATE ? [] : [
      op("mount_setattr", [result(name), "", AT_EMPTY_PATH, mountAttr(0, 0, propagation), 32], "its propagation", {
        on: destination,
      }),
    ]),
    ...open,
    ...notInProc(place, destination),
    attach(result(name), result(place), `mount the container's own ${type} on ${destination}`, destination),
  ];
}

/** Devices and mounts are made in it when it is there already, so it is read-only only after those. */
const isFilledLater = ({ destination, type }: Mount) => type === "tmpfs" && /^\/+dev\/*$/.test(destination);

const readOnlyNow = (name: string, on: string): Operation =>
  op("mount_setattr", [result(name), "", AT_EMPTY_PATH, mountAttr(MOUNT_ATTR_RDONLY, 0, 0), 32], "read-only now", {
    on,
  });

/** What is left of `mountOperations` when all that is in the mounts is there. */
export function readonlyMounts(mounts: readonly Mount[]): Operation[] {
  return mounts.flatMap((mount, i) => {
    if (!isFilledLater(mount) || isBind(mount) || isRemount(mount)) return [];
    const { set, setBelow } = parseMountOptions(mount.options ?? [], mount.destination);
    return (set | setBelow) & MOUNT_ATTR_RDONLY ? [readOnlyNow(mountName(i), mount.destination)] : [];
  });
}

/** The first word of struct statfs for a procfs, statfs(2). */
export const PROC_SUPER_MAGIC = 0x9fa0;

/**
 * Stops where the place of a mount is in /proc, whatever links led there: what is mounted there would take the place of what
 * the kernel says, and of what is hidden (CVE-2019-16884, CVE-2023-28642).
 */
function notInProc(place: string, destination: string): Operation[] {
  if (isProcFile(destination)) return [];
  const statfs = { cell: "statfs", size: 120 } as const, next = `${place} is not in /proc`;
  return [
    op("fstatfs", [result(place), statfs], `what file system is ${destination} in?`, { on: destination }),
    op("add", [{ load: "statfs", size: 120 }, 0], "not in /proc?", {
      jump: { when: "!=", than: PROC_SUPER_MAGIC, to: next },
    }),
    refuse(`${destination} leads into the container's /proc, where nothing can be mounted`),
    op("add", [0, 0], "no, it is not", { name: next }),
  ];
}

/** What the operation is called that has the detached mount of entry `i` of the specification's list. */
export const mountName = (i: number) => `mount ${i}`;

const isRemount = (mount: Mount) => (mount.options ?? []).includes("remount");

/** Whether it is a folder or file of the host. */
export const isBind = (mount: Mount) =>
  mount.type === "bind" || (mount.options ?? []).some((o) => o === "bind" || o === "rbind");

/**
 * What the caller has looked up already as the source of a bind mount: a mount that is attached nowhere, or, where the kernel
 * cannot make such, the path that it came to, which no link is to be followed on any more.
 */
export type HeldSource = number | string;

/**
 * Takes hold of the sources of all bind mounts, before anything else changes: a copy of the mount tree, not attached.
 *
 * @param idmaps user namespaces whose ids the mounts get, by their place in the list.
 * @param sources what the caller has already, by its place in the list.
 */
export function bindSources(
  mounts: readonly Mount[],
  idmaps: ReadonlyMap<number, number> = new Map(),
  sources: ReadonlyMap<number, HeldSource> = new Map(),
): Operation[] {
  return mounts.flatMap((mount, i) => {
    if (!isBind(mount) || isRemount(mount)) return [];
    const { recursive, idmap: how } = parseMountOptions(mount.options ?? [], mount.destination);
    if (!mount.source) throw new MiniError(`the bind mount on ${mount.destination} has no source`);
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
    const ids = idmaps.get(i);
    return [
      ...takeSource(mount, mountName(i), flags, sources.get(i)),
      ...ids === undefined ? [] : [idmap(mountName(i), ids, mount.source, how === "recursive")],
    ];
  });
}

function takeSource(mount: Mount, name: string, flags: number, held: HeldSource | undefined): Operation[] {
  const path = mount.source!, why = `take hold of the host's ${path}`, place = `${name} source`;
  if (held === undefined) return [op("open_tree", [AT_FDCWD, path, flags], why, { name, on: path })];
  if (typeof held === "number") {
    return [op("fcntl", [held, F_DUPFD_CLOEXEC, 0], `what is to be on ${mount.destination}`, { name })];
  }
  return [
    op("openat2", [AT_FDCWD, held, openHow(O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS), 24], `find ${held}`, {
      name: place,
      on: held,
    }),
    op("open_tree", [result(place), "", flags | AT_EMPTY_PATH], why, { name, on: held }),
  ];
}

/** A folder or file of the host on its destination. */
function bindMount(mount: Mount, i: number, facts: MountFacts): Operation[] {
  const { destination } = mount, name = mountName(i), place = `${name} place`;
  const options = mount.options ?? [];
  const { set, clear, setBelow, clearBelow, data, copyUp, propagation, propagationRecursive } = parseMountOptions(
    options,
    destination,
  );
  if (copyUp) throw new MiniError(`the bind mount on ${destination} asks for tmpcopyup, which is for a tmpfs`);
  // What a file system would be told is passed over by the kernel here, and by other runtimes: mount(2). A word may be a slip.
  const unknown = data.find(([key, value]) => value === undefined && !OF_FILE_SYSTEM.includes(key));
  if (unknown) {
    throw new MiniError(
      `the bind mount on ${destination} has an option that mini does not know: ${unknown[0]}`,
    );
  }
  const names = components(destination, "a mount's destination");
  // Two calls, because the propagation may be asked for all mounts below and the rest for this one alone, or the reverse.
  const setattr = (recurse: boolean, attr: Argument, why: string) =>
    op("mount_setattr", [result(name), "", AT_EMPTY_PATH | (recurse ? AT_RECURSIVE : 0), attr, 32], why, {
      on: destination,
    });
  return [
    setattr(propagationRecursive, mountAttr(0, 0, propagation), "no mount made later passes between it and the host"),
    // What is mounted below it is as the host has it, unless that is asked for by name (`rro` and the like).
    ...(set || clear ? [setattr(false, mountAttr(set, clear, 0), `its options ${options.join(",")}`)] : []),
    ...(setBelow || clearBelow
      ? [setattr(true, mountAttr(setBelow, clearBelow, 0), `its options ${options.join(",")}, below it as well`)]
      : []),
    ...makeInside(names, facts.isDirectory(mount.source!) ? "directory" : "file", place),
    ...notInProc(place, destination),
    attach(result(name), result(place), `mount ${mount.source} on ${destination}`, destination),
  ];
}

/** Gives what is mounted on a destination other options. */
function remount(mount: Mount, i: number): Operation[] {
  const { destination, options = [] } = mount, place = `${mountName(i)} place`, context = `${mountName(i)} context`;
  const { set, clear, setBelow, clearBelow, data } = parseMountOptions(options, destination);
  const why = `its options ${options.join(",")}`, on = { on: destination };
  const change = (flags: number, attributes: Argument) =>
    op("mount_setattr", [result(place), "", AT_EMPTY_PATH | flags, attributes, 32], why, on);
  return [
    openInside(components(destination, "a mount's destination"), `what is mounted on ${destination}`, { name: place }),
    ...(set || clear ? [change(0, mountAttr(set, clear, 0))] : []),
    ...(setBelow || clearBelow ? [change(AT_RECURSIVE, mountAttr(setBelow, clearBelow, 0))] : []),
    ...(data.length === 0 ? [] : [
      op("fspick", [result(place), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH], "its file system", {
        name: context,
        ...on,
      }),
      ...data.map(([key, value]) =>
        value === undefined
          ? op("fsconfig", [result(context), FSCONFIG_SET_FLAG, key, 0, 0], `its option ${key}`, on)
          : op("fsconfig", [result(context), FSCONFIG_SET_STRING, key, value, 0], `its option ${key}=${value}`, on)
      ),
      op("fsconfig", [result(context), FSCONFIG_CMD_RECONFIGURE, 0, 0, 0], "set them", on),
    ]),
  ];
}

/** All mounts of a specification in its order. */
export function mountOperations(mounts: readonly Mount[], facts: MountFacts, label?: string): Operation[] {
  return mounts.flatMap((mount, i) => {
    if (isRemount(mount)) return remount(mount, i);
    if (isBind(mount)) return bindMount(mount, i, facts);
    const type = mount.type === "cgroup" ? "cgroup2" : mount.type;
    if (!type) throw new MiniError(`the mount on ${mount.destination} has no type`);
    if (type === "cgroup2" && !facts.cgroup2) return [];
    return filesystemMount(mount, i, type, facts, label);
  });
}

/** Where the empty folder is mounted that folders are hidden with: over the host's /sys, which nothing here needs any more. */
const EMPTY = "/sys";

/** Hides paths: files by the null device, folders by an empty read-only tmpfs; what is not there needs no hiding. */
export function maskPaths(paths: readonly string[]): Operation[] {
  if (paths.length === 0) return [];
  const move = (from: string, to: string, why: string, on: string, details: Details) =>
    op(
      "move_mount",
      [result(from), "", result(to), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH],
      why,
      { on, ...details },
    );
  const copy = (path: string, name: string, why: string) =>
    op("open_tree", [AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], why, { name });
  return [
    ...newFilesystem(
      "empty folder",
      "tmpfs",
      [["source", "tmpfs"], ["nr_inodes", "1"]],
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
      "an empty folder",
    ),
    op(
      "move_mount",
      [result("empty folder"), "", AT_FDCWD, EMPTY, MOVE_MOUNT_F_EMPTY_PATH],
      "keep it where copies can be made of it",
      { on: EMPTY },
    ),
    // The node is the host's own. What is written to it is swallowed, but its mode and owner must not be changed through it.
    copy("/dev/null", "null device", "the null device"),
    op(
      "mount_setattr",
      [
        result("null device"),
        "",
        AT_EMPTY_PATH,
        mountAttr(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, MS_PRIVATE),
        32,
      ],
      "through which the device itself cannot be changed",
      { on: "/dev/null" },
    ),
    op(
      "move_mount",
      [result("null device"), "", AT_FDCWD, "/dev/null", MOVE_MOUNT_F_EMPTY_PATH],
      "keep it where copies can be made of it",
      { on: "/dev/null" },
    ),
    ...paths.flatMap((path, i) => {
      const name = `mask ${i}`, place = `${name} place`, next = i + 1 < paths.length ? `mask ${i + 1} place` : "masked";
      return [
        openInside(components(path, "a masked path"), `is there a ${path} to hide?`, {
          name: place,
          resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
          jump: { when: "=", than: -Errno.ENOENT, to: next },
        }),
        copy("/dev/null", `${name} file`, "the null device"),
        move(`${name} file`, place, `hide ${path}, if it is a file`, path, {
          optional: true,
          jump: { when: "=", than: 0, to: next },
        }),
        copy(EMPTY, name, "the empty folder"),
        move(name, place, `hide ${path}, a folder`, path, {}),
      ];
    }),
    op("add", [0, 0], "all are hidden", { name: "masked" }),
  ];
}

/** Makes paths read-only by mounting them on themselves; what is not there needs none. */
export function readonlyPaths(paths: readonly string[]): Operation[] {
  if (paths.length === 0) return [];
  return [
    ...paths.flatMap((path, i) => {
      const name = `read-only ${i}`, place = `${name} place`;
      const next = i + 1 < paths.length ? `read-only ${i + 1} place` : "read-only";
      return [
        openInside(components(path, "a read-only path"), `is there a ${path}?`, {
          name: place,
          resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
          jump: { when: "=", than: -Errno.ENOENT, to: next },
        }),
        op(
          "open_tree",
          [result(place), "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
          `a second mount of ${path}`,
          { name, on: path },
        ),
        op(
          "mount_setattr",
          [result(name), "", AT_EMPTY_PATH | AT_RECURSIVE, mountAttr(MOUNT_ATTR_RDONLY, 0, 0), 32],
          "read-only",
          { on: path },
        ),
        attach(result(name), result(place), `${path} can only be read`, path),
      ];
    }),
    op("add", [0, 0], "all are read-only", { name: "read-only" }),
  ];
}

/** Makes the root itself read-only, at the very end of what is done in it. */
export function readonlyRoot(root: string): Operation {
  return op(
    "mount_setattr",
    [result(root), "", AT_EMPTY_PATH, mountAttr(MOUNT_ATTR_RDONLY, 0, 0), 32],
    "the root can only be read",
    { on: "/" },
  );
}
