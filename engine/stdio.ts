/**
 * The standard streams of a container that runs in the foreground. They are pipes (or its terminal), never descriptors of
 * the host: a program in the container could reopen those, read what it should only write, or push characters into a terminal.
 */
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from "../ffi/constants.ts";
import { Errno } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { open as openFile } from "../ffi/open.ts";
import { readable, writable } from "../ffi/reactor.ts";

const BUFFER_BYTES = 64 << 10;
const F_SETFL = 4;

/** The ends of a container's pipes. */
export interface Pipes {
  /** What becomes 0, 1 and 2 of the container; closed by `closeTheirs` once it is started. */
  readonly theirs: readonly [number, number, number];
  /** Ours: where its input is written to, its output and its errors are read from. No input: the null device. */
  readonly input: number | undefined;
  readonly output: number;
  readonly errors: number;
  closeTheirs(): void;
  close(): void;
}

function pipe(): [read: number, write: number] {
  const pair = new Int32Array(2);
  syscall("pipe2", pair, O_CLOEXEC);
  return [pair[0]!, pair[1]!];
}

/**
 * Makes the pipes. A user other than root gets them as its own: it may open /dev/stdout, which is a check of permissions.
 *
 * @throws {SyscallError} when there are too many open files.
 */
export function makePipes(withInput: boolean, uid: number): Pipes {
  const open: number[] = [];
  const closeAll = () => {
    for (const fd of open.splice(0)) close(fd);
  };
  try {
    const [stdin, input] = withInput ? pipe() : [openFile("/dev/null", O_RDONLY), undefined];
    open.push(stdin, ...input === undefined ? [] : [input]);
    const [output, stdout] = pipe();
    open.push(output, stdout);
    const [errors, stderr] = pipe();
    open.push(errors, stderr);
    if (uid !== 0) {
      for (const fd of withInput ? [stdin, stdout, stderr] : [stdout, stderr]) syscall("fchown", fd, uid, -1);
    }
    if (input !== undefined) syscall("fcntl", input, F_SETFL, O_NONBLOCK);
    const closeTheirs = () => {
      for (const fd of [stdin, stdout, stderr]) {
        const i = open.indexOf(fd);
        if (i >= 0) close(open.splice(i, 1)[0]!);
      }
    };
    return { theirs: [stdin, stdout, stderr], input, output, errors, closeTheirs, close: closeAll };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** Where bytes go: Deno.stdout, Deno.stderr. */
interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Copies from a descriptor to one of our own streams until its end. When nobody reads ours any more, the descriptor is
 * closed, so that the container's program learns it as any program in a pipeline does (SIGPIPE, EPIPE).
 *
 * @returns whether everything could be written.
 */
export async function copyOut(fd: number, sink: Sink): Promise<boolean> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  while (await readable(fd)) {
    const count = trySyscall("read", fd, buffer, buffer.length);
    if (count === -Errno.EINTR || count === -Errno.EAGAIN) continue;
    // A terminal whose last user is gone says EIO; a pipe says 0.
    if (count <= 0) return true;
    try {
      for (let done = 0; done < count;) done += await sink.write(buffer.subarray(done, count));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource) return false;
      throw error;
    }
  }
  return true;
}

/** Copies what we are given to a descriptor that does not block, until either ends. */
export async function copyIn(source: typeof Deno.stdin, fd: number, signal: AbortSignal): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await source.read(buffer);
    if (count === null || signal.aborted) return;
    for (let done = 0; done < count;) {
      const written = trySyscall("write", fd, buffer.subarray(done, count), count - done);
      if (written >= 0) done += written;
      else if (written === -Errno.EAGAIN) {
        if (!await writable(fd, signal)) return;
      } else if (written !== -Errno.EINTR) return; // nobody reads it any more
    }
  }
}

/** Writes to a terminal's master side. It may block for as long as the program does not read; that is what Ctrl-S does, too. */
export async function copyKeys(source: typeof Deno.stdin, terminal: number, signal: AbortSignal): Promise<void> {
  syscall("fcntl", terminal, F_SETFL, O_NONBLOCK);
  await copyIn(source, terminal, signal);
}
