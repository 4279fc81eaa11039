/** Sockets in the network namespace of a container that runs. */
import { AF_NETLINK, CLONE_NEWNET, O_RDONLY, SOCK_CLOEXEC, SOCK_RAW } from "../ffi/constants.ts";
import { Errno, MiniError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { open } from "../ffi/open.ts";
import { op, type Operation } from "../ffi/program.ts";
import { takeOpened, untilTaken } from "../ffi/take.ts";

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
  return takeOpened(
    (sync) => [
      op("setns", [namespace, Number(CLONE_NEWNET)], "into the container's network"),
      ...operations,
      ...untilTaken(sync),
    ],
    names,
    { pass: [namespace] },
    ["setns", Errno.ESRCH],
  );
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
