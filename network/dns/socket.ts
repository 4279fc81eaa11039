/** IPv4 and IPv6 datagram sockets through FFI: recvfrom(2), sendto(2), sockaddr of ip(7) and ipv6(7). */
import { SOCK_CLOEXEC, SOCK_DGRAM } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { Netlink, NETLINK_ROUTE } from "../../ffi/netlink.ts";
import { getLink, readLink } from "../../ffi/netlink_route.ts";
import { addressBytes } from "./message.ts";

const AF_INET = 2, AF_INET6 = 10, SOCK_NONBLOCK = 0o4000;
/** The largest message that comes in a datagram: RFC 6891 asks for 4096. */
const DATAGRAM_BYTES = 4096;
/** Nobody listens where the last datagram went. */
const ECONNREFUSED = 111;
/** struct sockaddr_in6 is the longest. */
const ADDRESS_BYTES = 28;

/** The number of an interface, for the addresses that mean another machine at each: `fe80::1%eth0`. */
function scopeOf(zone: string): number {
  using netlink = Netlink.open(NETLINK_ROUTE);
  const link = netlink.get(getLink(zone));
  if (!link) throw new Error(`there is no interface ${zone}`);
  return readLink(link).index;
}

/** struct sockaddr_in or sockaddr_in6. @throws {Error} for a zone that is no interface of this host. */
export function socketAddress(place: string, port: number): Uint8Array<ArrayBuffer> {
  const [address = "", zone] = place.split("%");
  const v6 = address.includes(":"), bytes = new Uint8Array(v6 ? ADDRESS_BYTES : 16), view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port);
  bytes.set(addressBytes(address), v6 ? 8 : 4);
  if (zone !== undefined) view.setUint32(24, scopeOf(zone), true);
  return bytes;
}

/** A datagram socket that takes messages of one peer only; the caller's to close. @throws {SyscallError} */
export function connectedSocket(address: string, port: number): number {
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const fd = syscall("socket", family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  try {
    const to = socketAddress(address, port);
    syscall("connect", fd, to, to.length);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A datagram and who it is from. */
export interface Datagram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A socket address, to send the answer to. */
  readonly from: Uint8Array<ArrayBuffer>;
}

/** The next datagram; undefined if there is none. @throws {SyscallError} */
export function receiveFrom(fd: number): Datagram | undefined {
  const bytes = new Uint8Array(DATAGRAM_BYTES),
    from = new Uint8Array(ADDRESS_BYTES),
    length = new Uint32Array([ADDRESS_BYTES]);
  const count = trySyscall("recvfrom", fd, bytes, bytes.length, 0, from, length);
  if ([-Errno.EAGAIN, -Errno.EINTR, -ECONNREFUSED].includes(count)) return undefined;
  if (count < 0) throw new SyscallError("recvfrom", -count);
  return { bytes: bytes.slice(0, count), from: from.slice(0, length[0]!) };
}

/** Sends a datagram; one that cannot be sent is lost, as datagrams may be. */
export function sendTo(fd: number, bytes: Uint8Array, to: Uint8Array): void {
  trySyscall("sendto", fd, bytes, bytes.length, 0, to, to.length);
}
