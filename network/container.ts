/**
 * All of a container's networks at once: reserved before there is a container, configured while it is being made, given back when
 * it has ended. What it has is written down before it is taken, so that whoever clears up after us finds it.
 */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { formatIp, parseIp } from "./address.ts";
import { configure, plugIn, removeStaleCables, type Routes } from "./attach.ts";
import { ensureBridge, withTables } from "./bridge.ts";
import type { NetworkConfig } from "./config.ts";
import { forgetConnections } from "./conntrack.ts";
import {
  type ContainerNetworks,
  defaultRoute,
  type Endpoint,
  type EndpointWish,
  freeAll,
  leaseEndpoint,
} from "./endpoints.ts";
import { Firewall, type Redirection } from "./firewall.ts";
import { freeAddress, type IsAlive, leasesOf } from "./leases.ts";
import { freePort, leasePorts, portLeases } from "./port_leases.ts";
import type { PortWish } from "./ports.ts";
import { restoreTables } from "./restore.ts";
import type { Network, NetworkStore } from "./store.ts";

/** What a container asks for. */
export interface NetworkRequest {
  readonly endpoints: readonly EndpointWish[];
  readonly ports: readonly PortWish[];
}

/** What has to be known of the surroundings. */
export interface NetworkContext {
  readonly store: NetworkStore;
  readonly config: NetworkConfig;
  readonly isAlive: IsAlive;
  /** Is told of what was changed of the host's settings. */
  note(sentence: string): void;
}

/** Writes down what a container has. */
export type WriteNetworks = (networks: ContainerNetworks) => void;

/** A container's networks, ready to be plugged in. */
export class Reserved implements Disposable {
  readonly #context: NetworkContext;
  readonly #netlink: Netlink;
  readonly #firewall: Firewall | undefined;
  readonly #networks: ReadonlyMap<string, Network>;
  readonly #bridges: ReadonlyMap<string, number>;

  constructor(
    context: NetworkContext,
    readonly networks: ContainerNetworks,
    sockets: { netlink: Netlink; firewall: Firewall | undefined },
    records: ReadonlyMap<string, Network>,
    bridges: ReadonlyMap<string, number>,
  ) {
    this.#context = context;
    this.#netlink = sockets.netlink;
    this.#firewall = sockets.firewall;
    this.#networks = records;
    this.#bridges = bridges;
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
    this.#firewall?.[Symbol.dispose]();
  }

  /**
   * Makes the container's interfaces and publishes its ports.
   *
   * @param pid a process in its network namespace. @param socket a netlink socket of that namespace; ours to close.
   * @throws {MiniError} @throws {NetlinkError}
   */
  configure(pid: number, socket: number): void {
    using inside = new Netlink(socket);
    const { endpoints, ports } = this.networks;
    for (const endpoint of endpoints) {
      const network = this.#networks.get(endpoint.networkId)!;
      plugIn(this.#netlink, network, endpoint, { pid }, this.#bridges.get(endpoint.networkId));
    }
    for (const endpoint of endpoints) configure(inside, endpoint, routesBy(endpoint, endpoints));
    publish(this.#context, this.#firewall, ports);
  }
}

/** Which default routes lead by a place. */
export const routesBy = (endpoint: Endpoint, all: readonly Endpoint[]): Routes => ({
  ipv4: defaultRoute(all, 4) === endpoint,
  ipv6: defaultRoute(all, 6) === endpoint,
});

/** Lets packets in to published ports. */
export function publish(context: NetworkContext, firewall: Firewall | undefined, ports: readonly Redirection[]): void {
  if (!firewall || ports.length === 0) return;
  withTables(() => restoreTables(context.store, firewall), () => firewall.publish(ports));
  forgetConnections(ports);
}

/** The place that published ports lead to: where packets from outside of the host can come in. */
export const portEndpoint = (endpoints: readonly Endpoint[]): Endpoint | undefined =>
  endpoints.find(({ driver, internal }) => driver === "bridge" && !internal);

/**
 * Takes all that a container needs of networks, and sets up what is missing on the host's side.
 *
 * @throws {MiniError} in one sentence; nothing is left behind then.
 */
export function reserve(
  context: NetworkContext,
  container: string,
  request: NetworkRequest,
  write: WriteNetworks,
): Reserved {
  const { store, isAlive, note } = context;
  write({ version: 1, endpoints: [], ports: [], incomplete: request.endpoints.map(({ network }) => network.id) });
  const endpoints: Endpoint[] = [];
  let netlink: Netlink | undefined, firewall: Firewall | undefined;
  let networks: ContainerNetworks = { version: 1, endpoints, ports: [] };
  try {
    netlink = Netlink.open(NETLINK_ROUTE);
    const bridges = new Map<string, number>(), records = new Map<string, Network>();
    store.locked(false, () => {
      for (const wish of request.endpoints) {
        // Read again under the lock: it may have been removed, and made again.
        const network = store.get(wish.network.name), { driver, id } = network;
        records.set(id, network);
        endpoints.push(leaseEndpoint(store, container, { ...wish, network }, endpoints, isAlive));
        if (driver !== "bridge") continue;
        firewall ??= new Firewall();
        const restore = () => restoreTables(store, firewall!);
        bridges.set(id, ensureBridge(netlink!, firewall, network, restore, note));
        if (wish.ip || wish.ip6) removeStaleCables(netlink!, isAlivePrefix(context), bridges.get(id));
      }
    });
    const ports = leaseWished(context, container, request.ports, endpoints, records);
    networks = { version: 1, endpoints, ports };
    write(networks);
    return new Reserved(context, networks, { netlink, firewall }, records, bridges);
  } catch (error) {
    freeAll(store, container, networks);
    netlink?.[Symbol.dispose]();
    firewall?.[Symbol.dispose]();
    throw error instanceof SyscallError && error.errno === Errno.EPERM
      ? new MiniError(`mini may not set up networks here (${error.message}); --network host still works`)
      : error;
  }
}

/** Whether a container is there whose id begins so. */
export const isAlivePrefix = ({ store, isAlive }: NetworkContext) => (begin: string) => {
  const known = store.list().flatMap((network) => leasesOf(store, network.id)).map(({ holder }) => holder);
  return known.some((holder) => holder.startsWith(begin) && isAlive(holder));
};

function leaseWished(
  { store, config, isAlive }: NetworkContext,
  container: string,
  wishes: readonly PortWish[],
  endpoints: readonly Endpoint[],
  networks: ReadonlyMap<string, Network>,
): Redirection[] {
  if (wishes.length === 0) return [];
  const target = portEndpoint(endpoints);
  if (!target) {
    throw new MiniError(
      "ports can be published only of a container in a network of the bridge driver that is not internal",
    );
  }
  const has = { 4: target.ipv4?.ip, 6: target.ipv6?.ip };
  const own = networks.get(target.networkId)?.publishAddress;
  const defaults = own === undefined ? config.publishAddresses : [parseIp(own)!];
  const leased = leasePorts(
    store,
    wishes.map((wish) => {
      const asked = wish.hostIp === undefined ? undefined : parseIp(wish.hostIp)!;
      if (asked && has[asked.version] === undefined) {
        throw new MiniError(
          `--publish at ${formatIp(asked)}: the container has no IPv${asked.version} in the network ${target.network}`,
        );
      }
      const hostIps = asked ? [asked] : defaults.filter((ip) => has[ip.version] !== undefined);
      if (hostIps.length === 0) {
        throw new MiniError(
          `the container has no address in the network ${target.network} of a version of IP that ports are published at`,
        );
      }
      const { protocol, containerPort, hostPorts } = wish;
      return { protocol, containerPort, hostPorts, hostIps, containerIp: (version: 4 | 6) => has[version]! };
    }),
    container,
    isAlive,
  );
  return leased.map((port) => ({ ...port, containerIp: has[parseIp(port.hostIp)!.version]! }));
}

/**
 * Gives all back that a container has of networks. May be done again, by anybody who clears up after it; its interfaces go with its
 * network namespace.
 */
export function release(store: NetworkStore, container: string, networks: ContainerNetworks): void {
  if (networks.ports.length > 0) {
    using firewall = new Firewall();
    firewall.withdraw(networks.ports);
    forgetConnections(networks.ports);
  }
  freeAll(store, container, networks);
  if (!networks.incomplete) return;
  // Whoever made it was killed before it could write down what it got.
  for (const id of networks.incomplete) {
    for (const { address, holder } of leasesOf(store, id)) {
      if (holder === container) freeAddress(store, id, address, container);
    }
  }
  for (const port of portLeases(store)) if (port.holder === container) freePort(store, port, container);
}
