/** Which extended attributes of a layer are set, and what becomes of a file system that cannot store one. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";

/**
 * Attributes that a layer may not bring: overlayfs' own ones, with which a layer could show files it does not hold
 * (redirect, metacopy), and labels that belong to the host's security policy.
 */
const REFUSED = ["trusted.overlay.", "user.overlay.", "security.selinux", "system.nfs4_acl", "security.nfs4_acl"];

/** Whether an attribute is passed over. */
export function isRefusedAttribute(name: string): boolean {
  return REFUSED.some((refused) => name.startsWith(refused));
}

/**
 * Sets one attribute with `set`, unless it is one that a layer may not bring. A file system without extended attributes
 * goes without them, except for file capabilities: a program without its own would not work, and nobody would know why.
 *
 * @throws {MiniError} for a name that is none; SyscallError, for example if the disk is full.
 */
export function setAttribute(name: string, value: Uint8Array, set: (flags: number) => void): void {
  if (isRefusedAttribute(name)) return;
  if (!/^[a-z]+\../.test(name) || name.length > 255) {
    throw new MiniError(`the extended attribute ${JSON.stringify(name.slice(0, 100))} has no valid name`);
  }
  if (value.length > 65536) {
    throw new MiniError(`the extended attribute ${name} has ${value.length} bytes, more than 65536`);
  }
  try {
    set(0);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === Errno.EOPNOTSUPP && name !== "security.capability") return;
    throw error;
  }
}
