/** A container's place in a network: what it is given, before there is a container, and what is given back. */
import { MiniError } from "../ffi/errors.ts";
import { formatIp, formatMac, type Ip, macFor, parseIp, parseSubnet } from "./address.ts";
import type { Redirection } from "./firewall.ts";
import { freeAddress, type IsAlive, leaseAddress } from "./leases.ts";
import { freePort } from "./port_leases.ts";
import { DEFAULT_NETWORK, type Driver, type Network, type NetworkStore } from "./store.ts";

/** An address of a container. */
export interface EndpointAddress {
  readonly ip: string;
  /** Bits of its subnet. */
  readonly prefix: number;
  /** Absent in networks that lead nowhere. */
  readonly gateway?: string;
}

/** A container's place in a network. */
export interface Endpoint {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly networkId: string;
  readonly network: string;
  readonly driver: Driver;
  readonly internal: boolean;
  /** The container's interface, `eth0`. */
  readonly interface: string;
  /** The other end of the cable, on the host; not with macvlan and ipvlan. */
  readonly hostInterface?: string;
  /** Absent where the driver has no hardware address of its own: ipvlan. */
  readonly mac?: string;
  readonly ipv4?: EndpointAddress;
  readonly ipv6?: EndpointAddress;
  readonly aliases: readonly string[];
}

/** All that a container has of networks: `STATE/containers/ID/network.json`. */
export interface ContainerNetworks {
  readonly version: 1;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly Redirection[];
  /** Ids of the networks in which it is just being given addresses that are not listed yet. */
  readonly incomplete?: readonly string[];
}

/** What a container asks of a network. */
export interface EndpointWish {
  readonly network: Network;
  readonly ip?: Ip | undefined;
  readonly ip6?: Ip | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly aliases: readonly string[];
}

/** Names of a container's cable on the host: 15 bytes at most, of which 12 are the container's. */
export const hostInterfaceName = (id: string, index: number) => `mv${id.slice(0, 12)}${index.toString(36)}`;

/** The longest number of interfaces of one container, given by the one letter in their names. */
const MOST_ENDPOINTS = 36;

/**
 * Gives a container its addresses in a network.
 *
 * @param others the places that it has already. @throws {MiniError} when an address that it wants cannot be had; then it has none.
 */
export function leaseEndpoint(
  store: NetworkStore,
  container: string,
  wish: EndpointWish,
  others: readonly Pick<Endpoint, "interface">[],
  isAlive: IsAlive,
): Endpoint {
  const { network } = wish, taken = new Set(others.map((endpoint) => endpoint.interface));
  const index = Array.from({ length: MOST_ENDPOINTS }, (_, i) => i).find((i) => !taken.has(`eth${i}`));
  if (index === undefined) {
    throw new MiniError(`a container can be in ${MOST_ENDPOINTS} networks, and this one is already`);
  }
  checkWish(wish);
  const leased: string[] = [];
  const give = (version: 4 | 6, wanted: Ip | undefined): EndpointAddress | undefined => {
    const subnet = network.subnets.find((one) => parseSubnet(one.subnet, "subnet").version === version);
    if (!subnet) return undefined;
    const ip = formatIp(leaseAddress(store, network, subnet, container, isAlive, wanted));
    leased.push(ip);
    const { prefix } = parseSubnet(subnet.subnet, "subnet");
    return { ip, prefix, ...subnet.gateway === undefined ? {} : { gateway: subnet.gateway } };
  };
  try {
    const ipv4 = give(4, wish.ip), ipv6 = give(6, wish.ip6), first = parseIp((ipv4 ?? ipv6)?.ip ?? "");
    const mac = wish.mac ?? (network.driver === "ipvlan" || !first ? undefined : macFor(first));
    return {
      id: randomId(),
      networkId: network.id,
      network: network.name,
      driver: network.driver,
      internal: network.internal,
      interface: `eth${index}`,
      ...network.driver === "bridge" ? { hostInterface: hostInterfaceName(container, index) } : {},
      ...mac ? { mac: formatMac(mac) } : {},
      ...ipv4 ? { ipv4 } : {},
      ...ipv6 ? { ipv6 } : {},
      aliases: wish.aliases,
    };
  } catch (error) {
    for (const address of leased) freeAddress(store, network.id, address, container);
    throw error;
  }
}

function checkWish({ network, ip, ip6, mac }: EndpointWish): void {
  const versions = network.subnets.map(({ subnet }) => parseSubnet(subnet, "subnet").version);
  if (ip && network.name === DEFAULT_NETWORK) {
    throw new MiniError(
      `--ip needs a network of your own, since the addresses of ${network.name} are mini's to give: see 'mini network create'`,
    );
  }
  if (ip && !versions.includes(4)) throw new MiniError(`--ip ${formatIp(ip)}: the network ${network.name} has no IPv4`);
  if (ip6 && !versions.includes(6)) {
    throw new MiniError(`--ip6 ${formatIp(ip6)}: the network ${network.name} has no IPv6; make one with --ipv6`);
  }
  if (mac && network.driver === "ipvlan") {
    throw new MiniError(`--mac-address: the containers of the ipvlan network ${network.name} have their parent's`);
  }
}

/** 64 hexadecimal digits. */
export const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Gives a place back. May be done again. */
export function freeEndpoint(store: NetworkStore, container: string, endpoint: Endpoint): void {
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (address) freeAddress(store, endpoint.networkId, address.ip, container);
  }
}

/** Gives everything back that a container has of networks, but for what is in the firewall. May be done again. */
export function freeAll(store: NetworkStore, container: string, { endpoints, ports }: ContainerNetworks): void {
  for (const port of ports) freePort(store, port, container);
  for (const endpoint of endpoints) freeEndpoint(store, container, endpoint);
}

/** The place whose gateway is the container's way to everything else. */
export const defaultRoute = (endpoints: readonly Endpoint[], version: 4 | 6): Endpoint | undefined =>
  endpoints.find((endpoint) => !endpoint.internal && leadsOut(endpoint, version));

const leadsOut = ({ driver, ipv4, ipv6 }: Endpoint, version: 4 | 6) => {
  const address = version === 4 ? ipv4 : ipv6;
  return address !== undefined && (address.gateway !== undefined || driver === "ipvlan");
};
