/** The ids of a container in a user namespace: its files have other numbers in it than on the host, and root is not root there. */
import { MiniError } from "../../ffi/errors.ts";
import { syscall } from "../../ffi/kernel.ts";
import type { TreeEntry, TreeSink } from "../../images/tree_walk.ts";
import { containerId, hostId, type IdMaps } from "../userns.ts";

/** Who owns what the user namespace has no number for, as the kernel shows it. */
const NOBODY = 65534;

/** An entry's owner as its container counts. */
export function asInside(maps: IdMaps, entry: TreeEntry): TreeEntry {
  const uid = containerId(maps.uidMappings, entry.uid) ?? NOBODY,
    gid = containerId(maps.gidMappings, entry.gid) ?? NOBODY;
  return { ...entry, uid, gid };
}

/** An entry's owner as the host counts. @throws {MiniError} for one that the container does not have. */
export function asOutside(maps: IdMaps, entry: TreeEntry): TreeEntry {
  const uid = hostId(maps.uidMappings, entry.uid), gid = hostId(maps.gidMappings, entry.gid);
  if (uid !== undefined && gid !== undefined) return { ...entry, uid, gid };
  const id = uid === undefined ? `user ${entry.uid}` : `group ${entry.gid}`;
  throw new MiniError(`${id} owns a part of it and is not in the container's user namespace; copy without -a`);
}

/** A sink that is told of each entry as `map` changes it. */
export function through(sink: TreeSink, map: (entry: TreeEntry) => TreeEntry): Required<TreeSink> {
  return {
    entry: (entry) => sink.entry(map(entry)),
    data: (bytes, offset) => sink.data?.(bytes, offset),
    endOfFile: () => sink.endOfFile?.(),
  };
}

const PR_GET_SECUREBITS = 27, PR_SET_SECUREBITS = 28, SECBIT_NO_SETUID_FIXUP = 1 << 2;

/**
 * From here on this thread makes files as the container's root, until it is disposed of: in the container's file systems the
 * host's root has no number. It keeps all its rights. setfsuid(2), capabilities(7)
 */
export function makeFilesAs(maps: IdMaps): Disposable {
  const uid = hostId(maps.uidMappings, 0), gid = hostId(maps.gidMappings, 0);
  if (uid === undefined || gid === undefined) {
    throw new MiniError("the container's user namespace has no root, so no file can be made in it");
  }
  const bits = syscall("prctl", PR_GET_SECUREBITS, 0, 0, 0, 0);
  syscall("prctl", PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
  const group = syscall("setfsgid", gid), user = syscall("setfsuid", uid);
  return {
    [Symbol.dispose]() {
      syscall("setfsuid", user);
      syscall("setfsgid", group);
      syscall("prctl", PR_SET_SECUREBITS, bits, 0, 0, 0);
    },
  };
}
