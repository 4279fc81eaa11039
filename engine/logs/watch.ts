/** Waits until a log has grown or was rotated: inotify(7). */
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE_SELF,
  IN_MODIFY,
  IN_MOVE_SELF,
  O_CLOEXEC,
  O_NONBLOCK,
} from "../../ffi/constants.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { dataPath, makeFolder } from "./files.ts";

export class LogWatch implements Disposable {
  readonly #fd = syscall("inotify_init1", O_CLOEXEC | O_NONBLOCK);
  readonly #events = new Uint8Array(4096);
  #number = -1;
  #watched = -1;

  /** @param folder made if nothing was printed yet. @throws {SyscallError} when the container is gone. */
  constructor(readonly folder: string) {
    try {
      makeFolder(folder);
      syscall("inotify_add_watch", this.#fd, folder, IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Watches the file with this number from now on. @returns whether that is new: something may have happened before. */
  watch(number: number): boolean {
    if (number === this.#number) return false;
    if (this.#watched >= 0) trySyscall("inotify_rm_watch", this.#fd, this.#watched);
    this.#number = number;
    // IN_ATTRIB: the writer's word on overlayfs. Gone already: then the next file is there.
    this.#watched = number === 0
      ? -1
      : trySyscall("inotify_add_watch", this.#fd, dataPath(this.folder, number), IN_MODIFY | IN_ATTRIB);
    return true;
  }

  /** Resolves to true when something has happened since the last time, to false when `signal` is aborted before. */
  async changed(signal?: AbortSignal): Promise<boolean> {
    const ready = await readable(this.#fd, signal);
    while (trySyscall("read", this.#fd, this.#events, this.#events.length) === this.#events.length);
    return ready;
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}
