/**
 * A lease keeps content alive that no name leads to yet: what a running pull, load or build has stored or counts on.
 * It is a file of digests, locked by its process; when the process ends, however it ends, the lock is gone and with it the lease.
 */
import { AT_FDCWD, LOCK_EX, LOCK_NB, O_CLOEXEC, O_CREAT, O_EXCL, O_RDWR } from "../ffi/constants.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import type { Store } from "./store.ts";

const O_APPEND = 0o2000;

export class Lease implements Disposable {
  private constructor(private readonly store: Store, private readonly path: string, private fd: number) {}

  /** Takes a new lease, empty at first. */
  static create(store: Store): Lease {
    using _ = store.lock("exclusive"); // so that no garbage collection sees the file before it is locked
    store.prepare();
    const path = `${store.folder}/leases/${crypto.randomUUID()}`;
    const fd = syscall("openat", AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600);
    syscall("flock", fd, LOCK_EX | LOCK_NB);
    return new Lease(store, path, fd);
  }

  /**
   * Keeps these blobs and layers from being collected, from now on. Add a digest *before* looking whether it is there:
   * the other way round, it may vanish in between.
   */
  add(...digests: string[]): void {
    const bytes = new TextEncoder().encode(digests.map((digest) => digest + "\n").join(""));
    using _ = this.store.lock("shared");
    if (bytes.length > 0) syscall("write", this.fd, bytes, bytes.length);
  }

  /** Gives the lease up. Whatever has got no name by now is garbage. */
  release(): void {
    if (this.fd < 0) return;
    trySyscall("unlinkat", AT_FDCWD, this.path, 0);
    close(this.fd);
    this.fd = -1;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** The digests of every lease that is held; removes the files of those that are not. The caller holds the store's lock. */
export function leasedDigests(store: Store): Set<string> {
  const digests = new Set<string>();
  const folder = `${store.folder}/leases`;
  for (const { name } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const fd = trySyscall("openat", AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) continue; // released meanwhile
    if (trySyscall("flock", fd, LOCK_EX | LOCK_NB) === 0) {
      trySyscall("unlinkat", AT_FDCWD, path, 0);
    } else {
      // By its descriptor: it may be released, and its name removed, at this moment.
      for (const line of Deno.readTextFileSync(`/proc/self/fd/${fd}`).split("\n")) if (line) digests.add(line);
    }
    close(fd);
  }
  return digests;
}
