/** A container's networks while it is started and while it runs. Loaded only for containers that have some. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { userEnvironment } from "../ffi/self.ts";
import { parseIp, parseMac } from "../network/address.ts";
import { loadNetworkConfig } from "../network/config.ts";
import { closeSockets, type ResolverSockets } from "../network/dns/server.ts";
import { type NetworkContext, release, reserve } from "../network/container.ts";
import type { ContainerNetworks, EndpointWish } from "../network/endpoints.ts";
import { defaultNetwork } from "../network/manage.ts";
import type { PortWish } from "../network/ports.ts";
import { DEFAULT_NETWORK, NetworkStore } from "../network/store.ts";
import type { ConfigureNetwork } from "../runtime/handshake.ts";
import { type Containers, writeFile } from "./containers.ts";
import { setHosts, setResolver } from "./etc.ts";
import { wakeMonitor } from "./monitor/wake.ts";
import { offerResolver, ownResolverFile, plainResolverFile, untilServed } from "./resolver.ts";
import { hasNames } from "./network_names.ts";
import type { NetworkAttachment } from "./network_options.ts";
import { networkFile } from "./network_view.ts";
import type { ContainerConfig, ContainerRecord } from "./record.ts";

/** What has to be known of the surroundings of networks. */
export function networkContext(containers: Containers, note: (sentence: string) => void): NetworkContext {
  return {
    store: new NetworkStore(containers.root, containers.state),
    config: loadNetworkConfig(userEnvironment().MINI_CONFIG),
    isAlive: isAlive(containers),
    note,
  };
}

/** A container is gone when nothing of it is in the folder of what runs. */
export function isAlive(containers: Containers): (id: string) => boolean {
  return (id) => {
    try {
      Deno.lstatSync(containers.stateFolder(id));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  };
}

/** Networks that are ready for a container that is being started. */
export interface PreparedNetworks {
  readonly configure: ConfigureNetwork;
  /** Has the monitor answer for names, and resolves when it does. Undefined where nothing is to be answered. */
  readonly served: (() => Promise<void>) | undefined;
  /** Closes what is open here. */
  close(): void;
  /** Gives all back. */
  release(): void;
}

/** What a container asks of a network, with the network as it is now. @throws {MiniError} when there is none of that name. */
export function wish(context: NetworkContext, { name, ip, ip6, mac, aliases }: NetworkAttachment): EndpointWish {
  const network = name === DEFAULT_NETWORK ? defaultNetwork(context) : context.store.get(name);
  return {
    network,
    ip: ip === undefined ? undefined : parseIp(ip),
    ip6: ip6 === undefined ? undefined : parseIp(ip6),
    mac: mac === undefined ? undefined : parseMac(mac),
    aliases: aliases ?? [],
  };
}

/** The ports that are to be published, with `-P` all that are exposed as well. */
export function wishedPorts({ publish = [], publishAll, exposed = [] }: ContainerConfig): PortWish[] {
  if (!publishAll) return [...publish];
  const asked = new Set(publish.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  const rest = exposed.filter((port) => !asked.has(port)).map((port): PortWish => {
    const [number, protocol] = port.split("/") as [string, PortWish["protocol"]];
    return { containerPort: Number(number), protocol };
  });
  return [...publish, ...rest];
}

/**
 * Takes addresses and ports for a container that is about to be started, and makes the bridges that it needs.
 *
 * @throws {MiniError} with status 125 for what cannot be had; nothing is left behind then.
 */
export function prepareNetworks(
  containers: Containers,
  record: ContainerRecord,
  note: (sentence: string) => void,
): PreparedNetworks {
  const { id, config } = record, context = networkContext(containers, note);
  const write = (networks: ContainerNetworks) => writeNetworks(containers, id, networks);
  const request = {
    endpoints: (config.networks ?? []).map((attachment) => wish(context, attachment)),
    ports: wishedPorts(config),
  };
  const reserved = explained(() => reserve(context, id, request, write));
  const named = hasNames(reserved.networks), folder = containers.folder(id);
  let resolver: ResolverSockets | undefined, open = true;
  const close = () => {
    if (open) reserved[Symbol.dispose]();
    open = false;
    if (resolver) closeSockets(resolver);
    resolver = undefined;
  };
  try {
    setHosts(folder, config.hostname, reserved.networks.endpoints, config.names);
    setResolver(folder, named ? ownResolverFile(config.names) : plainResolverFile(config.names));
  } catch (error) {
    close();
    release(context.store, id, reserved.networks);
    throw error;
  }
  return {
    configure: (pid, socket) =>
      explained(() => {
        reserved.configure(pid, socket);
        if (named) resolver = offerResolver(containers, id, pid);
      }),
    served: named ? () => served(containers, id) : undefined,
    close,
    release: () => {
      close();
      release(context.store, id, reserved.networks);
    },
  };
}

async function served(containers: Containers, id: string): Promise<void> {
  wakeMonitor(containers);
  await untilServed(containers, id);
}

/** What the kernel refuses is told as one sentence, as all else that keeps a container from being started. */
function explained<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof MiniError) throw new MiniError(error.message, 125, { cause: error.cause });
    if (!(error instanceof SyscallError)) throw error;
    throw new MiniError(`the container's network cannot be set up: ${error.message}`, 125, { cause: error });
  }
}

/** Writes down what a container has of networks. */
export function writeNetworks(containers: Containers, id: string, networks: ContainerNetworks): void {
  writeFile(networkFile(containers, id), JSON.stringify(networks));
}
