/** Networks made and removed. */
import { MiniError } from "../ffi/errors.ts";
import { Netlink, NETLINK_ROUTE } from "../ffi/netlink.ts";
import { IPVLAN_MODES, listLinks, MACVLAN_MODES, readLink } from "../ffi/netlink_route.ts";
import {
  contains,
  formatIp,
  formatSubnet,
  type Ip,
  isHost,
  overlap,
  parseIp,
  parseSubnet,
  type Subnet,
} from "./address.ts";
import { findLink, removeBridge } from "./bridge.ts";
import type { NetworkConfig } from "./config.ts";
import { randomId } from "./endpoints.ts";
import { Firewall } from "./firewall.ts";
import { type IsAlive, leasesOf, sweepLeases } from "./leases.ts";
import {
  checkNetworkName,
  DEFAULT_NETWORK,
  type Driver,
  type Network,
  NETWORK_VERSION,
  type NetworkStore,
  type NetworkSubnet,
} from "./store.ts";
import { freeSubnet, hostSubnets, randomUla } from "./subnets.ts";

/** What is asked of a new network, as people write it. */
export interface CreateNetwork {
  readonly name: string;
  readonly driver: Driver;
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ipRanges: readonly string[];
  /** Addresses that are somebody else's, by name. */
  readonly auxAddresses: Readonly<Record<string, string>>;
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** Docker's names of the options that there are, and short ones, by what they mean here. */
const OPTIONS: Readonly<
  Record<Driver, Readonly<Record<string, "name" | "masquerade" | "publish" | "mtu" | "parent" | "mode">>>
> = {
  bridge: {
    "com.docker.network.bridge.name": "name",
    "com.docker.network.bridge.enable_ip_masquerade": "masquerade",
    "com.docker.network.bridge.host_binding_ipv4": "publish",
    "com.docker.network.driver.mtu": "mtu",
    mtu: "mtu",
  },
  macvlan: { parent: "parent", macvlan_mode: "mode", mode: "mode", "com.docker.network.driver.mtu": "mtu", mtu: "mtu" },
  ipvlan: { parent: "parent", ipvlan_mode: "mode", mode: "mode", "com.docker.network.driver.mtu": "mtu", mtu: "mtu" },
};

type Settings = Partial<Record<"name" | "masquerade" | "publish" | "mtu" | "parent" | "mode", string>>;

function readOptions(driver: Driver, options: Readonly<Record<string, string>>): Settings {
  const settings: Settings = {};
  for (const [key, value] of Object.entries(options)) {
    const meaning = Object.hasOwn(OPTIONS[driver], key) ? OPTIONS[driver][key] : undefined;
    if (!meaning) {
      throw new MiniError(
        `--opt ${key}: ${driver} networks have no such option; they have ${Object.keys(OPTIONS[driver]).join(", ")}`,
      );
    }
    settings[meaning] = value;
  }
  const { masquerade, publish, mtu, name, mode } = settings;
  const refuse = (what: string) => new MiniError(`--opt: ${what}`);
  if (masquerade !== undefined && masquerade !== "true" && masquerade !== "false") {
    throw refuse("enable_ip_masquerade is true or false");
  }
  if (publish !== undefined && parseIp(publish)?.version !== 4) {
    throw refuse(`${publish} is no IPv4 address to publish ports at`);
  }
  if (mtu !== undefined && !(/^\d{1,5}$/.test(mtu) && Number(mtu) >= 68 && Number(mtu) <= 65535)) {
    throw refuse(`the mtu is a number from 68 to 65535, and not ${mtu}`);
  }
  if (name !== undefined) checkInterfaceName(name);
  const modes = driver === "macvlan" ? Object.keys(MACVLAN_MODES) : Object.keys(IPVLAN_MODES);
  if (mode !== undefined && !modes.includes(mode)) {
    throw refuse(`the mode of ${driver} is one of ${modes.join(", ")}, not ${mode}`);
  }
  return settings;
}

/** dev_valid_name() of the kernel. */
function checkInterfaceName(name: string): void {
  if (!/^[^\s/:]{1,15}$/.test(name) || name === "." || name === "..") {
    throw new MiniError(`${JSON.stringify(name)} is no name of an interface: 15 characters at most, no space, / or :`);
  }
}

/** What has to be known to make a network. */
export interface ManageContext {
  readonly store: NetworkStore;
  readonly config: NetworkConfig;
  readonly isAlive: IsAlive;
}

/**
 * Makes a network. Its bridge is made when the first container needs it.
 *
 * @throws {MiniError} for what cannot be.
 */
export function createNetwork(context: ManageContext, asked: CreateNetwork): Network {
  checkNetworkName(asked.name);
  const settings = readOptions(asked.driver, asked.options);
  return context.store.locked(true, () => {
    if (context.store.read(asked.name)) throw new MiniError(`network with name ${asked.name} already exists`);
    return make(context, asked, settings);
  });
}

/** The network that containers are in of which nobody says where; made when it is first needed. */
export function defaultNetwork(context: ManageContext): Network {
  const found = context.store.read(DEFAULT_NETWORK);
  if (found) return found;
  return context.store.locked(true, () => {
    const meanwhile = context.store.read(DEFAULT_NETWORK);
    if (meanwhile) return meanwhile;
    using netlink = Netlink.open(NETLINK_ROUTE);
    // Another mini, with folders of its own, may have the first one.
    const taken = new Set(netlink.dump(listLinks()).map(readLink).map(({ name }) => name));
    const name = Array.from({ length: 100 }, (_, i) => `mini${i}`).find((name) => !taken.has(name)) ?? "mini0";
    const asked = { subnets: [], gateways: [], ipRanges: [], auxAddresses: {}, labels: {}, options: {} };
    return make(context, { ...asked, name: DEFAULT_NETWORK, driver: "bridge", internal: false, ipv6: false }, { name });
  });
}

function make({ store, config }: ManageContext, asked: CreateNetwork, settings: Settings): Network {
  const { driver, internal } = asked, id = randomId();
  using netlink = Netlink.open(NETLINK_ROUTE);
  if (driver !== "bridge") checkParent(netlink, driver, settings.parent);
  const bridge = driver === "bridge" ? settings.name ?? `mini-${id.slice(0, 10)}` : undefined;
  const others = store.list();
  const twin = others.find((other) => bridge !== undefined && other.bridge === bridge);
  if (twin) throw new MiniError(`the network ${twin.name} has the bridge ${bridge} already`);
  if (settings.name !== undefined && findLink(netlink, settings.name)) {
    throw new MiniError(`there is an interface ${settings.name} on this host already: give the bridge another name`);
  }
  const mode = driver === "bridge" ? undefined : settings.mode ?? (driver === "macvlan" ? "bridge" : "l2");
  // In the third layer the parent routes, and nobody has to be asked where a gateway is.
  const needsGateway = !(driver === "ipvlan" && mode !== "l2");
  const subnets = chooseSubnets(netlink, config, asked, others, needsGateway);
  const network: Network = {
    version: NETWORK_VERSION,
    id,
    name: asked.name,
    driver,
    created: new Date().toISOString(),
    internal,
    ipv6: subnets.some(({ subnet }) => parseSubnet(subnet, "subnet").version === 6),
    subnets,
    labels: asked.labels,
    options: asked.options,
    ...bridge === undefined ? {} : { bridge },
    ...mode === undefined ? {} : { parent: settings.parent!, mode },
    ...settings.mtu === undefined ? {} : { mtu: Number(settings.mtu) },
    masquerade: settings.masquerade !== "false",
    ...settings.publish === undefined ? {} : { publishAddress: formatIp(parseIp(settings.publish)!) },
  };
  store.write(network);
  return network;
}

function checkParent(netlink: Netlink, driver: Driver, parent: string | undefined): void {
  if (parent === undefined) {
    throw new MiniError(`a ${driver} network lies on an interface of this host: name it, as --opt parent=eth0`);
  }
  checkInterfaceName(parent);
  if (!findLink(netlink, parent)) throw new MiniError(`--opt parent: there is no interface ${parent} on this host`);
}

const list = (networks: readonly Network[]) =>
  networks.flatMap((network) =>
    network.subnets.map(({ subnet }) => ({ network, subnet: parseSubnet(subnet, "subnet") }))
  );

function chooseSubnets(
  netlink: Netlink,
  config: NetworkConfig,
  asked: CreateNetwork,
  others: readonly Network[],
  needsGateway: boolean,
): NetworkSubnet[] {
  const given = asked.subnets.map((text) => parseSubnet(text, "--subnet"));
  const twice = given.find((subnet, i) => given.slice(0, i).some((other) => other.version === subnet.version));
  if (twice) {
    throw new MiniError(`a network has one subnet of each version of IP, and ${formatSubnet(twice)} is a second one`);
  }
  const used = list(others);
  // Networks on an interface of the host share its subnet; bridges must not.
  const host = asked.driver === "bridge" ? hostSubnets(netlink) : [];
  for (const subnet of given) {
    const clash = used.find((other) => overlap(other.subnet, subnet));
    if (clash && !(asked.driver !== "bridge" && clash.network.driver !== "bridge")) {
      throw new MiniError(
        `--subnet ${formatSubnet(subnet)} overlaps ${formatSubnet(clash.subnet)} of the network ${clash.network.name}`,
      );
    }
    const route = host.find((other) => overlap(other, subnet));
    if (route) {
      throw new MiniError(
        `--subnet ${formatSubnet(subnet)} overlaps ${formatSubnet(route)}, which this host reaches already`,
      );
    }
  }
  const taken = [...used.map(({ subnet }) => subnet), ...host, ...given];
  const subnets = [...given];
  if (!subnets.some(({ version }) => version === 4)) {
    const free = freeSubnet(config.pools, taken);
    if (!free) {
      throw new MiniError(
        "no subnet is free: give one with --subnet, or add to network.pools in /etc/mini/config.json",
      );
    }
    subnets.unshift(free);
  }
  if (asked.ipv6 && !subnets.some(({ version }) => version === 6)) subnets.push(randomUla(taken));
  const details = assign(asked, subnets);
  return subnets.map((subnet, i) => describe(subnet, details[i]!, needsGateway));
}

/** What of the gateways, ranges and reserved addresses belongs to each subnet. */
function assign(asked: CreateNetwork, subnets: readonly Subnet[]) {
  const details = subnets.map(() => ({
    gateway: undefined as Ip | undefined,
    range: undefined as Subnet | undefined,
    aux: {} as Record<string, string>,
  }));
  const place = (what: string, text: string, fits: (subnet: Subnet) => boolean) => {
    const found = details[subnets.findIndex(fits)];
    if (!found) {
      throw new MiniError(`${what} ${text} is in no subnet of the network (${subnets.map(formatSubnet).join(", ")})`);
    }
    return found;
  };
  const address = (what: string, text: string) => {
    const ip = parseIp(text);
    if (!ip) throw new MiniError(`${what} ${JSON.stringify(text)} is no address`);
    return ip;
  };
  for (const text of asked.gateways) {
    const ip = address("--gateway", text), found = place("--gateway", text, (subnet) => isHost(subnet, ip));
    if (found.gateway) throw new MiniError(`--gateway ${text} is a second one for the same subnet`);
    found.gateway = ip;
  }
  for (const text of asked.ipRanges) {
    const range = parseSubnet(text, "--ip-range");
    const found = place(
      "--ip-range",
      text,
      (subnet) => subnet.prefix <= range.prefix && contains(subnet, { version: range.version, value: range.base }),
    );
    if (found.range) throw new MiniError(`--ip-range ${text} is a second one for the same subnet`);
    found.range = range;
  }
  for (const [name, text] of Object.entries(asked.auxAddresses)) {
    const ip = address("--aux-address", text);
    place("--aux-address", text, (subnet) => contains(subnet, ip)).aux[name] = formatIp(ip);
  }
  return details;
}

function describe(
  subnet: Subnet,
  { gateway, range, aux }: ReturnType<typeof assign>[number],
  needsGateway: boolean,
): NetworkSubnet {
  const first = {
    version: subnet.version,
    value: subnet.base + (subnet.version === 4 && subnet.prefix > 30 ? 0n : 1n),
  };
  const reserved = Object.values(aux);
  const taken = gateway ?? (needsGateway ? first : undefined);
  if (needsGateway && !gateway && reserved.includes(formatIp(first))) {
    throw new MiniError(
      `--aux-address ${formatIp(first)} would be the gateway of ${formatSubnet(subnet)}: choose that with --gateway`,
    );
  }
  if (roomOf(subnet) < 2n) {
    throw new MiniError(`--subnet ${formatSubnet(subnet)} has no room for a gateway and a container`);
  }
  return {
    subnet: formatSubnet(subnet),
    ...taken ? { gateway: formatIp(taken) } : {},
    ...range ? { ipRange: formatSubnet(range) } : {},
    ...reserved.length > 0 ? { auxAddresses: aux } : {},
  };
}

/** How many addresses of a subnet can be given to somebody. */
const roomOf = ({ version, prefix }: Subnet) => {
  const bits = (version === 4 ? 32 : 128) - prefix;
  return version === 4 && bits > 1 ? (1n << BigInt(bits)) - 2n : 1n << BigInt(bits);
};

/**
 * Removes a network with its bridge.
 *
 * @throws {MiniError} when a container is in it, and for the one that is always there.
 */
export function removeNetwork({ store, isAlive }: ManageContext, name: string): Network {
  return store.locked(true, () => {
    const network = store.get(name);
    if (network.name === DEFAULT_NETWORK) {
      throw new MiniError(`the network ${network.name} is always there, and cannot be removed`);
    }
    sweepLeases(store, network.id, isAlive);
    const holders = [...new Set(leasesOf(store, network.id).map(({ holder }) => holder.slice(0, 12)))];
    if (holders.length > 0) {
      throw new MiniError(
        `the network ${network.name} has containers in it (${
          holders.join(", ")
        }): stop them, or take them out with 'mini network disconnect'`,
      );
    }
    if (network.driver === "bridge") {
      using netlink = Netlink.open(NETLINK_ROUTE);
      if (findLink(netlink, network.bridge!)) {
        using firewall = new Firewall();
        removeBridge(netlink, firewall, network);
      }
    }
    store.remove(network);
    return network;
  });
}
