/** Whose files are when a user namespace is all that mini has: ids that it lacks, devices that nobody may make in it. */
import { MiniError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";

/** The owner and group that a file gets. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The owner as it can be here. A user who is all alone in its namespace owns everything.
 *
 * @throws {MiniError} for ids that have not been given to the user.
 */
export function possibleOwner({ uid, gid }: Owner): Owner {
  const own = ownNamespace();
  if (!own || own.hasUid(uid) && own.hasGid(gid)) return { uid, gid };
  if (!own.hasUid(1)) return { uid: 0, gid: 0 };
  throw new MiniError(
    `the image has files of user ${uid} and group ${gid}, and /etc/subuid and /etc/subgid give you fewer ids than that`,
  );
}

/** Devices exist only where the machine's own root makes them; a container gets those that it needs in another way. */
export const mayMakeDevices = () => ownNamespace() === undefined;

/** The attribute by which overlayfs knows a folder that hides the one below: overlayfs.rst, "User xattr". */
export const opaqueAttribute = () => `${ownNamespace() ? "user" : "trusted"}.overlay.opaque`;
