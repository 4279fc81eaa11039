/** The interfaces of a container: made on the host, configured inside. */
import { AF_INET, AF_INET6 } from "../ffi/constants.ts";
import { Errno, MiniError } from "../ffi/errors.ts";
import type { Netlink } from "../ffi/netlink.ts";
import type { Message } from "../ffi/netlink_message.ts";
import {
  addAddress,
  addRoute,
  deleteLink,
  hairpin,
  type IPVLAN_MODES,
  type LinkOptions,
  linkUp,
  listLinks,
  type MACVLAN_MODES,
  type Namespace,
  newIpvlan,
  newMacvlan,
  newVeth,
  noLinkLocal,
  readLink,
} from "../ffi/netlink_route.ts";
import { ipBytes, parseIp, parseMac } from "./address.ts";
import { bridgesCallFirewalls } from "./host.ts";
import { explainLink, findLink } from "./bridge.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Network } from "./store.ts";

/**
 * Makes a container's interface in its network namespace, and puts the other end where it belongs.
 *
 * @param netlink of the host. @param bridge the index of the network's bridge, if it is one.
 * @throws {MiniError} when the kernel has no such interfaces, or the parent is not there.
 */
export function plugIn(
  netlink: Netlink,
  network: Network,
  endpoint: Endpoint,
  namespace: Namespace,
  bridge: number | undefined,
): void {
  const { hostInterface } = endpoint;
  const inside: LinkOptions = {
    name: endpoint.interface,
    mac: endpoint.mac === undefined ? undefined : parseMac(endpoint.mac),
    mtu: network.mtu,
    namespace,
  };
  const message = network.driver === "bridge"
    ? newVeth({ name: hostInterface!, master: bridge, mtu: network.mtu, up: true }, inside)
    : onParent(netlink, network, inside);
  const messages = [
    message,
    ...hostInterface !== undefined && bridgesCallFirewalls() ? [hairpin(hostInterface)] : [],
  ];
  let [failure, second] = netlink.attempt(messages);
  if (failure?.errno === Errno.EEXIST && hostInterface !== undefined) {
    // The one that it had when it ran before: the kernel takes a namespace apart by and by.
    netlink.attempt([deleteLink(hostInterface)]);
    [failure, second] = netlink.attempt(messages);
  }
  failure ??= second;
  if (failure) throw explainLink(failure, `connect a container to the network ${network.name}`);
}

function onParent(netlink: Netlink, { name, driver, parent, mode }: Network, inside: LinkOptions): Message {
  const link = findLink(netlink, parent!);
  if (!link) throw new MiniError(`the network ${name} lies on the interface ${parent}, and there is none of that name`);
  return driver === "macvlan"
    ? newMacvlan(inside, link.index, (mode ?? "bridge") as keyof typeof MACVLAN_MODES)
    : newIpvlan(inside, link.index, (mode ?? "l2") as keyof typeof IPVLAN_MODES);
}

/** Which of a container's default routes lead by this place. */
export interface Routes {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/**
 * Gives a container's interface its addresses and routes, and brings it up.
 *
 * @param netlink a socket of the container's network namespace. @throws {NetlinkError}
 */
export function configure(netlink: Netlink, endpoint: Endpoint, routes: Routes): void {
  const link = findLink(netlink, endpoint.interface), { ipv4, ipv6 } = endpoint;
  if (!link) throw new MiniError(`the interface ${endpoint.interface} was removed while it was being set up`);
  netlink.request(
    ...ipv6 ? [] : [noLinkLocal(link.index, endpoint.interface)],
    ...ipv4 ? [addAddress(link.index, ipBytes(parseIp(ipv4.ip)!), ipv4.prefix)] : [],
    ...ipv6 ? [addAddress(link.index, ipBytes(parseIp(ipv6.ip)!), ipv6.prefix)] : [],
    linkUp(link.index, endpoint.interface),
    ...routeMessages(link.index, endpoint, routes),
  );
}

/** The default routes by a place in a network. */
function routeMessages(index: number, { ipv4, ipv6 }: Endpoint, routes: Routes): Message[] {
  const route = (gateway: string | undefined, family: number) =>
    addRoute(index, gateway === undefined ? undefined : ipBytes(parseIp(gateway)!), undefined, family);
  return [
    ...routes.ipv4 && ipv4 ? [route(ipv4.gateway, AF_INET)] : [],
    ...routes.ipv6 && ipv6 ? [route(ipv6.gateway, AF_INET6)] : [],
  ];
}

/** Adds default routes by a place that a container has already. */
export function addRoutes(netlink: Netlink, endpoint: Endpoint, routes: Routes): void {
  const link = findLink(netlink, endpoint.interface);
  if (link) netlink.request(...routeMessages(link.index, endpoint, routes));
}

/** Removes a container's interface. @param netlink a socket of the container's network namespace. */
export function unplug(netlink: Netlink, endpoint: Endpoint): void {
  const [failure] = netlink.attempt([deleteLink(endpoint.interface)]);
  if (failure && failure.errno !== Errno.ENODEV) throw failure;
}

/**
 * Removes cables of containers that are gone. The kernel does so with their namespaces, but not at once, and until then an address
 * has two owners.
 *
 * @returns their names.
 */
export function removeStaleCables(netlink: Netlink, isAlive: (idBegin: string) => boolean, bridge?: number): string[] {
  const stale = netlink.dump(listLinks()).map(readLink).filter(({ name, kind, master }) =>
    kind === "veth" && /^mv[0-9a-f]{12}[0-9a-z]$/.test(name) && (bridge === undefined || master === bridge) &&
    !isAlive(name.slice(2, 14))
  ).map(({ name }) => name);
  return stale.filter((name) => netlink.attempt([deleteLink(name)])[0] === undefined);
}
