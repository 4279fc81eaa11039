/** Descriptors that only a program of ours can open, where a thread of Deno's cannot go: it opens them, and they are taken from it. */
import { AF_UNIX, CLONE_NEWNS, SOCK_CLOEXEC, SOCK_STREAM } from "./constants.ts";
import { SyscallError } from "./errors.ts";
import { waitForExit } from "./exit_status.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import type { Fallback } from "./fallback.ts";
import { op, type Operation, type Program } from "./program.ts";
import { spawn, type Spawned, type SpawnOptions } from "./spawn.ts";

/** A new pair of sockets: our end and the program's. unix(7) */
export function makePair(): [ours: number, theirs: number] {
  const pair = new Int32Array(2);
  syscall("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  return [pair[0]!, pair[1]!];
}

/** The last operations of such a program: it stays until the caller has taken what it has opened. @param sync its end of a pair. */
export const untilTaken = (sync: number): Operation[] => [
  op("write", [sync, "+", 1], "tell mini"),
  op("read", [sync, { cell: "answer", size: 8 }, 1], "until it has taken what was opened"),
  op("exit_group", [0], "done"),
];

/**
 * Runs a program that ends with `untilTaken`, and takes the descriptors that some of its operations return: pidfd_getfd(2). The
 * program has ended when this returns.
 *
 * @param plan makes it, given its end of the pair. @param names of the operations; their results are the caller's to close.
 * @param killed what is said of one that ended without a failure of its own.
 * @param fallback what stands in for calls that are missing here; closed when this returns.
 * @throws {SyscallError} for the operation that failed.
 */
export function takeOpened(
  plan: (sync: number) => Program,
  names: readonly string[],
  options: SpawnOptions,
  killed: readonly [call: string, errno: number],
  fallback?: Fallback,
): number[] {
  const [ours, theirs] = makePair();
  let spawned: Spawned;
  try {
    const program = plan(theirs), isNew = ((options.flags ?? 0n) & CLONE_NEWNS) !== 0n;
    spawned = spawn(fallback?.lower([program], isNew).flat() ?? program, {
      ...options,
      pass: [theirs, ...fallback?.descriptors ?? [], ...options.pass ?? []],
    });
  } catch (error) {
    close(ours);
    fallback?.close();
    throw error;
  } finally {
    fallback?.descriptors.forEach(close);
    // Ours must be the only other copy, so that the end of the program ends the wait below.
    close(theirs);
  }
  const { pidfd, results } = spawned, taken: number[] = [];
  try {
    fallback?.answerUntil(ours, spawned);
    if (trySyscall("read", ours, new Uint8Array(1), 1) !== 1) {
      const failure = results.failure(), [call, errno] = killed;
      throw new SyscallError(failure?.operation.call ?? call, failure?.errno ?? errno, failure?.operation.on);
    }
    for (const name of names) taken.push(syscall("pidfd_getfd", pidfd, results.of(name)!, 0));
    return taken;
  } catch (error) {
    taken.forEach(close);
    throw error;
  } finally {
    close(ours);
    fallback?.close();
    waitForExit(pidfd);
    close(pidfd);
    results.close();
  }
}
