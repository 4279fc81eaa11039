/** What `system check` does about networks: clears what is nobody's, makes again what is missing, and tells what is in the way. */
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { removeStaleCables } from "../network/attach.ts";
import { findLink, mendBridge } from "../network/bridge.ts";
import { isAlivePrefix, type NetworkContext } from "../network/container.ts";
import { Firewall } from "../network/firewall.ts";
import { enableForwarding } from "../network/host.ts";
import { sweepLeases } from "../network/leases.ts";
import { foreignDrops } from "../network/other_firewalls.ts";
import { sweepPorts } from "../network/port_leases.ts";
import { mendTables, withdrawStale } from "../network/restore.ts";
import type { Network } from "../network/store.ts";
import type { Containers } from "./containers.ts";
import { networkContext } from "./network.ts";

/** What was found. */
export interface NetworkCheck {
  /** What was cleared, each a few words. */
  readonly cleared: readonly string[];
  /** What was missing and is made again. */
  readonly restored: readonly string[];
  /** What is to be known or done by a person, each a sentence. */
  readonly warnings: readonly string[];
}

/** Looks at all networks. Nothing is loaded or done where there never was one. */
export function checkNetworks(containers: Containers): NetworkCheck {
  const warnings: string[] = [], context = networkContext(containers, (sentence) => warnings.push(sentence));
  const { store, isAlive } = context, networks = store.list();
  const addresses = networks.flatMap((network) => sweepLeases(store, network.id, isAlive));
  const ports = sweepPorts(store, isAlive);
  const restored: string[] = [],
    cleared = [
      ...addresses.map((address) => `the address ${address}`),
      ...ports.map(({ protocol, hostPort }) => `the port ${hostPort}/${protocol}`),
    ];
  // An ordinary user has nothing in the kernel that would be left.
  if (ownNamespace()) return { cleared, restored, warnings };
  try {
    checkKernel(context, networks, cleared, restored);
    if (networks.some(({ driver }) => driver === "bridge")) warnings.push(...foreignDrops());
  } catch (error) {
    if (!(error instanceof MiniError || error instanceof SyscallError)) throw error;
    warnings.push(`networks cannot be looked at: ${error.message}`);
  }
  return { cleared, restored, warnings };
}

function checkKernel(
  context: NetworkContext,
  networks: readonly Network[],
  cleared: string[],
  restored: string[],
): void {
  const { store } = context;
  using netlink = Netlink.open(NETLINK_ROUTE);
  const bridged: Network[] = [], mends: (() => string[])[] = [];
  for (const network of networks) {
    const bridge = network.driver === "bridge" ? findLink(netlink, network.bridge!) : undefined;
    if (bridge?.kind !== "bridge") continue;
    bridged.push(network);
    const stale = removeStaleCables(netlink, isAlivePrefix(context), bridge.index);
    cleared.push(...stale.map((name) => `the interface ${name}`));
    mends.push(() => mendBridge(netlink, network, bridge));
  }
  if (bridged.length === 0) return;
  using firewall = new Firewall();
  if (mendTables(store, firewall)) restored.push("the firewall table mini");
  restored.push(...mends.flatMap((mend) => mend()));
  const leading = bridged.filter(({ internal }) => !internal);
  if (leading.length > 0) enableForwarding(leading.some(({ ipv6 }) => ipv6)).forEach(context.note);
  const stale = withdrawStale(store, firewall);
  if (stale > 0) cleared.push(`${stale} published ports of nobody`);
}
