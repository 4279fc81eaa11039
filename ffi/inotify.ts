/** Being woken when something in a folder changes: inotify(7). */
import { O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { Errno, SyscallError } from "./errors.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import { readable } from "./reactor.ts";

const IN_MODIFY = 0x2, IN_ATTRIB = 0x4, IN_MOVED_TO = 0x80, IN_CREATE = 0x100;

/** A watch on a folder: its files are written to or touched, or come to be. What exactly happened, whoever watches looks for himself. */
export class FolderWatch implements Disposable {
  readonly #fd: number;

  /** @throws {SyscallError} when there is no such folder, or there are too many watches. */
  constructor(folder: string) {
    this.#fd = syscall("inotify_init1", O_CLOEXEC | O_NONBLOCK);
    const mask = IN_MODIFY | IN_ATTRIB | IN_MOVED_TO | IN_CREATE;
    const result = trySyscall("inotify_add_watch", this.#fd, folder, mask);
    if (result >= 0) return;
    close(this.#fd);
    throw new SyscallError("inotify_add_watch", -result, folder);
  }

  /** Resolves to true when something has changed since the last time (or now), to false when `signal` is aborted first. */
  async changed(signal?: AbortSignal): Promise<boolean> {
    if (!await readable(this.#fd, signal)) return false;
    const events = new Uint8Array(4096);
    for (let count = 1; count > 0;) {
      count = trySyscall("read", this.#fd, events, events.length);
      if (count < 0 && count !== -Errno.EAGAIN) throw new SyscallError("read", -count, "inotify");
    }
    return true;
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}
