/** Our firewall tables made again, with everything that belongs in them, and whatever does not belong there taken out. */
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { contains, ipFromBytes, parseSubnet } from "./address.ts";
import { findLink } from "./bridge.ts";
import { familiesOf, type Firewall } from "./firewall.ts";
import { portLeases } from "./port_leases.ts";
import type { NetworkStore } from "./store.ts";

/** Puts every network that has a bridge, and every port that somebody has, into our tables. */
export function restoreTables(store: NetworkStore, firewall: Firewall): void {
  using netlink = Netlink.open(NETLINK_ROUTE);
  const networks = store.list().filter(({ driver, bridge }) => driver === "bridge" && findLink(netlink, bridge!));
  if (networks.length === 0) return;
  firewall.makeTables([...new Set(networks.flatMap(familiesOf))]);
  for (const network of networks) firewall.addNetwork(network);
  firewall.publish(portLeases(store));
}

/** Withdraws published ports that lead into our networks and that nobody has. Gives their number. */
export function withdrawStale(store: NetworkStore, firewall: Firewall): number {
  const subnets = store.list().flatMap(({ subnets }) => subnets.map(({ subnet }) => parseSubnet(subnet, "subnet")));
  const isOurs = (ip: Uint8Array) => subnets.some((subnet) => contains(subnet, ipFromBytes(ip)));
  return firewall.withdrawOthers(isOurs, portLeases(store));
}
