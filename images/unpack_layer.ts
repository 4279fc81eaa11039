/**
 * One layer from the bytes of its archive into the store, in one pass: inflate, digest, tar, files. It is unpacked into
 * a locked temporary folder, and gets its name only when the digest is right and everything is on the disk.
 */
import { AT_FDCWD, LOCK_EX, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { closeFd, fchmod, fchown, flock, openat, syncfs } from "../ffi/files.ts";
import { trySyscall } from "../ffi/kernel.ts";
import { createHasher } from "./digest.ts";
import { fsyncFolder, writeFileAtomically } from "./file_lock.ts";
import type { LayerInfo } from "./layers.ts";
import { removeTree } from "./remove_tree.ts";
import type { Store } from "./store.ts";
import { TarReader } from "./tar.ts";
import { UNPACK_LIMITS, Unpacker, type UnpackLimits } from "./unpack.ts";
import { inflate } from "./unpack_inflate.ts";

export interface UnpackOptions {
  limits?: Partial<UnpackLimits>;
  /** Ends the work; what was made is removed. */
  signal?: AbortSignal | undefined;
  /** Told how many plain bytes have been unpacked, now and then. */
  onProgress?: (plainBytes: number) => void;
}

/** Beyond what is unsuspicious, so many times the compressed size is taken for a bomb: real layers shrink 2 to 10 times. */
const BOMB_RATIO = 200;

/** See {@linkcode Layers.unpack}. */
export async function unpackLayer(
  store: Store,
  diffID: string,
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions = {},
): Promise<LayerInfo> {
  const what = `the layer ${diffID}`;
  const unsuspicious = options.limits?.unsuspiciousBytes ?? UNPACK_LIMITS.unsuspiciousBytes;
  const hasher = await createHasher(diffID);
  const temporary = makeTemporary(store);
  let isRenamed = false;
  try {
    const unpacker = new Unpacker(temporary.fd, options.limits ? { limits: options.limits } : {});
    try {
      const tar = new TarReader(unpacker, what);
      let plain = 0, compressed = 0;
      const counted = async function* () {
        for await (const chunk of source) {
          options.signal?.throwIfAborted();
          compressed += chunk.length;
          yield chunk;
          options.onProgress?.(plain);
        }
      };
      await inflate(counted(), (bytes) => {
        plain += bytes.length;
        if (plain > unsuspicious && plain > compressed * BOMB_RATIO) {
          throw new MiniError(
            `${what} grows more than ${BOMB_RATIO} times when it is unpacked, which no real layer does`,
          );
        }
        hasher.update(bytes);
        tar.write(bytes);
      }, what);
      tar.end();
      const actual = hasher.digest();
      if (actual !== diffID) {
        throw new MiniError(`the content of ${what} is wrong: unpacked it has the digest ${actual}`);
      }
      unpacker.finish();
    } finally {
      unpacker.close();
    }
    syncfs(temporary.fd);
    const info: LayerInfo = { size: unpacker.bytes, entries: unpacker.entries };
    isRenamed = publish(store, diffID, temporary.path, info);
    return info;
  } catch (error) {
    throw explain(error, what, store);
  } finally {
    if (!isRenamed) removeTree(temporary.path);
    closeFd(temporary.fd);
  }
}

/** A new folder, locked until its descriptor is closed, so that the garbage collection leaves it alone. */
export function makeTemporary(store: Store): { path: string; fd: number } {
  using _ = store.lock("shared");
  store.prepare();
  const path = `${store.folder}/layers/.tmp-${crypto.randomUUID()}`;
  Deno.mkdirSync(path, { mode: 0o700 });
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  flock(fd, LOCK_EX);
  // What a folder above hands down is not the layer's: access lists, and the group of a setgid folder.
  for (const list of ["system.posix_acl_default", "system.posix_acl_access"]) trySyscall("fremovexattr", fd, list);
  if (Deno.uid() === 0) fchown(fd, 0, 0);
  fchmod(fd, 0o755); // what the layer's root is, unless the archive says otherwise
  return { path, fd };
}

/** Gives a finished layer its name. Returns false if another command was faster: then there is one already, just as good. */
function publish(store: Store, diffID: string, temporary: string, info: LayerInfo): boolean {
  const path = store.layers.path(diffID);
  {
    using _ = store.lock("shared"); // the garbage collection must not see the description without its folder
    if (store.layers.has(diffID)) return false;
    writeFileAtomically(`${path}.json`, JSON.stringify(info) + "\n");
    try {
      Deno.renameSync(temporary, path);
    } catch (error) {
      if (store.layers.has(diffID)) return false;
      throw error;
    }
  }
  fsyncFolder(`${store.folder}/layers`);
  return true;
}

/** Puts the layer into the sentence of an error that happened somewhere in it. */
function explain(error: unknown, what: string, store: Store): unknown {
  if (error instanceof SyscallError) {
    if (error.errno === Errno.ENOSPC || error.errno === Errno.EDQUOT) {
      return new MiniError(`the disk of ${store.folder} is full; nothing of ${what} was kept`, undefined, {
        cause: error,
      });
    }
    return new MiniError(`${what} cannot be unpacked: ${error.message}`, undefined, { cause: error });
  }
  if (error instanceof MiniError && !error.message.includes(what)) {
    return new MiniError(`${what} is refused: ${error.message}`, undefined, { cause: error });
  }
  return error;
}
