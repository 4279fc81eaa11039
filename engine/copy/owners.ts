/**
 * What a copy has of the original's owner and powers. Without `-a` it belongs to whoever takes it: to root in a container, to
 * the caller outside, as in Docker. Then what was given to one owner is not given to another: a program that runs with its
 * owner's rights must not run with root's because it was copied. And out of a container nothing comes that has power over the
 * host all by itself: a container's root can make any program setuid root, and any device.
 */
import type { TreeEntry } from "../../images/tree_walk.ts";

export interface Owners {
  /** Owners, powers, devices: everything as it is. */
  readonly archive: boolean;
  /** Where to. */
  readonly into: "container" | "host";
  /** The owner of all that is copied, without `archive`. */
  readonly uid: number;
  readonly gid: number;
}

const S_ISUID = 0o4000, S_ISGID = 0o2000;

/** Attributes that a copy has, whoever owns it: a user's own, and access lists. */
const isEverybodys = (name: string) => /^(user\.|system\.posix_acl_)/.test(name);

/** An entry as it is to be made; undefined for a device that is left out. */
export function ownedBy(owners: Owners, entry: TreeEntry): TreeEntry | undefined {
  const { archive, into, uid, gid } = owners;
  if (archive) return entry;
  if (into === "host" && (entry.type === "char" || entry.type === "block")) return undefined;
  const trusted = into === "container";
  const sameUser = trusted && entry.uid === uid, sameGroup = trusted && entry.gid === gid;
  let mode = entry.mode;
  if (!sameUser) mode &= ~S_ISUID;
  // On a folder it says only who owns what is made in it.
  if (!sameGroup && entry.type !== "directory") mode &= ~S_ISGID;
  const xattrs = entry.xattrs.filter(([name]) => isEverybodys(name) || (name === "security.capability" && sameUser));
  return { ...entry, uid, gid, mode, xattrs };
}
