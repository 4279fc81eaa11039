/** A netlink socket in the network namespace of a container that runs. */
import { AF_NETLINK, AF_UNIX, CLONE_NEWNET, O_RDONLY, SOCK_CLOEXEC, SOCK_RAW, SOCK_STREAM } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { open } from "../ffi/open.ts";
import { op, type Program } from "../ffi/program.ts";
import { spawn, waitForExit } from "../ffi/spawn.ts";

/** Opens the socket to be given to `Netlink`: an operation of a program in the namespace. */
export const openSocket = (name: string) =>
  op("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], "a socket to configure the network through", {
    name,
  });

/**
 * A socket in another process's network namespace. A thread of Deno's cannot go there itself; a program of ours opens the socket
 * there, and it is taken from that (pidfd_getfd(2)). Everything else is done by this process, which sees and tells each failure.
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
  const pair = new Int32Array(2);
  syscall("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  const [ours, theirs] = [pair[0]!, pair[1]!];
  try {
    const program: Program = [
      op("setns", [namespace, Number(CLONE_NEWNET)], "into the container's network", { on: path }),
      openSocket("netlink"),
      op("write", [theirs, "+", 1], "tell mini"),
      op("read", [theirs, { cell: "answer", size: 8 }, 1], "until it has taken the socket"),
      op("exit_group", [0], "done"),
    ];
    const { pidfd, results } = spawn(program, { pass: [theirs, namespace] });
    trySyscall("close", theirs);
    pair[1] = -1;
    try {
      const ready = syscall("read", ours, new Uint8Array(1), 1) === 1;
      const failure = results.failure();
      if (!ready || failure) {
        throw new MiniError(`cannot get into the container's network (${failure?.operation.call} failed)`);
      }
      return new Netlink(syscall("pidfd_getfd", pidfd, results.of("netlink")!, 0));
    } finally {
      close(ours);
      pair[0] = -1;
      waitForExit(pidfd);
      close(pidfd);
      results.close();
    }
  } finally {
    close(namespace);
    for (const fd of pair) if (fd >= 0) close(fd);
  }
}
