/** Programs that open a container's root for a caller outside of it, who takes the descriptor (pidfd_getfd) and reads or writes. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWNS,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_REC,
  MS_SLAVE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../ffi/constants.ts";
import { op, type Program, result } from "../ffi/program.ts";
import { untilTaken } from "../ffi/take.ts";
import { bindSources, type HeldSource, type MountFacts, mountOperations, readonlyRoot } from "./plan_mounts.ts";
import { components, ROOT } from "./plan_paths.ts";
import { type PlainRootfs, rootOperations } from "./plan_root.ts";
import { VIEW } from "./plan_layers.ts";
import type { Mount } from "./spec.ts";

/** A folder for upper and work folders that are gone with the program: over the host's /sys, which nothing here needs. */
const SCRATCH = "/sys";
export const SCRATCH_UPPER = `${SCRATCH}/upper`, SCRATCH_WORK = `${SCRATCH}/work`;

/** What a container that does not run is to be looked at through. */
export interface ViewInput {
  readonly rootfs: PlainRootfs;
  /** The rootfs has its upper and work folders at SCRATCH_UPPER and SCRATCH_WORK, to be thrown away. */
  readonly scratch: boolean;
  /** Bind mounts in it, in this order; their sources are there. */
  readonly mounts: readonly Mount[];
  /** What stands for the source of a mount, by its place in `mounts`. */
  readonly sources?: ReadonlyMap<number, HeldSource>;
  readonly facts: MountFacts;
  /** The root itself can only be read; what is mounted in it is as its own options say. */
  readonly readonly: boolean;
  /** Our end of a socket pair. */
  readonly sync: number;
}

/** The name of the operation that opens the mount namespace: when that ends, its mounts fall apart. */
export const NAMESPACE = "mount namespace";

/**
 * The root of a container that does not run, with its volumes: for a mount namespace of its own. The caller takes `ROOT`, and
 * `NAMESPACE` to keep it whole for as long.
 */
export function planView({ rootfs, scratch, mounts, sources, facts, readonly, sync }: ViewInput): Program {
  const apart = op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host");
  return [
    ...bindSources(mounts, new Map(), sources),
    ...(scratch
      ? [
        apart,
        op("mount", ["tmpfs", SCRATCH, "tmpfs", 0, "mode=700"], "where changes go that nobody keeps", { on: SCRATCH }),
        op("mkdirat", [AT_FDCWD, SCRATCH_UPPER, 0o755], "an upper folder"),
        op("mkdirat", [AT_FDCWD, SCRATCH_WORK, 0o755], "a work folder"),
      ]
      : []),
    ...rootOperations(rootfs),
    op("umask", [0], "permissions exactly as given below"),
    ...mountOperations(mounts, facts),
    ...(readonly ? [readonlyRoot(ROOT)] : []),
    op("openat", [AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC, 0], "what keeps all of it", { name: NAMESPACE }),
    ...untilTaken(sync),
  ];
}

/**
 * What is mounted at a path of a container that runs, as a mount of its own that is attached nowhere.
 *
 * @param container a descriptor of a process in it. @param path of a folder, absolute; no link on it is followed.
 */
export function planMount(container: number, path: string, sync: number): Program {
  const names = components(path, "what is joined"), place = (i: number) => `place ${i}`;
  return [
    op("setns", [container, Number(CLONE_NEWNS)], "see what the container sees"),
    op("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "its root", { name: place(0) }),
    ...names.map((name, i) =>
      op("openat", [result(place(i)), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0], `its ${path}`, {
        name: place(i + 1),
        on: path,
      })
    ),
    op(
      "open_tree",
      [result(place(names.length)), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
      "to be mounted elsewhere",
      {
        name: VIEW,
        on: path,
      },
    ),
    ...untilTaken(sync),
  ];
}

/**
 * What is in a mount that is attached nowhere, as another such mount. A copy can only be made of what is attached (before Linux
 * 6.15), so it is attached for that, in a mount namespace of the program's own.
 *
 * @param place a descriptor of a folder or file in it.
 */
export function planSubpath(mount: number, place: number, sync: number): Program {
  return [
    op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host"),
    op("move_mount", [mount, "", AT_FDCWD, SCRATCH, MOVE_MOUNT_F_EMPTY_PATH], "attach it, to copy of it", {
      on: SCRATCH,
    }),
    op(
      "open_tree",
      [place, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC],
      "a mount of its own",
      { name: VIEW },
    ),
    ...untilTaken(sync),
  ];
}

/**
 * The root of a container that runs: that of its mount namespace, whatever root its processes have chosen for themselves
 * (chroot).
 *
 * @param container a descriptor of a process in it.
 */
export function planJoin(container: number, sync: number): Program {
  return [
    op("setns", [container, Number(CLONE_NEWNS)], "see what the container sees"),
    op("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "its root", { name: VIEW }),
    ...untilTaken(sync),
  ];
}
