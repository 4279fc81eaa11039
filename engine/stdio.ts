/**
 * The standard streams of a container that runs in the foreground. They are pipes (or its terminal), never descriptors of
 * the host: a program in the container could reopen those, read what it should only write, or push characters into a terminal.
 */
import { F_SETFL, FIONREAD, O_CLOEXEC, O_NONBLOCK, O_RDONLY } from "../ffi/constants.ts";
import { Errno } from "../ffi/errors.ts";
import { close, syscall, trySyscall, waitingSyscall } from "../ffi/kernel.ts";
import { open as openFile } from "../ffi/open.ts";
import { readable, writable } from "../ffi/reactor.ts";

const BUFFER_BYTES = 64 << 10;
const POLLHUP = 0x10;

/** One of our ends of a pipe, closed once however often that is asked for. */
export class End {
  #fd: number | undefined;
  constructor(readonly fd: number) {
    this.#fd = fd;
  }
  close(): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
  /** Whether there is nobody at the other end any more, or we have closed this one. */
  get isHungUp(): boolean {
    if (this.#fd === undefined) return true;
    const poll = new Int32Array([this.#fd, 0]); // struct pollfd: the events that are there are the upper half
    return trySyscall("ppoll", poll, 1, new BigInt64Array(2), null, 8) > 0 && (poll[1]! >> 16 & POLLHUP) !== 0;
  }
}

/** The ends of a container's pipes. */
export interface Pipes {
  /** What becomes 0, 1 and 2 of the container; closed by `closeTheirs` once it is started. */
  readonly theirs: readonly [number, number, number];
  /** Ours: where its input is written to, its output and its errors are read from. No input: the null device. */
  readonly input: End | undefined;
  readonly output: End;
  readonly errors: End;
  closeTheirs(): void;
  /** Closes all that is open still. */
  close(): void;
}

function pipe(): [read: End, write: End] {
  const pair = new Int32Array(2);
  syscall("pipe2", pair, O_CLOEXEC);
  return [new End(pair[0]!), new End(pair[1]!)];
}

/**
 * Makes the pipes. A user other than root gets them as its own: it may open /dev/stdout, which is a check of permissions.
 *
 * @throws {SyscallError} when there are too many open files.
 */
export function makePipes(withInput: boolean, uid: number): Pipes {
  const ends: End[] = [];
  const closeAll = () => ends.forEach((end) => end.close());
  try {
    const [stdin, input] = withInput ? pipe() : [new End(openFile("/dev/null", O_RDONLY)), undefined];
    ends.push(stdin, ...input === undefined ? [] : [input]);
    const [output, stdout] = pipe();
    ends.push(output, stdout);
    const [errors, stderr] = pipe();
    ends.push(errors, stderr);
    const theirs = [stdin, stdout, stderr] as const;
    if (uid !== 0) { for (const { fd } of withInput ? theirs : theirs.slice(1)) syscall("fchown", fd, uid, -1); }
    if (input !== undefined) syscall("fcntl", input.fd, F_SETFL, O_NONBLOCK);
    return {
      theirs: [stdin.fd, stdout.fd, stderr.fd],
      input,
      output,
      errors,
      closeTheirs: () => theirs.forEach((end) => end.close()),
      close: closeAll,
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/**
 * Copies from a descriptor to one of our own streams until its end, or until `signal` is aborted. Our streams may be set to
 * fail instead of waiting by whoever shares them; they are waited for all the same.
 *
 * @param keep is given everything first. @param ended aborted when nobody writes to it any more who counts: what there is at that
 *   moment is the last.
 * @returns 0, or the errno value with which our stream could not be written: EPIPE when nobody reads it any more.
 */
export async function copyOut(
  from: number,
  to: number,
  signal?: AbortSignal,
  keep?: (bytes: Uint8Array) => Promise<void>,
  ended?: AbortSignal,
): Promise<number> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  const stop = signal && ended ? AbortSignal.any([signal, ended]) : signal ?? ended;
  for (let left = Infinity; left > 0;) {
    if (left === Infinity && !await readable(from, stop)) {
      if (signal?.aborted) return 0;
      left = waitingBytes(from);
      continue;
    }
    const count = trySyscall("read", from, buffer, Math.min(buffer.length, left));
    if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
    // A terminal whose last user is gone says EIO; a pipe says 0.
    if (count <= 0) return 0;
    left -= count;
    await keep?.(buffer.subarray(0, count));
    const errno = await writeOut(to, buffer.subarray(0, count));
    if (errno !== 0) return errno;
  }
  return 0;
}

/** How many bytes can be read at once. */
function waitingBytes(fd: number): number {
  const count = new Int32Array(1);
  return trySyscall("ioctl", fd, FIONREAD, count) < 0 ? 0 : count[0]!;
}

/** Writes all of it to one of our own streams, however long that takes. @returns 0, or an errno value. */
export async function writeOut(to: number, bytes: Uint8Array): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    // On another thread: whoever reads our stream may take a long time.
    const written = await waitingSyscall("write", to, bytes.subarray(done), bytes.length - done);
    if (written >= 0) done += written;
    else if (written === -Errno.EAGAIN) await writable(to);
    else if (written !== -Errno.EINTR) return -written;
  }
  return 0;
}

/**
 * Copies one of our own streams to a descriptor that does not block, until either ends or `signal` is aborted.
 *
 * @param filter is given all that is read, and returns what is copied of it.
 * @returns whether ours came to its end.
 */
export async function copyIn(
  from: number,
  to: number,
  signal: AbortSignal,
  filter?: (bytes: Uint8Array) => Uint8Array,
): Promise<boolean> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  while (await readable(from, signal)) {
    // On another thread: others may read the same stream, and take what there was.
    const count = await waitingSyscall("read", from, buffer, buffer.length);
    if (signal.aborted) return false;
    if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
    // A terminal that is hung up says EIO.
    if (count <= 0) return true;
    const typed = buffer.subarray(0, count), bytes = filter ? filter(typed) : typed;
    for (let done = 0; done < bytes.length;) {
      const written = trySyscall("write", to, bytes.subarray(done), bytes.length - done);
      if (written >= 0) done += written;
      else if (written === -Errno.EAGAIN) {
        if (!await writable(to, signal)) return false;
      } else if (written !== -Errno.EINTR) return false; // nobody reads it any more
    }
  }
  return false;
}

/** Makes a descriptor fail with EAGAIN where it would wait. */
export function setNonBlocking(fd: number): void {
  syscall("fcntl", fd, F_SETFL, O_NONBLOCK);
}
