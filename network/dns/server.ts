/** A container's resolver: two sockets in its own network namespace, answered by this process. */
import {
  AF_INET,
  AF_NETLINK,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from "../../ffi/constants.ts";
import { Netlink, NETLINK_NETFILTER } from "../../ffi/netlink.ts";
import { SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { op, type Operation, result } from "../../ffi/program.ts";
import { readable, writable } from "../../ffi/reactor.ts";
import { forwarder, readMessage, type Upstreams, writeMessage } from "./forward.ts";
import { fit, readQuery } from "./message.ts";
import { fromInside } from "../inside.ts";
import { redirectNames, type ResolverPorts } from "./redirect.ts";
import { type Forward, type Names, resolve } from "./resolver.ts";
import { receiveFrom, sendTo, socketAddress } from "./socket.ts";

/** Where a container finds its resolver: the address that Docker uses. */
export const RESOLVER_ADDRESS = "127.0.0.11";
const BACKLOG = 64;
/** Datagrams that are taken in one turn. */
const MOST_AT_ONCE = 32;
/** Connections over TCP at a time, and how long one may be silent. */
const MOST_CONNECTIONS = 32, SILENCE_MS = 10_000;

/** The two sockets of a resolver; the caller's to close. */
export interface ResolverSockets {
  readonly datagrams: number;
  readonly listener: number;
}

/**
 * Opens the sockets in another network namespace, by a program that joins it.
 *
 * @param namespace a descriptor of it, or of a process in it. @param ports 0: one that is free.
 * @throws {SyscallError} when a port is taken.
 */
export function openSockets(namespace: number, ports: ResolverPorts): ResolverSockets {
  const [datagrams, listener] = fromInside(namespace, [
    op("socket", [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | O_NONBLOCK, 0], "for datagrams", { name: "datagrams" }),
    bind("datagrams", ports.udp),
    op("socket", [AF_INET, SOCK_STREAM | SOCK_CLOEXEC | O_NONBLOCK, 0], "for long answers", { name: "listener" }),
    bind("listener", ports.tcp),
    op("listen", [result("listener"), BACKLOG], "take connections"),
  ], ["datagrams", "listener"]);
  return { datagrams: datagrams!, listener: listener! };
}

function bind(name: string, port: number): Operation {
  const address = socketAddress(RESOLVER_ADDRESS, port);
  return op("bind", [result(name), address, address.length], "where the container asks", { on: RESOLVER_ADDRESS });
}

/**
 * Makes a resolver's sockets, and leads port 53 of its address to them where the kernel has nf_tables; else they have that port.
 *
 * @param namespace a descriptor of it, or of a process in it. @throws {SyscallError}
 */
export function makeResolver(namespace: number): ResolverSockets & { readonly ports: ResolverPorts } {
  const sockets = openSockets(namespace, { udp: 0, tcp: 0 });
  const ports = { udp: portOf(sockets.datagrams), tcp: portOf(sockets.listener) };
  try {
    const [fd] = fromInside(namespace, [
      op("socket", [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER], "to change its firewall", {
        name: "firewall",
      }),
    ], ["firewall"]);
    using inside = new Netlink(fd!);
    redirectNames(inside, RESOLVER_ADDRESS, ports);
    return { ...sockets, ports };
  } catch (error) {
    closeSockets(sockets);
    if (!(error instanceof SyscallError)) throw error;
    const ports = { udp: 53, tcp: 53 };
    return { ...openSockets(namespace, ports), ports };
  }
}

export function closeSockets({ datagrams, listener }: ResolverSockets): void {
  close(datagrams);
  close(listener);
}

/** The port that a socket is bound to. */
export function portOf(fd: number): number {
  const address = new Uint8Array(28), length = new Uint32Array([28]);
  syscall("getsockname", fd, address, length);
  return address[2]! << 8 | address[3]!;
}

/** Answers at two sockets until it is stopped. */
export class ResolverServer {
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  readonly #names: Names;
  readonly #short: Forward;
  readonly #whole: Forward;
  #connections = 0;

  /** @param sockets closed by `close`. @param upstreams none: only names of containers are answered. */
  constructor(sockets: ResolverSockets, names: Names, upstreams: Upstreams) {
    this.#names = names;
    this.#short = forwarder(upstreams, false);
    this.#whole = forwarder(upstreams, true);
    this.#done = Promise.allSettled([this.#datagrams(sockets.datagrams), this.#listen(sockets.listener)])
      .finally(() => closeSockets(sockets));
  }

  /** Stops, and closes the sockets. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #datagrams(fd: number): Promise<void> {
    const { signal } = this.#stop;
    while (await readable(fd, signal)) {
      // A container that asks faster than it is answered would keep this process from all its other work.
      for (let taken = 0; taken < MOST_AT_ONCE; taken++) {
        const datagram = receiveFrom(fd);
        if (!datagram) break;
        const { bytes, from } = datagram;
        // Nobody waits for it here: one that is slow must not keep the others from their answers.
        resolve(bytes, this.#names, this.#short, false).then((message) => {
          if (!message || signal.aborted) return;
          const question = readQuery(bytes);
          sendTo(fd, question ? fit(message, question) : message, from);
        }).catch(() => {}); // BadQuery was answered by its refusal, and has no question to fit to
      }
    }
  }

  async #listen(fd: number): Promise<void> {
    const { signal } = this.#stop;
    while (await readable(fd, signal)) {
      const connection = trySyscall("accept4", fd, null, null, SOCK_CLOEXEC | O_NONBLOCK);
      if (connection < 0) continue;
      if (this.#connections >= MOST_CONNECTIONS) {
        close(connection);
        continue;
      }
      this.#connections++;
      this.#serve(connection).catch(() => {}).finally(() => { // whatever it is, it is the end of this connection only
        this.#connections--;
        close(connection);
      });
    }
  }

  async #serve(fd: number): Promise<void> {
    const stream = new Stream(fd, this.#stop.signal);
    for (let query; (query = await readMessage(stream)) !== undefined;) {
      const message = await resolve(query, this.#names, this.#whole, true);
      if (message) await writeMessage(stream, message);
    }
  }
}

/** A connection as something to read and write. */
class Stream {
  constructor(readonly fd: number, readonly stop: AbortSignal) {}

  async read(bytes: Uint8Array): Promise<number | null> {
    if (!await readable(this.fd, AbortSignal.any([this.stop, AbortSignal.timeout(SILENCE_MS)]))) return null;
    const count = trySyscall("read", this.fd, bytes, bytes.length);
    return count <= 0 ? null : count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (!await writable(this.fd, AbortSignal.any([this.stop, AbortSignal.timeout(SILENCE_MS)]))) return bytes.length;
    const MSG_NOSIGNAL = 0x4000;
    return syscall("sendto", this.fd, bytes, bytes.length, MSG_NOSIGNAL, null, 0);
  }
}
