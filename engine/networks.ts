/** Networks as people handle them: made, listed, inspected, removed; containers put into them and taken out while they run. */
import { MiniError } from "../ffi/errors.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { addRoutes, configure, plugIn, unplug } from "../network/attach.ts";
import { ensureBridge } from "../network/bridge.ts";
import { type NetworkContext, portEndpoint, publish, routesBy } from "../network/container.ts";
import { type ContainerNetworks, type Endpoint, freeEndpoint, leaseEndpoint } from "../network/endpoints.ts";
import { Firewall, type Redirection } from "../network/firewall.ts";
import { netlinkInside } from "../network/inside.ts";
import { type CreateNetwork, createNetwork, defaultNetwork, removeNetwork } from "../network/manage.ts";
import { movePort } from "../network/port_leases.ts";
import { parseIp } from "../network/address.ts";
import { restoreTables } from "../network/restore.ts";
import { DEFAULT_NETWORK, type Network } from "../network/store.ts";
import type { Containers, Found } from "./containers.ts";
import { setHosts } from "./etc.ts";
import { emit } from "./events.ts";
import { networkContext, wish, writeNetworks } from "./network.ts";
import { isOwnNetwork } from "./namespaces.ts";
import type { NetworkAttachment } from "./network_options.ts";
import { networksOf } from "./network_view.ts";
import type { ContainerRecord } from "./record.ts";

/** A network as it is listed: one of ours, or one of the two words that stand for no network of ours. */
export type ListedNetwork =
  & Pick<Network, "id" | "name" | "created" | "internal" | "ipv6" | "subnets" | "labels" | "options">
  & {
    readonly driver: Network["driver"] | "host" | "null";
  };

const hexOf = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16)).join("");

/** `host` and `none`. */
const WORDS: readonly ListedNetwork[] = [["host", "host"], ["none", "null"]].map(([name, driver]) => ({
  id: hexOf(name!).padEnd(64, "0"),
  name: name!,
  driver: driver as "host" | "null",
  created: "0001-01-01T00:00:00Z",
  internal: false,
  ipv6: false,
  subnets: [],
  labels: {},
  options: {},
}));

/** A container is not in the network that it is to be taken out of. */
export class NotConnected extends MiniError {
  override name = "NotConnected";
}

/** Everything that is done with networks. */
export class Networks {
  readonly #containers: Containers;
  readonly #context: NetworkContext;

  /** @param note is told of what was changed of the host's settings. */
  constructor(containers: Containers, note: (sentence: string) => void) {
    this.#containers = containers;
    this.#context = networkContext(containers, note);
  }

  #tell(action: string, network: ListedNetwork, more: Readonly<Record<string, string>> = {}): void {
    const attributes = { name: network.name, type: network.driver, ...more };
    emit(this.#containers.state, { type: "network", action, id: network.id, attributes });
  }

  /** All networks by name. */
  list(): ListedNetwork[] {
    defaultNetwork(this.#context);
    return [...this.#context.store.list(), ...WORDS].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** The network of a name, an id, or the beginning of an id. @throws {MiniError} */
  get(text: string): ListedNetwork {
    const word = WORDS.find(({ name, id }) => name === text || id === text);
    if (text === DEFAULT_NETWORK) return defaultNetwork(this.#context);
    return word ?? this.#context.store.get(text);
  }

  /** Makes a network. @throws {MiniError} */
  create(asked: CreateNetwork): Network {
    const network = createNetwork(this.#context, asked);
    this.#tell("create", network);
    return network;
  }

  /** Removes a network. @throws {MiniError} when a container is in it. */
  remove(name: string): Network {
    if (WORDS.some((word) => word.name === name)) {
      throw new MiniError(`the network ${name} is always there, and cannot be removed`);
    }
    const network = removeNetwork(this.#context, name);
    this.#tell("destroy", network);
    return network;
  }

  /** Removes every network that no container is in, running or not, and that matches. Returns their names. */
  async prune(matches: (network: Network) => boolean, note: (sentence: string) => void): Promise<string[]> {
    const all = await this.#containers.list(note);
    const wanted = new Set(all.flatMap(({ record }) => (record.config.networks ?? []).map(({ name }) => name)));
    const removed: string[] = [];
    for (const network of this.#context.store.list()) {
      if (network.name === DEFAULT_NETWORK || wanted.has(network.name) || !matches(network)) continue;
      try {
        this.remove(network.name);
        removed.push(network.name);
      } catch (error) {
        if (!(error instanceof MiniError)) throw error;
        note(error.message); // somebody has just come to use it
      }
    }
    return removed;
  }

  /** The places that containers have in a network now. */
  async members(network: ListedNetwork): Promise<{ record: ContainerRecord; endpoint: Endpoint }[]> {
    const all = await this.#containers.list(() => {});
    return all.flatMap(({ record }) => {
      const endpoint = networksOf(this.#containers, record.id)?.endpoints.find((e) => e.networkId === network.id);
      return endpoint ? [{ record, endpoint }] : [];
    });
  }

  /**
   * Puts a container into a network, at once if it runs.
   *
   * @throws {MiniError} when it is in it already, or cannot be.
   */
  connect({ record: { id, name }, running }: Found, attachment: NetworkAttachment): void {
    const asked = wish(this.#context, attachment), { network } = asked;
    this.#containers.change(id, (record) => {
      const { config } = record;
      if (!isOwnNetwork(config.network)) {
        throw new MiniError(
          `the container ${name} has --network ${config.network} and no network of its own to connect`,
        );
      }
      if (config.networks?.some((one) => one.name === network.name)) {
        throw new MiniError(`the container ${name} is in the network ${network.name} already`);
      }
      if (running?.pid) this.#plug(record, running.pid, { ...attachment, name: network.name });
      config.networks = [...config.networks ?? [], { ...attachment, name: network.name }];
    });
    this.#tell("connect", network, { container: id });
  }

  #plug(record: ContainerRecord, pid: number, attachment: NetworkAttachment): void {
    const { store, isAlive, note } = this.#context, { id } = record;
    const before = networksOf(this.#containers, id) ?? { version: 1, endpoints: [], ports: [] };
    const write = (networks: ContainerNetworks) => writeNetworks(this.#containers, id, networks);
    const asked = wish(this.#context, attachment);
    write({ ...before, incomplete: [asked.network.id] });
    using netlink = Netlink.open(NETLINK_ROUTE);
    using firewall = new Firewall();
    using inside = netlinkInside(`/proc/${pid}/ns/net`);
    let endpoint: Endpoint | undefined;
    try {
      endpoint = store.locked(false, () => {
        const network = store.get(asked.network.name);
        const leased = leaseEndpoint(store, id, { ...asked, network }, before.endpoints, isAlive);
        const restore = () => restoreTables(store, firewall);
        const bridge = network.driver === "bridge"
          ? ensureBridge(netlink, firewall, network, restore, note)
          : undefined;
        plugIn(netlink, network, leased, { pid }, bridge);
        return leased;
      });
      const endpoints = [...before.endpoints, endpoint];
      write({ ...before, endpoints });
      configure(inside, endpoint, routesBy(endpoint, endpoints));
      this.#settle(record, endpoints, before.ports, firewall);
    } catch (error) {
      if (endpoint) {
        unplug(inside, endpoint);
        freeEndpoint(store, id, endpoint);
      }
      write(before);
      throw error;
    }
  }

  /** Takes a container out of a network. @throws {MiniError} when it is not in it. */
  disconnect({ record: { id, name }, running }: Found, networkName: string): void {
    const network = this.get(networkName);
    this.#containers.change(id, (record) => {
      const { config } = record, rest = (config.networks ?? []).filter((one) => one.name !== network.name);
      if (rest.length === (config.networks ?? []).length) {
        throw new NotConnected(`the container ${name} is not in the network ${network.name}`);
      }
      if (running?.pid) this.#unplug(record, running.pid, network);
      config.networks = rest;
    });
    this.#tell("disconnect", network, { container: id });
  }

  #unplug(record: ContainerRecord, pid: number, network: ListedNetwork): void {
    const before = networksOf(this.#containers, record.id);
    const endpoint = before?.endpoints.find(({ networkId }) => networkId === network.id);
    if (!before || !endpoint) return;
    using firewall = new Firewall();
    using inside = netlinkInside(`/proc/${pid}/ns/net`);
    const endpoints = before.endpoints.filter((one) => one !== endpoint);
    // First nothing leads to it any more, then it is gone, and only then somebody else may have its address.
    this.#settle(record, endpoints, before.ports, firewall);
    unplug(inside, endpoint);
    freeEndpoint(this.#context.store, record.id, endpoint);
    for (const other of endpoints) {
      const now = routesBy(other, endpoints), old = routesBy(other, before.endpoints);
      addRoutes(inside, other, { ipv4: now.ipv4 && !old.ipv4, ipv6: now.ipv6 && !old.ipv6 });
    }
  }

  /** Writes down the places that a container has now, and lets its published ports lead to the right one. */
  #settle(
    record: ContainerRecord,
    endpoints: readonly Endpoint[],
    before: readonly Redirection[],
    firewall: Firewall,
  ): void {
    const target = portEndpoint(endpoints), { store } = this.#context;
    const ports = before.map((port): Redirection => {
      const address = parseIp(port.hostIp)!.version === 4 ? target?.ipv4 : target?.ipv6;
      return { ...port, containerIp: address?.ip ?? NOWHERE };
    });
    const moved = ports.filter((port, i) => port.containerIp !== before[i]!.containerIp);
    firewall.withdraw(before.filter((port, i) => port.containerIp !== ports[i]!.containerIp));
    for (const port of moved) movePort(store, port, record.id);
    writeNetworks(this.#containers, record.id, { version: 1, endpoints, ports });
    publish(this.#context, firewall, moved);
    const { hostname, names } = record.config;
    setHosts(this.#containers.folder(record.id), hostname, endpoints, names, true);
  }
}

/** Where a published port leads whose container is in no network that it could be published from. */
const NOWHERE = "nowhere";
