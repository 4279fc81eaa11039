/**
 * How a container gets its networks. It opens a netlink socket in its new network namespace and goes on; the caller takes the socket,
 * puts interfaces into the namespace and configures them through it, and so sees for itself what fails and why.
 */
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../ffi/constants.ts";
import { op, type Operation } from "../ffi/program.ts";

/** The name of the operation that opens the socket. */
export const NETWORK_SOCKET = "network socket";

const NETLINK_ROUTE = 0;

/** Offers the socket, and does not wait. */
export function offerNetwork(sync: number): Operation[] {
  return [
    op("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], "a socket for mini to set our networks up by", {
      name: NETWORK_SOCKET,
    }),
    op("write", [sync, "+", 1], "tell mini: the network namespace is there"),
  ];
}

/** Waits until the networks are there. The socket is closed with all that the container has no use for. */
export function awaitNetwork(sync: number): Operation[] {
  return [
    op("read", [sync, { cell: "sync", size: 8 }, 1], "wait for our networks", {
      jump: { when: "=", than: 0, to: "orphaned" },
    }),
  ];
}
