/** Our firewall tables made again, with everything that belongs in them, and whatever does not belong there taken out. */
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { contains, ipFromBytes, parseSubnet } from "./address.ts";
import { findLink } from "./bridge.ts";
import { familiesOf, type Firewall } from "./firewall.ts";
import { portLeases } from "./port_leases.ts";
import type { Network, NetworkStore } from "./store.ts";

/** The networks that have a bridge now. */
function bridged(store: NetworkStore): Network[] {
  using netlink = Netlink.open(NETLINK_ROUTE);
  return store.list().filter(({ driver, bridge }) => driver === "bridge" && findLink(netlink, bridge!));
}

/** Puts every network that has a bridge, and every port that somebody has, into our tables. */
export function restoreTables(store: NetworkStore, firewall: Firewall): void {
  const networks = bridged(store);
  if (networks.length === 0) return;
  firewall.makeTables([...new Set(networks.flatMap(familiesOf))]);
  for (const network of networks) firewall.addNetwork(network);
  firewall.publish(portLeases(store));
}

/** Does so if something of it is missing: somebody has removed our tables. Gives whether it was. */
export function mendTables(store: NetworkStore, firewall: Firewall): boolean {
  if (bridged(store).every((network) => firewall.knows(network))) return false;
  restoreTables(store, firewall);
  return true;
}

/** Withdraws published ports that lead into our networks and that nobody has. Gives their number. */
export function withdrawStale(store: NetworkStore, firewall: Firewall): number {
  const subnets = store.list().flatMap(({ subnets }) => subnets.map(({ subnet }) => parseSubnet(subnet, "subnet")));
  const isOurs = (ip: Uint8Array) => subnets.some((subnet) => contains(subnet, ipFromBytes(ip)));
  return firewall.withdrawOthers(isOurs, portLeases(store));
}
