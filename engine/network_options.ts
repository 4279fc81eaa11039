/** What people say about a container's networks and ports: `--network`, `--ip`, `-p` and their relatives. */
import { MiniError } from "../ffi/errors.ts";
import { userEnvironment } from "../ffi/self.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import type { PortWish } from "../network/ports.ts";
import type { ContainerConfig } from "./record.ts";
import { containerOf, isContainerMode, isOwnNetwork } from "./namespaces.ts";

/** A network that a container is to be in. */
export interface NetworkAttachment {
  name: string;
  ip?: string;
  ip6?: string;
  mac?: string;
  /** Names that it has in that network beside its own. */
  aliases?: string[];
}

/** All that is said about a container's networks. */
export interface NetworkOptions {
  /** As Docker's `HostConfig.NetworkMode`: `none`, `host`, `container:ID`, or the name of the first network. */
  readonly mode: string;
  readonly networks: readonly NetworkAttachment[];
  readonly publish: readonly PortWish[];
  readonly publishAll: boolean;
  /** `80/tcp`, of the flags; those of the image come to them. */
  readonly exposed: readonly string[];
}

/**
 * What of it is written down of a container.
 *
 * @param ofImage the ports that the image exposes: `80/tcp`, or `80`.
 */
export function networkConfig(
  { networks, publish, publishAll, exposed }: NetworkOptions,
  ofImage: readonly string[],
): Pick<ContainerConfig, "networks" | "publish" | "publishAll" | "exposed"> {
  const all = new Set([...ofImage.map((port) => port.includes("/") ? port : `${port}/tcp`), ...exposed]);
  return {
    ...networks.length > 0 ? { networks } : {},
    ...publish.length > 0 ? { publish } : {},
    ...publishAll ? { publishAll } : {},
    ...all.size > 0 ? { exposed: [...all] } : {},
  };
}

/** The flags, as they were typed. */
export interface NetworkFlags {
  /** `none`, `host`, `container:NAME`, a network, or `name=NETWORK,ip=…,alias=…`. */
  readonly networks: readonly string[];
  readonly aliases: readonly string[];
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
  readonly publish: readonly string[];
  readonly publishAll: boolean;
  readonly expose: readonly string[];
}

/** A container without any network but its own loopback. */
export const NO_NETWORK: NetworkOptions = { mode: "none", networks: [], publish: [], publishAll: false, exposed: [] };

/**
 * Reads the flags.
 *
 * @throws {MiniError} naming the flag that cannot be meant.
 */
export async function readNetworks(flags: NetworkFlags): Promise<NetworkOptions> {
  const { publish, publishAll, expose } = flags;
  // What most containers that need to be quick say needs none of the network's code.
  const asked = flags.networks.length > 0 ? flags.networks : [await defaultName()];
  const first = asked[0]!, alone = !isOwnNetwork(first);
  const about = { "network-alias": flags.aliases.length, ip: flags.ip, ip6: flags.ip6, "mac-address": flags.mac };
  if (asked.length > 1) {
    const odd = asked.find((name) => !isOwnNetwork(name));
    if (odd !== undefined) throw new MiniError(`--network ${odd} goes with no other network`);
    const given = Object.entries(about).find(([, value]) => value);
    if (given) {
      throw new MiniError(
        `--${given[0]} belongs to one of ${asked.length} networks: write it behind that, as --network name=${first},…`,
      );
    }
  }
  if (alone) {
    const given = Object.entries({ ...about, publish: publish.length, "publish-all": publishAll }).find(([, v]) => v);
    if (given) {
      throw new MiniError(`--${given[0]} needs a network of the container's own, and --network ${first} gives it none`);
    }
    if (isContainerMode(first) && containerOf(first) === "") {
      throw new MiniError("--network container: names no container");
    }
    if (expose.length === 0) return { ...NO_NETWORK, mode: first };
  }
  const { readExposed, readPublish } = await import("../network/ports.ts");
  const networks = alone ? [] : await Promise.all(asked.map((text) => readAttachment(text, flags)));
  if (ownNamespace() && networks.length > 0) (await import("./rootless/network_rules.ts")).checkUserNetworks(networks);
  const twice = networks.find(({ name }, i) => networks.findIndex((other) => other.name === name) !== i);
  if (twice) throw new MiniError(`--network ${twice.name} is given twice`);
  const exposed = [...expose.flatMap(readExposed)].map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
  return {
    mode: networks[0]?.name ?? first,
    networks,
    publish: publish.flatMap(readPublish),
    publishAll,
    exposed: [...new Set(exposed)],
  };
}

async function defaultName(): Promise<string> {
  const path = userEnvironment().MINI_CONFIG;
  try {
    Deno.lstatSync(path || "/etc/mini/config.json");
  } catch {
    if (!path) return "bridge";
  }
  const { loadNetworkConfig } = await import("../network/config.ts");
  return loadNetworkConfig(path).defaultNetwork;
}

/** One `--network`, with what belongs to it. @throws {MiniError} */
async function readAttachment(text: string, flags: NetworkFlags): Promise<NetworkAttachment> {
  const { formatIp, formatMac, parseIp, parseMac } = await import("../network/address.ts");
  const { checkNetworkName } = await import("../network/store.ts");
  const result: NetworkAttachment = { name: text, aliases: [...flags.aliases] };
  const set = (key: string, value: string) => {
    const ip = (version: 4 | 6) => {
      const parsed = parseIp(value);
      if (parsed?.version !== version) {
        throw new MiniError(`--${key} ${JSON.stringify(value)} is no IPv${version} address`);
      }
      return formatIp(parsed);
    };
    if (key === "name") result.name = value;
    else if (key === "alias") result.aliases!.push(value);
    else if (key === "ip") result.ip = ip(4);
    else if (key === "ip6") result.ip6 = ip(6);
    else if (key === "mac-address") result.mac = formatMac(parseMac(value));
    else {throw new MiniError(
        `--network ${JSON.stringify(text)}: there is no ${key}; name, alias, ip, ip6 and mac-address are known`,
      );}
  };
  if (flags.ip !== undefined) set("ip", flags.ip);
  if (flags.ip6 !== undefined) set("ip6", flags.ip6);
  if (flags.mac !== undefined) set("mac-address", flags.mac);
  if (text.includes("=")) {
    result.name = "";
    for (const part of text.split(",")) {
      const equals = part.indexOf("=");
      if (equals < 0) {
        throw new MiniError(`--network ${JSON.stringify(text)}: ${JSON.stringify(part)} is not KEY=VALUE`);
      }
      set(part.slice(0, equals), part.slice(equals + 1));
    }
  }
  if (result.name === "default") result.name = "bridge";
  checkNetworkName(result.name);
  for (const alias of result.aliases!) {
    if (!/^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,62})$/.test(alias)) {
      throw new MiniError(`--network-alias ${JSON.stringify(alias)} is no name: use letters, digits, _ . -`);
    }
  }
  return result;
}
