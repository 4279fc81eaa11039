/** The options of a mount as config.json and fstab write them, taken apart for the descriptor-based mount calls. */
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_RELATIME,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";

/** What a list of options means. */
export interface MountOptions {
  /** MOUNT_ATTR_… to set and to clear, mount_setattr(2). */
  readonly set: number;
  readonly clear: number;
  /** The same for the mounts below as well: `rro` and the like. */
  readonly setBelow: number;
  readonly clearBelow: number;
  /** A bind mount, and whether what is mounted below its source comes along. */
  readonly bind: boolean;
  readonly recursive: boolean;
  /** MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, and whether for the mounts below as well. */
  readonly propagation: number;
  readonly propagationRecursive: boolean;
  /** A bind mount's files have the ids of a user namespace, and whether those of the mounts below as well. */
  readonly idmap?: "one" | "recursive";
  /** A tmpfs that begins with what the root has in its place, which whoever makes the container has to copy. */
  readonly copyUp: boolean;
  /** What is mounted there already gets these options. */
  readonly remount: boolean;
  /** What is left: the file system's own options, each with its value if it has one. */
  readonly data: readonly (readonly [key: string, value?: string])[];
}

const SET: Record<string, number> = {
  ro: MOUNT_ATTR_RDONLY,
  nosuid: MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR_NOEXEC,
  nodiratime: MOUNT_ATTR_NODIRATIME,
  nosymfollow: MOUNT_ATTR_NOSYMFOLLOW,
};
const CLEAR: Record<string, number> = {
  rw: MOUNT_ATTR_RDONLY,
  suid: MOUNT_ATTR_NOSUID,
  dev: MOUNT_ATTR_NODEV,
  exec: MOUNT_ATTR_NOEXEC,
  diratime: MOUNT_ATTR_NODIRATIME,
  symfollow: MOUNT_ATTR_NOSYMFOLLOW,
};
/** The three of them exclude one another: mount_setattr(2), "Access-time". */
const ATIME: Record<string, number> = {
  relatime: MOUNT_ATTR_RELATIME,
  noatime: MOUNT_ATTR_NOATIME,
  strictatime: MOUNT_ATTR_STRICTATIME,
  atime: MOUNT_ATTR_RELATIME,
  norelatime: MOUNT_ATTR_RELATIME,
  nostrictatime: MOUNT_ATTR_RELATIME,
};
const PROPAGATION: Record<string, number> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
};
/** Options that other runtimes add to the specification and that are not carried out here. */
const REFUSED = new Set(["move"]);
/** What they stand for is what there is without them, or only how much the kernel says of it. */
const WITHOUT_EFFECT = new Set(["defaults", "silent", "loud", "iversion", "noiversion"]);
/** Settings of a whole file system: of no effect on a bind mount of one, mount(8). */
export const OF_FILE_SYSTEM: readonly string[] = [
  "sync",
  "async",
  "dirsync",
  "lazytime",
  "nolazytime",
  "mand",
  "nomand",
  "acl",
  "noacl",
];

const recursive = (names: Record<string, number>) => Object.keys(names).map((name) => `r${name}`);
/** What is understood beside the options of each file system; the last ones are the kernel's for many of them. */
export const MOUNT_OPTIONS: readonly string[] = [
  ...[SET, CLEAR, ATIME].flatMap((names) => [...Object.keys(names), ...recursive(names)]),
  ...[...Object.keys(PROPAGATION), ...recursive(PROPAGATION)],
  ...["bind", "rbind", "idmap", "ridmap", "tmpcopyup", ...WITHOUT_EFFECT],
  ...["remount", ...OF_FILE_SYSTEM],
].sort();

/** @throws {MiniError} for an option that is known and not carried out here. */
export function parseMountOptions(options: readonly string[], destination: string): MountOptions {
  const here = new Attributes(), below = new Attributes();
  let bind = false, recursive = false, propagation = MS_PRIVATE, propagationRecursive = true;
  let idmap: MountOptions["idmap"];
  let copyUp = false, remount = false;
  const data: [string, string?][] = [];
  for (const option of options) {
    const plain = option.startsWith("r") && Object.hasOwn(PROPAGATION, option.slice(1)) ? option.slice(1) : option;
    if (here.take(option)) {
      // done
    } else if (Object.hasOwn(PROPAGATION, plain)) {
      propagation = PROPAGATION[plain]!;
      propagationRecursive = plain !== option;
    } else if (option === "bind" || option === "rbind") {
      bind = true;
      recursive = option === "rbind";
    } else if (option === "idmap" || option === "ridmap") {
      idmap = option === "idmap" ? "one" : "recursive";
    } else if (option === "remount") {
      remount = true;
    } else if (option === "tmpcopyup") {
      copyUp = true;
    } else if (REFUSED.has(option)) {
      throw new MiniError(`the mount on ${destination} asks for ${option}, which mini does not do`);
    } else if (!WITHOUT_EFFECT.has(option) && !(option.startsWith("r") && below.take(option.slice(1)))) {
      const equals = option.indexOf("=");
      data.push(equals < 0 ? [option] : [option.slice(0, equals), option.slice(equals + 1)]);
    }
  }
  const { set, clear } = here, { set: setBelow, clear: clearBelow } = below;
  const idmapping = idmap ? { idmap } : {};
  return {
    set,
    clear,
    setBelow,
    clearBelow,
    bind,
    recursive,
    propagation,
    propagationRecursive,
    ...idmapping,
    copyUp,
    remount,
    data,
  };
}

/** Attributes of a mount as they are asked for one after the other. */
class Attributes {
  set = 0;
  clear = 0;

  /** Takes an option; false if it is none about attributes. */
  take(option: string): boolean {
    if (Object.hasOwn(SET, option)) {
      this.set |= SET[option]!;
      this.clear &= ~SET[option]!;
    } else if (Object.hasOwn(CLEAR, option)) {
      this.clear |= CLEAR[option]!;
      this.set &= ~CLEAR[option]!;
    } else if (Object.hasOwn(ATIME, option)) {
      this.set = this.set & ~MOUNT_ATTR__ATIME | ATIME[option]!;
      this.clear |= MOUNT_ATTR__ATIME;
    } else return false;
    return true;
  }
}
