/**
 * Waiting for descriptors: one epoll descriptor, waited on by a single call on a thread of its own, however many descriptors
 * there are. While nobody waits, no thread does either, and Deno may exit.
 */
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN, EPOLLOUT, O_CLOEXEC } from "./constants.ts";
import { Errno, SyscallError } from "./errors.ts";
import { machine, syscall, trySyscall, waitingSyscall } from "./kernel.ts";

// struct epoll_event is packed on x86-64 alone (epoll_ctl(2)): u32 events, u64 data.
const PACKED = machine.name === "x86_64";
const EVENT_BYTES = PACKED ? 12 : 16, DATA_AT = PACKED ? 4 : 8, MOST_EVENTS = 64;

interface Waiter {
  /** Tells this wait from an earlier one for the same number, whose event may still be on its way to us. */
  readonly id: number;
  /** Settles the promise; true: the descriptor is ready, false: waiting was given up. */
  settle: (ready: boolean) => void;
}

class Reactor {
  readonly #epoll = syscall("epoll_create1", O_CLOEXEC);
  /** Written to when the waiting thread is to come back although no descriptor is ready. */
  readonly #wake = syscall("eventfd2", 0, EFD_CLOEXEC | EFD_NONBLOCK);
  readonly #waiters = new Map<number, Waiter>();
  #running = false;
  #lastId = 0;

  constructor() {
    this.#control(EPOLL_CTL_ADD, this.#wake, EPOLLIN, 0);
  }

  #control(operation: number, fd: number, events: number, id: number): number {
    const event = new Uint8Array(EVENT_BYTES), view = new DataView(event.buffer);
    view.setUint32(0, events, true);
    view.setUint32(DATA_AT, fd, true);
    view.setUint32(DATA_AT + 4, id, true);
    return trySyscall("epoll_ctl", this.#epoll, operation, fd, event);
  }

  wait(fd: number, events: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    if (this.#waiters.has(fd)) throw new Error(`descriptor ${fd} is waited for already`);
    const id = this.#lastId = (this.#lastId + 1) >>> 0;
    const result = this.#control(EPOLL_CTL_ADD, fd, events, id);
    if (result === -Errno.EPERM) return Promise.resolve(true); // a regular file or folder: always ready
    if (result < 0) throw new SyscallError("epoll_ctl", -result, `descriptor ${fd}`);
    return new Promise((resolve) => {
      const abort = () => this.#finish(fd, false);
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.set(fd, {
        id,
        settle: (ready) => {
          signal?.removeEventListener("abort", abort);
          resolve(ready);
        },
      });
      if (!this.#running) this.#run();
    });
  }

  #finish(fd: number, ready: boolean) {
    const waiter = this.#waiters.get(fd);
    if (!waiter) return;
    this.#waiters.delete(fd);
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
    waiter.settle(ready);
    if (this.#waiters.size === 0 && !ready) syscall("write", this.#wake, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
  }

  async #run() {
    this.#running = true;
    const events = new Uint8Array(EVENT_BYTES * MOST_EVENTS), view = new DataView(events.buffer);
    while (this.#waiters.size > 0) {
      const count = await waitingSyscall("epoll_pwait", this.#epoll, events, MOST_EVENTS, -1, null, 8);
      // EINTR: a SIGCHLD may land on the waiting thread.
      if (count === -Errno.EINTR) continue;
      if (count < 0) throw new SyscallError("epoll_pwait", -count);
      for (let i = 0; i < count; i++) {
        const at = i * EVENT_BYTES + DATA_AT, fd = view.getUint32(at, true), id = view.getUint32(at + 4, true);
        if (fd === this.#wake) syscall("read", this.#wake, new Uint8Array(8), 8);
        else if (this.#waiters.get(fd)?.id === id) this.#finish(fd, true);
      }
    }
    this.#running = false;
  }
}

let reactor: Reactor | undefined;

/**
 * Resolves to true when a descriptor can be read (or its other end is closed, or it has an error: the read will tell), to
 * false when `signal` is aborted first. One waiter a descriptor at a time; close it only when nobody waits for it.
 */
export function readable(fd: number, signal?: AbortSignal): Promise<boolean> {
  return (reactor ??= new Reactor()).wait(fd, EPOLLIN, signal);
}

/** The same for writing. */
export function writable(fd: number, signal?: AbortSignal): Promise<boolean> {
  return (reactor ??= new Reactor()).wait(fd, EPOLLOUT, signal);
}
