/** Names of containers: the monitor is the resolver of every container that is in a network of one's own. */
import { close } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { canonical, type Names } from "../../network/dns/resolver.ts";
import { ResolverServer } from "../../network/dns/server.ts";
import { hostUpstreams } from "../../network/dns/upstreams.ts";
import { DEFAULT_NETWORK } from "../../network/store.ts";
import type { Containers } from "../containers.ts";
import { hasNames } from "../network_names.ts";
import { networksOf } from "../network_view.ts";
import { openProcess } from "../process.ts";
import { takeResolver, upstreamsOf } from "../resolver.ts";
import type { Report } from "./monitor.ts";

/** How long what was read is taken for true. A container that asks a thousand times a second reads the disk twenty times. */
const FRESH_MS = 50;
const SHORT_ID = 12;

/** All names of a network, and whose addresses are whose. */
interface NetworkNames {
  readonly addresses: Map<string, string[]>;
  readonly names: Map<string, string>;
}

/** What is known of all networks that have names. */
class Directory {
  #networks = new Map<string, NetworkNames>();
  /** The networks of each container. */
  #of = new Map<string, readonly string[]>();
  #read = -Infinity;

  constructor(readonly containers: Containers) {}

  #refresh(): void {
    const now = performance.now();
    if (now - this.#read < FRESH_MS) return;
    const networks = new Map<string, NetworkNames>(), of = new Map<string, readonly string[]>();
    for (const id of this.containers.active()) {
      const endpoints = (networksOf(this.containers, id)?.endpoints ?? []).filter(({ network }) =>
        network !== DEFAULT_NETWORK
      );
      const name = endpoints.length > 0 ? this.#nameOf(id) : undefined;
      if (name === undefined) continue;
      of.set(id, endpoints.map(({ networkId }) => networkId));
      for (const { networkId, network, aliases, ipv4, ipv6 } of endpoints) {
        const known = networks.get(networkId) ?? { addresses: new Map(), names: new Map() };
        networks.set(networkId, known);
        const ips = [ipv4?.ip, ipv6?.ip].filter((ip) => ip !== undefined);
        for (const word of new Set([name, id.slice(0, SHORT_ID), ...aliases])) {
          for (const key of [word, `${word}.${network}`].map((text) => text.toLowerCase())) {
            known.addresses.set(key, [...known.addresses.get(key) ?? [], ...ips]);
          }
        }
        for (const ip of ips) known.names.set(canonical(ip), `${name}.${network}`);
      }
    }
    this.#networks = networks;
    this.#of = of;
    this.#read = performance.now();
  }

  #nameOf(id: string): string | undefined {
    try {
      return this.containers.record(id)?.name;
    } catch {
      return undefined; // damaged, or of a newer mini: whoever lists containers is told
    }
  }

  #networksOf(id: string): NetworkNames[] {
    this.#refresh();
    return (this.#of.get(id) ?? []).flatMap((network) => this.#networks.get(network) ?? []);
  }

  /** The names that a container can use: those of its own networks. */
  for(id: string): Names {
    return {
      addresses: (name) => {
        const all = this.#networksOf(id).flatMap(({ addresses }) => addresses.get(name) ?? []);
        return all.length > 0 ? [...new Set(all)] : undefined;
      },
      name: (address) => this.#networksOf(id).map(({ names }) => names.get(address)).find((name) => name !== undefined),
    };
  }
}

/** The resolvers of all containers that need one. */
export class NameService {
  readonly #directory: Directory;
  readonly #served = new Map<string, Promise<void>>();
  readonly #host = hostUpstreams();

  constructor(readonly containers: Containers, readonly report: Report) {
    this.#directory = new Directory(containers);
  }

  /** How many containers have one. */
  get size(): number {
    return this.#served.size;
  }

  /** Resolves when another container has ended. */
  get someEnd(): Promise<void> {
    return Promise.race(this.#served.values());
  }

  /** Serves those that are not served yet. */
  look(): void {
    for (const id of this.containers.active()) {
      if (this.#served.has(id)) continue;
      const networks = networksOf(this.containers, id), running = this.containers.running(id);
      if (!networks || !hasNames(networks) || running?.status !== "running") continue;
      const done = this.#serve(id)
        .catch((error) => this.report(`the names of container ${id.slice(0, SHORT_ID)}: ${(error as Error).message}`))
        .finally(() => this.#served.delete(id));
      this.#served.set(id, done);
    }
  }

  /** Until the container has ended. */
  async #serve(id: string): Promise<void> {
    const running = this.containers.running(id), record = this.containers.record(id);
    const process = running ? openProcess(running) : undefined;
    if (process === undefined || !record) return;
    try {
      const { names } = record.config;
      const sockets = takeResolver(this.containers, id, running!.pid, names);
      const isInternal = () => networksOf(this.containers, id)?.endpoints.every(({ internal }) => internal) ?? true;
      const upstreams = upstreamsOf(names, this.#host);
      // What leads nowhere must not get messages out by way of names either.
      const server = new ResolverServer(sockets, this.#directory.for(id), () => isInternal() ? [] : upstreams());
      await readable(process);
      await server.close();
    } finally {
      close(process);
    }
  }
}
