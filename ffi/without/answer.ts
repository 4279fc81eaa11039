/** The caller's side of what a program asks (ask.ts). */
import { F_DUPFD_CLOEXEC, MOUNT_ATTR__ATIME, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../constants.ts";
import { Errno, SyscallError } from "../errors.ts";
import { addressOf, close, syscall, trySyscall } from "../kernel.ts";
import type { Spawned } from "../spawn.ts";
import { walk } from "../walk.ts";
import { ANSWER_BYTES, CONTROL_BYTES, DESCRIPTOR_FOLLOWS, type Question } from "./ask.ts";
import { attributesOf, flagsOf, MS_BIND, MS_REMOUNT } from "./mount_flags.ts";
import { mountsOf, type Placed, tree } from "./mount_info.ts";

type Attributes = Extract<Question, { mount: string }>;

/** What is to be changed of one mount. */
interface Change extends Placed {
  readonly flags: number;
}

const MOST_BYTES = 16384;
const SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_NOSIGNAL = 0x4000;

/** Answers one program's questions. */
export class Answers {
  /** What is left of the questions that have several answers. */
  readonly #changes = new Map<string, Change[]>();

  /** @param socket our end of the pair. */
  constructor(readonly socket: number) {}

  /**
   * Reads one question and answers it; waits for one if there is none.
   *
   * @param asker the process that asks. @returns false at the end: there is nobody who could ask any more.
   */
  next(asker: Spawned): boolean {
    const buffer = new Uint8Array(MOST_BYTES);
    const length = trySyscall("read", this.socket, buffer, buffer.length);
    if (length <= 0) return false;
    const text = new TextDecoder().decode(buffer.subarray(0, length));
    try {
      this.#answer(JSON.parse(text) as Question, text, asker);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#send(-error.errno, 0);
    }
    return true;
  }

  #answer(question: Question, text: string, asker: Spawned): void {
    if ("open" in question) {
      const { open, flags, resolve } = question;
      this.#with(taken(asker, question.from), (folder) => {
        const fd = walk(folder, open, flags, 0, resolve);
        if (fd < 0) this.#send(fd, 0);
        else this.#with(fd, () => this.#send(DESCRIPTOR_FOLLOWS, 0, fd));
      });
    } else if ("filesystem" in question) {
      this.#with(taken(asker, question.filesystem), (fd) => {
        const mount = mountsOf(asker.pid).get(mountOf(fd));
        if (!mount) throw new SyscallError("mount", Errno.EINVAL);
        this.#send(DESCRIPTOR_FOLLOWS, MS_REMOUNT | flagsOf(attributesOf(mount.options)), fd);
      });
    } else {
      this.#with(taken(asker, question.mount), (fd) => {
        const changes = this.#changes.get(text) ?? changesOf(asker.pid, fd, question);
        this.#changes.set(text, changes);
        for (let change = changes.shift(); change; change = changes.shift()) {
          const there = openMount(fd, change);
          if (there === undefined) continue;
          const { length } = changes;
          if (length === 0) this.#changes.delete(text);
          return this.#with(there, () => this.#send(DESCRIPTOR_FOLLOWS, change.flags, there, length));
        }
        this.#changes.delete(text);
        this.#send(-Errno.ENODATA!, 0);
      });
    }
  }

  #with(fd: number, use: (fd: number) => void): void {
    try {
      use(fd);
    } finally {
      close(fd);
    }
  }

  /** sendmsg(2) of a struct msghdr; a failure is the end of who asked. */
  #send(number: number, flags: number, fd?: number, more = 0): void {
    const answer = new BigInt64Array([BigInt(number), BigInt(flags), BigInt(more)]),
      control = new Uint8Array(CONTROL_BYTES);
    const view = new DataView(control.buffer);
    view.setBigUint64(0, BigInt(16 + 4), true);
    view.setUint32(8, SOL_SOCKET, true);
    view.setUint32(12, SCM_RIGHTS, true);
    view.setInt32(16, fd ?? -1, true);
    const parts = new BigUint64Array([addressOf(answer), BigInt(ANSWER_BYTES)]);
    const header = new BigUint64Array([0n, 0n, addressOf(parts), 1n, addressOf(control), BigInt(CONTROL_BYTES), 0n]);
    if (fd === undefined) header[4] = header[5] = 0n;
    trySyscall("sendmsg", this.socket, header, MSG_NOSIGNAL);
    // What the header points to was needed until here.
    void [answer, control, parts];
  }
}

/** A descriptor of the program's as ours; ours to close. pidfd_getfd(2) */
function taken({ pidfd, results }: Spawned, of: string | number): number {
  return syscall("pidfd_getfd", pidfd, typeof of === "number" ? of : results.of(of)!, 0);
}

/** The number of the mount that an open file is in, proc_pid_fdinfo(5). */
function mountOf(fd: number): number {
  return Number(/^mnt_id:\s*(\d+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))?.[1]);
}

/** The mounts whose attributes are to be changed. @throws {SyscallError} for what is no mount of that process. */
function changesOf(pid: number, fd: number, { set, clear, below }: Attributes): Change[] {
  const mounts = mountsOf(pid), first = mounts.get(mountOf(fd));
  if (!first) throw new SyscallError("mount", Errno.EINVAL);
  return (below ? tree(mounts, first) : [{ mount: first, path: "", covered: false }]).flatMap((placed) => {
    const now = attributesOf(placed.mount.options);
    const then = now & ~clear & ~(set & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0) | set;
    return now === then ? [] : [{ ...placed, flags: MS_REMOUNT | MS_BIND | flagsOf(then) }];
  });
}

/**
 * The top of a mount, below the first one's; undefined for one that another mount covers, to which no path leads.
 *
 * @throws {SyscallError} when something else is there.
 */
function openMount(first: number, { mount, path, covered }: Change): number | undefined {
  const fd = path === ""
    ? trySyscall("fcntl", first, F_DUPFD_CLOEXEC, 0)
    : walk(first, path, O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (fd >= 0 && mountOf(fd) === mount.id) return fd;
  if (fd >= 0) close(fd);
  if (covered) return undefined;
  throw new SyscallError("mount", fd < 0 ? -fd : Errno.EAGAIN, mount.point);
}
