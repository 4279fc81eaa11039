/** Opens a container's files to copy from or to: those of one that runs as it sees them, those of one that does not as it left them. */
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { statAt } from "../../ffi/file_info.ts";
import { close, trySyscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { planJoin } from "../../runtime/plan_view.ts";
import { Busy, type Containers, type Found } from "../containers.ts";
import { pidfdOf } from "../control.ts";
import { isAlive } from "../process.ts";
import { isMapped } from "../rights.ts";
import type { IdMaps } from "../userns.ts";
import { takeRoot } from "../view.ts";
import { openStopped } from "./stopped.ts";

/** A container's files, open; `close` lets go of them. */
export interface Inside {
  /** A descriptor of its root, with all that is mounted in it. */
  readonly root: number;
  /** The ids of its user namespace, if its files are seen with others than it sees itself. */
  readonly idMaps?: IdMaps | undefined;
  /** @throws {MiniError} when what is written now would be lost, or get in the way of the container's next start. */
  check(): void;
  close(): void;
}

export type Purpose = "read" | "write";

/** How long to wait for another command that is at work on a container. */
const BUSY_MILLISECONDS = 5000;

/**
 * Opens the files of a container.
 *
 * @throws {MiniError} when another command is at work on it for long. @throws {SyscallError} when they cannot be opened.
 */
export async function openInside(containers: Containers, found: Found, purpose: Purpose): Promise<Inside> {
  for (const limit = Date.now() + BUSY_MILLISECONDS;;) {
    try {
      const pidfd = pidfdOf(found);
      return pidfd === undefined
        ? await openStopped(containers, found.record, purpose)
        : openRunning(found, pidfd, purpose);
    } catch (error) {
      if (!(error instanceof Busy) || Date.now() > limit) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    // Perhaps it runs by now.
    found = await containers.get(found.record.id);
  }
}

/** How long a container may take to change to its own root after it was born, and how long to wait between two looks. */
const MOST_LOOKS = 50, PAUSE_MILLISECONDS = 10;

function openRunning({ record, running }: Found, pidfd: number, purpose: Purpose): Inside {
  const open = [pidfd];
  const closeAll = () => open.forEach(close);
  const gone = () => new MiniError(`container ${record.name} has just ended: copy again`);
  try {
    // Its namespace is kept by this descriptor: volumes stay mounted to the end of the copy, even if the container ends.
    open.push(openOf(running!.pid, "ns/mnt", O_RDONLY, gone));
    const root = ownRoot(running!.pid, pidfd, gone, record.name);
    open.push(root);
    // The number was still its own when the descriptors were opened.
    if (!isAlive(running!)) throw gone();
    return {
      root,
      idMaps: isMapped(record.idMaps && { maps: record.idMaps }) ? record.idMaps : undefined,
      check() {
        if (purpose === "write" && hasEnded(pidfd)) {
          throw new MiniError(`container ${record.name} ended before everything was copied: copy again`);
        }
      },
      close: closeAll,
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/**
 * The root of the mount namespace that a process is in, once it has left the host's: one that is just being made begins there.
 */
function ownRoot(pid: number, pidfd: number, gone: () => Error, name: string): number {
  const host = identity(open("/", O_PATH | O_DIRECTORY), true);
  for (let looks = 1;; looks++) {
    const seen = identity(openOf(pid, "root", O_PATH | O_DIRECTORY, gone), true);
    if (seen !== host) {
      let root: number;
      try {
        root = takeRoot((sync) => planJoin(pidfd, sync), { pass: [pidfd] });
      } catch (error) {
        if (error instanceof SyscallError && error.errno === Errno.ESRCH) throw gone();
        throw error;
      }
      const joined = identity(root, false);
      // The two differ for ever where a container's first process has chosen another root for itself, and for an instant
      // where the host's root is still on top of it.
      if (joined !== host && (joined === seen || looks === MOST_LOOKS)) return root;
      close(root);
    }
    if (looks === MOST_LOOKS) {
      throw new MiniError(`container ${name} is only being made, or has the host's own root: there is nothing to copy`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MILLISECONDS);
  }
}

/** What tells one folder from every other. */
function identity(fd: number, isLast: boolean): string {
  const { device, ino } = statAt(fd, "");
  if (isLast) close(fd);
  return `${device} ${ino}`;
}

function openOf(pid: number, what: string, flags: number, gone: () => Error): number {
  try {
    return open(`/proc/${pid}/${what}`, flags);
  } catch (error) {
    if (error instanceof SyscallError && [Errno.ENOENT, Errno.ESRCH].includes(error.errno)) throw gone();
    throw error;
  }
}

/** Whether the process has ended: its descriptor can be read then. poll(2), struct pollfd */
function hasEnded(pidfd: number): boolean {
  const POLLIN = 1;
  return trySyscall("ppoll", new Int32Array([pidfd, POLLIN]), 1, new BigInt64Array(2), null, 0) === 1;
}
