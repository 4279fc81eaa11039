/** Sockets in the network namespace of a container that runs. */
import { AF_NETLINK, AF_UNIX, CLONE_NEWNET, O_RDONLY, SOCK_CLOEXEC, SOCK_RAW, SOCK_STREAM } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { open } from "../ffi/open.ts";
import { op, type Operation, type Program } from "../ffi/program.ts";
import { spawn, type Spawned, waitForExit } from "../ffi/spawn.ts";

/** Opens the socket to be given to `Netlink`: an operation of a program in the namespace. */
export const openSocket = (name: string) =>
  op("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], "a socket to configure the network through", {
    name,
  });

/**
 * Runs operations in another network namespace, and takes the descriptors that some of them return. A thread of Deno's cannot go
 * there itself; a program of ours opens them there, and they are taken from that (pidfd_getfd(2)).
 *
 * @param namespace a descriptor of it, or of a process in it. @param names of the operations whose results are taken, all the
 *   caller's to close. @throws {SyscallError} for the operation that failed.
 */
export function fromInside(namespace: number, operations: readonly Operation[], names: readonly string[]): number[] {
  const pair = new Int32Array(2);
  syscall("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  const [ours, theirs] = [pair[0]!, pair[1]!];
  const program: Program = [
    op("setns", [namespace, Number(CLONE_NEWNET)], "into the container's network"),
    ...operations,
    op("write", [theirs, "+", 1], "tell mini"),
    op("read", [theirs, { cell: "answer", size: 8 }, 1], "until it has taken what was opened"),
    op("exit_group", [0], "done"),
  ];
  let spawned: Spawned;
  try {
    spawned = spawn(program, { pass: [theirs, namespace] });
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    // Ours must be the only other copy, so that the end of the program ends the wait below.
    close(theirs);
  }
  const { pidfd, results } = spawned, taken: number[] = [];
  try {
    if (trySyscall("read", ours, new Uint8Array(1), 1) !== 1) {
      const failure = results.failure(), { call = "setns", on } = failure?.operation ?? {};
      throw new SyscallError(call, failure?.errno ?? Errno.ESRCH, on);
    }
    for (const name of names) taken.push(syscall("pidfd_getfd", pidfd, results.of(name)!, 0));
    return taken;
  } catch (error) {
    taken.forEach(close);
    throw error;
  } finally {
    close(ours);
    waitForExit(pidfd);
    close(pidfd);
    results.close();
  }
}

/**
 * A socket of rtnetlink in another process's network namespace. Everything is done by this process, which sees and tells each
 * failure.
 *
 * @param path `/proc/PID/ns/net`. @throws {MiniError} when there is no such process any more.
 */
export function netlinkInside(path: string): Netlink {
  let namespace: number;
  try {
    namespace = open(path, O_RDONLY);
  } catch (error) {
    throw new MiniError(`the container's network is gone (${(error as Error).message})`);
  }
  try {
    return new Netlink(fromInside(namespace, [openSocket("netlink")], ["netlink"])[0]!);
  } finally {
    close(namespace);
  }
}
