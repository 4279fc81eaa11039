/**
 * Who has which port of the host. Leases are symbolic links as those of addresses are (leases.ts); a port at `0.0.0.0` is taken
 * at every address.
 */
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { be16, concat, u16 } from "../ffi/netlink_message.ts";
import { formatIp, type Ip, ipBytes, parseIp } from "./address.ts";
import { type IsAlive, takeLink, whileAlone } from "./leases.ts";
import { type Protocol, PROTOCOL_NUMBERS, PROTOCOLS, type PublishedPort, withPort } from "./ports.ts";
import { names, type NetworkStore, readLink, unlink } from "./store.ts";

const isAny = (ip: Ip) => ip.value === 0n;

/** Binds a socket to the port for an instant. Gives the port that the kernel chose for 0; undefined if it is taken. */
function tryBind(protocol: Protocol, ip: Ip, port: number): number | undefined {
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const fd = trySyscall(
    "socket",
    ip.version === 4 ? AF_INET : AF_INET6,
    type | SOCK_CLOEXEC,
    PROTOCOL_NUMBERS[protocol],
  );
  if (fd === -EPROTONOSUPPORT) {
    throw new MiniError(`this kernel has no ${protocol.toUpperCase()}, so that no port of it can be published`);
  }
  if (fd < 0) throw new SyscallError("socket", -fd, protocol);
  try {
    // What only ends still, a connection of the last container's, is in nobody's way; a listener is.
    if (protocol === "tcp") syscall("setsockopt", fd, SOL_SOCKET, SO_REUSEADDR, new Int32Array([1]), 4);
    if (ip.version === 6) syscall("setsockopt", fd, IPPROTO_IPV6, IPV6_V6ONLY, new Int32Array([1]), 4);
    const address = socketAddress(ip, port);
    const result = trySyscall("bind", fd, address, address.length);
    if (result === -Errno.EADDRINUSE) return undefined;
    if (result === -Errno.EADDRNOTAVAIL) {
      throw new MiniError(`${formatIp(ip)} is no address of this host, so that nothing can be published there`);
    }
    if (result < 0) throw new SyscallError("bind", -result, withPort(formatIp(ip), port));
    const size = new Int32Array([address.length]);
    syscall("getsockname", fd, address, size);
    return address[2]! << 8 | address[3]!;
  } finally {
    close(fd);
  }
}
const SOL_SOCKET = 1, SO_REUSEADDR = 2, EPROTONOSUPPORT = 93, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26;

/** struct sockaddr_in, sockaddr_in6 */
function socketAddress(ip: Ip, port: number): Uint8Array<ArrayBuffer> {
  return ip.version === 4
    ? concat(u16(AF_INET), be16(port), ipBytes(ip), new Uint8Array(8))
    : concat(u16(AF_INET6), be16(port), new Uint8Array(4), ipBytes(ip), new Uint8Array(4));
}

/** What a lease is called. Addresses have no `-` in them. */
const nameOf = (protocol: Protocol, port: number, ip: string) => `${protocol}-${port}-${ip}`;
const holderOf = (target: string) => target.split(" ")[0]!;

/** A port that a container asks for, at one or more addresses of the host. */
export interface PortRequest {
  readonly protocol: Protocol;
  readonly hostIps: readonly Ip[];
  /** The first and the last that will do; without them any. */
  readonly hostPorts?: readonly [first: number, last: number] | undefined;
  readonly containerPort: number;
  /** The container's own address of that version. */
  containerIp(version: 4 | 6): string;
}

/**
 * Takes ports of the host for a container, all or none.
 *
 * @throws {MiniError} naming the first that is taken, and by whom.
 */
export function leasePorts(
  store: NetworkStore,
  requests: readonly PortRequest[],
  holder: string,
  isAlive: IsAlive,
): PublishedPort[] {
  const got: PublishedPort[] = [];
  if (requests.length === 0) return got;
  Deno.mkdirSync(store.ports, { recursive: true, mode: 0o700 });
  try {
    // One at a time: two addresses of which one is any are no two different names.
    whileAlone(store.ports, () => {
      const taken = new Map<string, Ip[]>();
      for (const name of names(store.ports)) remember(taken, name);
      for (const request of requests) got.push(...leaseOne(store, request, holder, isAlive, taken));
    });
    return got;
  } catch (error) {
    for (const port of got) freePort(store, port, holder);
    throw error;
  }
}

function remember(taken: Map<string, Ip[]>, name: string): void {
  const [, port, address] = /^([a-z]+-\d+)-(.*)$/.exec(name) ?? [], ip = parseIp(address ?? "");
  if (port && ip) taken.set(port, [...taken.get(port) ?? [], ip]);
}

function leaseOne(
  store: NetworkStore,
  request: PortRequest,
  holder: string,
  isAlive: IsAlive,
  taken: Map<string, Ip[]>,
): PublishedPort[] {
  const { protocol, hostIps, hostPorts } = request;
  let why = "";
  for (const port of hostPorts ? range(...hostPorts) : Array<number>(EPHEMERAL_TRIES).fill(0)) {
    let chosen = port;
    const free = hostIps.every((ip) => {
      const bound = tryBind(protocol, ip, chosen);
      const asked = bound ?? chosen;
      const owner = conflict(store, protocol, ip, asked, taken.get(`${protocol}-${asked}`) ?? [], isAlive) ??
        (bound === undefined ? "a program of this host ('ss -lnp' shows which)" : undefined);
      if (owner === undefined) chosen = bound!;
      else why = `${withPort(formatIp(ip), chosen || bound!)}/${protocol} is taken by ${owner}`;
      return owner === undefined;
    });
    if (!free) continue;
    return hostIps.map((ip): PublishedPort => {
      const hostIp = formatIp(ip), { containerPort } = request, name = nameOf(protocol, chosen, hostIp);
      const target = `${holder} ${withPort(request.containerIp(ip.version), containerPort)}`;
      unlink(`${store.ports}/${name}`); // of a container that is gone, as `conflict` found
      if (!takeLink(`${store.ports}/${name}`, target)) throw new Error(`ports: ${name} was taken under the lock`);
      remember(taken, name);
      return { protocol, hostIp, hostPort: chosen, containerPort };
    });
  }
  throw new MiniError(
    !hostPorts || hostPorts[0] === hostPorts[1]
      ? `the port ${why}`
      : `every port from ${hostPorts[0]} to ${hostPorts[1]} is taken; the last one: ${why}`,
  );
}
/** Ports that the kernel chooses are free for sockets; other containers may have them all the same. */
const EPHEMERAL_TRIES = 1000;

function* range(first: number, last: number): Generator<number> {
  for (let port = first; port <= last; port++) yield port;
}

/** Which container has the port at an address that is this one, or includes it. */
function conflict(
  store: NetworkStore,
  protocol: Protocol,
  ip: Ip,
  port: number,
  others: readonly Ip[],
  isAlive: IsAlive,
): string | undefined {
  for (const other of others) {
    if (other.version !== ip.version || !(isAny(ip) || isAny(other) || other.value === ip.value)) continue;
    const target = readLink(`${store.ports}/${nameOf(protocol, port, formatIp(other))}`);
    if (target !== undefined && isAlive(holderOf(target))) return `the container ${holderOf(target).slice(0, 12)}`;
  }
  return undefined;
}

/** Gives a port back. Nothing happens if it is somebody else's by now. */
export function freePort(store: NetworkStore, port: PublishedPort, holder: string): void {
  const path = `${store.ports}/${nameOf(port.protocol, port.hostPort, port.hostIp)}`;
  const isOurs = () => {
    const target = readLink(path);
    return target !== undefined && holderOf(target) === holder;
  };
  if (isOurs()) whileAlone(store.ports, () => isOurs() && unlink(path));
}

/** A port that is given out, with who has it and where it leads. */
export interface PortLease extends PublishedPort {
  readonly holder: string;
  readonly containerIp: string;
}

/** Every port that is given out. */
export function portLeases(store: NetworkStore): PortLease[] {
  return names(store.ports).flatMap((name) => {
    const [, protocol, port, hostIp] = /^([a-z]+)-(\d+)-(.*)$/.exec(name) ?? [];
    const target = hostIp === undefined ? undefined : readLink(`${store.ports}/${name}`);
    const [, holder, containerIp, containerPort] = /^(\S+) \[?([^\]\s]+?)\]?:(\d+)$/.exec(target ?? "") ?? [];
    if (!holder || !PROTOCOLS.includes(protocol as Protocol)) return [];
    return [{
      protocol: protocol as Protocol,
      hostIp: hostIp!,
      hostPort: Number(port),
      holder,
      containerIp: containerIp!,
      containerPort: Number(containerPort),
    }];
  });
}

/** Frees the ports of containers that are gone. Returns them. */
export function sweepPorts(store: NetworkStore, isAlive: IsAlive): PortLease[] {
  const gone = portLeases(store).filter(({ holder }) => !isAlive(holder));
  for (const lease of gone) freePort(store, lease, lease.holder);
  return gone;
}

/** Writes down that a port that a container has leads to another address of it. */
export function movePort(store: NetworkStore, port: Omit<PortLease, "holder">, holder: string): void {
  const path = `${store.ports}/${nameOf(port.protocol, port.hostPort, port.hostIp)}`;
  whileAlone(store.ports, () => {
    const target = readLink(path);
    if (target === undefined || holderOf(target) !== holder) return;
    unlink(path);
    takeLink(path, `${holder} ${withPort(port.containerIp, port.containerPort)}`);
  });
}
