/** The container's root: where it comes from, and how it becomes the root. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWNS,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../ffi/constants.ts";
import { type Argument, op, type Operation, result } from "../ffi/program.ts";
import { idmap, newFilesystem } from "./plan_mounts.ts";
import { ROOT } from "./plan_paths.ts";
import { capset } from "./plan_process.ts";

/** Where a container's root comes from. */
export type Rootfs =
  /** A folder that is used as it is. */
  | {
    readonly kind: "directory";
    readonly path: string;
    /** Its files' ids are those inside the container's user namespace. */
    readonly idmap?: boolean;
  }
  /** Layers under a folder that takes the container's changes. */
  | {
    readonly kind: "overlay";
    /** The `lowerdir=…,upperdir=…,workdir=…` of mount(2), overlayfs.rst; at most a page. */
    readonly options: string;
    /** Paths in the options are relative to this folder. */
    readonly relativeTo: string;
    /** An empty folder of ours to mount on, in the container's mount namespace only. */
    readonly target: string;
  }
  /** The same for a user namespace: the ids in layers and changes are those inside of it. */
  | IdmappedOverlay;

/** Those whose files' ids are as the host counts. */
export type PlainRootfs = Exclude<Rootfs, IdmappedOverlay>;

/** Layers that are mounted one by one, with other ids each, before they are stacked (kernel 5.19). */
export interface IdmappedOverlay {
  readonly kind: "idmapped overlay";
  /** Absolute paths, the bottom one first. */
  readonly lowers: readonly string[];
  /** A folder with the folders `upper` and `work` in it; without it the root is read-only. */
  readonly changes?: { readonly folder: string; readonly upper: string; readonly work: string };
  readonly volatile: boolean;
  readonly target: string;
  /** The user namespace's root, as the host counts: what overlayfs itself makes is this one's. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** All that mini may do: a change of owner takes some of it away. */
  readonly capabilities: bigint;
}

const apart = () =>
  op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host", { on: "/" });

const setattr = (name: string, flags: number, words: readonly Argument[], why: string, on: string) =>
  op("mount_setattr", [result(name), "", AT_EMPTY_PATH | flags, { words }, 32], why, { on });

/** Makes the root, in a mount namespace that nothing gets out of: a mount of the container's mount namespace, and opens it. */
export function rootOperations(rootfs: PlainRootfs, label?: string, propagation?: string): Operation[] {
  if (rootfs.kind === "overlay") {
    return [
      apart(),
      ...stack(rootfs, label),
      op("openat", [AT_FDCWD, rootfs.target, O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the root", {
        name: ROOT,
        on: rootfs.target,
      }),
    ];
  }
  return [
    openFolder(rootfs.path),
    apart(),
    alone(rootfs.path, propagation),
    op("move_mount", [result(ROOT), "", AT_FDCWD, rootfs.path, MOVE_MOUNT_F_EMPTY_PATH], "a root must be a mount", {
      on: rootfs.path,
    }),
  ];
}

/** The option that gives all files a context of SELinux, mount(8). */
const labelled = (options: string, label: string | undefined) => label ? `${options},context="${label}"` : options;

const stack = (
  { options, relativeTo, target }: Extract<Rootfs, { kind: "overlay" }>,
  label: string | undefined,
): Operation[] => [
  op("chdir", [relativeTo], "where the layers are", { on: relativeTo }),
  op("mount", ["overlay", target, "overlay", 0, labelled(options, label)], "stack the layers", { on: target }),
];

const openFolder = (path: string) =>
  op("open_tree", [AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE], "the root", {
    name: ROOT,
    on: path,
  });

/** A root that is to be a slave (mount_namespaces(7)) sees what the host mounts in its folder. */
function alone(on: string, propagation = ""): Operation {
  return ["slave", "rslave"].includes(propagation)
    ? setattr(ROOT, AT_RECURSIVE, [0, 0, MS_SLAVE, 0], "mounts made later on the host are seen in it", on)
    : setattr(ROOT, AT_RECURSIVE, [0, 0, MS_PRIVATE, 0], "no mount made later passes between it and the host", on);
}

/**
 * Makes the root for a user namespace while the process is the host's root still: only that may read what the layers are in,
 * and give mounts other ids. It is a mount that is attached nowhere, until the container takes it.
 *
 * @param user a descriptor of the user namespace. @param label a context of SELinux for all files.
 */
export function prepareRoot(rootfs: Rootfs, user: number, label?: string, propagation?: string): Operation[] {
  const begin = [
    op("unshare", [Number(CLONE_NEWNS)], "a mount namespace to put the root together in"),
    apart(),
  ];
  const on = rootfs.kind === "directory" ? rootfs.path : rootfs.target;
  const take = (path: string) =>
    op("open_tree", [AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], "the root", { name: ROOT, on });
  // As in every file system of a user namespace's own: what gives access to the host's devices is not the container's root's to say.
  const noDevices = setattr(ROOT, 0, [MOUNT_ATTR_NODEV, 0, 0, 0], "no device of the host's in it", on);
  switch (rootfs.kind) {
    case "directory":
      return [
        openFolder(on),
        alone(on, propagation),
        ...(rootfs.idmap ? [idmap(ROOT, user, on)] : []),
        noDevices,
      ];
    case "overlay":
      return [...begin, ...stack(rootfs, label), take(on), noDevices];
    case "idmapped overlay":
      return [...begin, ...stackIdmapped(rootfs, user, label), take("root"), noDevices];
  }
}

/** Attaches it in the container's mount namespace: anywhere, and its own root is what every process can reach. */
export function attachRoot(): Operation[] {
  return [
    apart(),
    op("move_mount", [result(ROOT), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH], "a root must be a mount", { on: "/" }),
  ];
}

function stackIdmapped(rootfs: IdmappedOverlay, user: number, label: string | undefined): Operation[] {
  const { lowers, changes, target, owner, capabilities } = rootfs;
  const place = (name: string, folder: string): Operation[] => [
    op("open_tree", [AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], `take hold of ${folder}`, {
      name: `layers ${name}`,
      on: folder,
    }),
    idmap(`layers ${name}`, user, folder),
    op("mkdirat", [AT_FDCWD, name, 0o755], "a place for it"),
    op("move_mount", [result(`layers ${name}`), "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH], "put it there", {
      on: folder,
    }),
    op("close", [result(`layers ${name}`)], "it is there"),
  ];
  const options = [
    `lowerdir=${lowers.map((_, i) => `${i}`).reverse().join(":")}`,
    ...(changes ? [`upperdir=changes/${changes.upper}`, `workdir=changes/${changes.work}`] : []),
    ...(rootfs.volatile ? ["volatile"] : []),
  ].join(",");
  return [
    ...newFilesystem(
      "layers",
      "tmpfs",
      [["source", "mini"], ["mode", "755"]],
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
      target,
    ),
    op("move_mount", [result("layers"), "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH], "a place for the layers", {
      on: target,
    }),
    op("chdir", [target], "where the layers are", { on: target }),
    ...lowers.flatMap((folder, i) => place(`${i}`, folder)),
    ...(changes ? place("changes", changes.folder) : []),
    op("mkdirat", [AT_FDCWD, "root", 0o755], "a place for the root"),
    // Overlayfs makes files of its own as whoever mounts it, and that must be somebody whom the mounts have an id for.
    op("setfsgid", [owner.gid], "what overlayfs makes belongs to the container's root"),
    op("setfsuid", [owner.uid], "what overlayfs makes belongs to the container's root"),
    capset(capabilities, capabilities, 0n, "which may do all that mini may"),
    op("mount", ["overlay", "root", "overlay", 0, labelled(options, label)], "stack the layers", { on: target }),
    op("setfsuid", [0], "back"),
    op("setfsgid", [0], "back"),
  ];
}

/** Makes it the root, and nothing of the old one is left. */
export function pivotOperations(): Operation[] {
  return [
    op("fchdir", [result(ROOT)], "into the new root"),
    op("pivot_root", [".", "."], "it is the root now; the old one is stacked on the same place", { on: "/" }),
    op("umount2", [".", MNT_DETACH], "nothing of the old root is left", { on: "/" }),
    op("chdir", ["/"], "the new root"),
  ];
}

const PROPAGATION: Record<string, number> = {
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};
/** What `linux.rootfsPropagation` may be. */
export const PROPAGATIONS: readonly string[] = Object.keys(PROPAGATION);

/** Only once it is the root: pivot_root(2) refuses a shared one. */
export function propagationOperations(propagation: string | undefined): Operation[] {
  if (!propagation) return [];
  return [
    op("mount", ["none", "/", 0, PROPAGATION[propagation]!, 0], `the root's propagation: ${propagation}`, { on: "/" }),
  ];
}
