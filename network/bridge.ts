/** The bridge of a network: made when a container needs it, and removed with the network. */
import { Errno, MiniError } from "../ffi/errors.ts";
import type { Netlink, NetlinkError } from "../ffi/netlink.ts";
import { addAddress, deleteLink, getLink, type Link, linkUp, newBridge, readLink } from "../ffi/netlink_route.ts";
import { formatIp, ipBytes, ipFromBytes, macFor, parseIp, parseSubnet } from "./address.ts";
import { familiesOf, type Firewall, TablesMissing } from "./firewall.ts";
import { enableForwarding, forwards, hasIpv6, setNetSysctl } from "./host.ts";
import type { Network } from "./store.ts";

/** The link of a name; undefined if there is none. */
export function findLink(netlink: Netlink, name: string): Link | undefined {
  const answer = netlink.get(getLink(name));
  return answer && readLink(answer);
}

/** The gateways of a network's subnets with their prefixes: the bridge's own addresses. */
function gateways(network: Network): { ip: Uint8Array; prefix: number }[] {
  return network.subnets.flatMap(({ subnet, gateway }) =>
    gateway ? [{ ip: ipBytes(parseIp(gateway)!), prefix: parseSubnet(subnet, "subnet").prefix }] : []
  );
}

/**
 * Makes sure that a network's bridge is there, with its addresses and its place in the firewall. Any number of commands may do so
 * at the same time.
 *
 * @param restore makes our tables again with all that belongs in them.
 * @param note is told what was changed of the host's settings.
 * @returns the bridge's index. @throws {MiniError}
 */
export function ensureBridge(
  netlink: Netlink,
  firewall: Firewall,
  network: Network,
  restore: () => void,
  note: (sentence: string) => void,
): number {
  const name = network.bridge!, found = findLink(netlink, name);
  if (found && found.kind !== "bridge") {
    throw new MiniError(
      `the network ${network.name} needs a bridge called ${name}, and there is another interface of that name`,
    );
  }
  // The firewall comes last, so that a bridge that it knows is complete.
  if (found?.up && firewall.knows(network)) {
    // Somebody may have switched it off since: sysctl --system does where a file says so.
    if (!network.internal && !forwards(network.ipv6)) enableForwarding(network.ipv6).forEach(note);
    return found.index;
  }
  if (network.ipv6 && !hasIpv6()) {
    throw new MiniError(`the network ${network.name} has IPv6, which this host has not, or has switched off`);
  }
  const [first] = gateways(network);
  if (!found) {
    // An address of its own: otherwise a bridge takes the lowest of its ports', which come and go.
    const mac = first && macFor(parseIp(network.subnets[0]!.gateway!)!);
    attempt(netlink, "make the bridge", newBridge({ name, mac, mtu: network.mtu }));
  }
  const link = findLink(netlink, name);
  if (!link) throw new MiniError(`the bridge ${name} was removed while the network ${network.name} was being set up`);
  // Where they have been removed since, there may be others' ports to put back.
  if (firewall.makeTables(familiesOf(network))) restore();
  mendBridge(netlink, network, link);
  if (!network.internal) enableForwarding(network.ipv6).forEach(note);
  withTables(restore, () => firewall.addNetwork(network));
  return link.index;
}

/**
 * Gives a network's bridge what it needs: its addresses, ports at 127.0.0.1, and that it is up. Our tables must be there: see
 * `guard`.
 *
 * @returns what of it was missing, each a few words. @throws {MiniError} @throws {NetlinkError}
 */
export function mendBridge(netlink: Netlink, network: Network, { index, name, up }: Link): string[] {
  const missing = gateways(network).filter(({ ip, prefix }) =>
    attempt(netlink, "give the bridge its address", addAddress(index, ip, prefix))
  ).map(({ ip }) => `the address ${formatIp(ipFromBytes(ip))} of ${name}`);
  if (!up) netlink.request(linkUp(index, name));
  // What is published at 127.0.0.1 leaves by the bridge with that source, and is answered to it. The firewall's `guard` sees to
  // it that nobody else gets at what listens there.
  const localnet = setNetSysctl(`ipv4/conf/${name}/route_localnet`, "1");
  return [...missing, ...up ? [] : [`${name}, which was down`], ...localnet ? [`route_localnet of ${name}`] : []];
}

/** Does something in our tables; where they have been removed meanwhile, makes them again and does it once more. */
export function withTables(restore: () => void, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof TablesMissing)) throw error;
    restore();
    body();
  }
}

/** Whether something was made; false if it is there already. */
function attempt(netlink: Netlink, what: string, message: ReturnType<typeof newBridge>): boolean {
  const [failure] = netlink.attempt([message]);
  if (failure && failure.errno !== Errno.EEXIST) throw explainLink(failure, what);
  return failure === undefined;
}

/** What to say when a link cannot be made. */
export function explainLink(failure: NetlinkError, what: string): Error {
  if (failure.errno === Errno.EPERM) {
    return new MiniError(
      `mini cannot ${what}: it may not change the network here, because it has no CAP_NET_ADMIN; --network host still works`,
    );
  }
  if (failure.errno === Errno.EOPNOTSUPP) {
    return new MiniError(`this kernel has no such interfaces (${failure.message}); --network none and host still work`);
  }
  return failure;
}

/** Removes a network's bridge and forgets it in the firewall. Nothing happens if it is gone. */
export function removeBridge(netlink: Netlink, firewall: Firewall, network: Network): void {
  firewall.removeNetwork(network);
  const [failure] = netlink.attempt([deleteLink(network.bridge!)]);
  if (failure && failure.errno !== Errno.ENODEV) throw failure;
}
