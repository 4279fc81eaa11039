/**
 * What is configured about networks: the `network` section of `/etc/mini/config.json` (moved by `MINI_CONFIG`).
 *
 * ```json
 * { "network": { "publishAddress": ["0.0.0.0", "::"], "pools": [{ "base": "172.16.0.0/12", "size": 20 }] } }
 * ```
 *
 * - `publishAddress`: where `-p 8080:80` without an address can be reached; one address, or one for each version of IP. Without
 *   it only programs of this host reach it: `127.0.0.1`.
 * - `default`: the network of containers that are made without `--network`: `bridge` unless it says another, or `none` or `host`.
 * - `pools`: where subnets of networks are taken from that are made without `--subnet`; `size` is their prefix.
 */
import { MiniError } from "../ffi/errors.ts";
import { isLoopback6, NOT_AT_LOOPBACK6 } from "./ports.ts";
import { type Ip, overlap, parseIp, parseSubnet, type Subnet } from "./address.ts";

/** Subnets of one size out of a larger one. */
export interface Pool {
  readonly base: Subnet;
  readonly size: number;
}

/** The settings. */
export interface NetworkConfig {
  readonly publishAddresses: readonly Ip[];
  readonly pools: readonly Pool[];
  readonly defaultNetwork: string;
}

const subnet = (text: string) => parseSubnet(text, "pool");

/** Private addresses that hosts rarely use: 240 networks of 4,093 containers (a bridge has 1,024 ports at most), then 256 of 253. */
export const DEFAULT_CONFIG: NetworkConfig = {
  defaultNetwork: "bridge",
  publishAddresses: [parseIp("127.0.0.1")!],
  pools: [
    // 172.16.0.0/16 is what cloud providers and routers begin with.
    ...Array.from({ length: 15 }, (_, i) => ({ base: subnet(`172.${17 + i}.0.0/16`), size: 20 })),
    { base: subnet("192.168.0.0/16"), size: 24 },
  ],
};

const PATH = "/etc/mini/config.json";

/**
 * Reads the settings.
 *
 * @param asked the path that `MINI_CONFIG` names; it must exist. @throws {MiniError} naming the setting that cannot be meant.
 */
export function loadNetworkConfig(asked: string | undefined): NetworkConfig {
  const path = asked || PATH;
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !asked) return DEFAULT_CONFIG;
    throw new MiniError(`cannot read the configuration ${path}: ${(error as Error).message}`);
  }
  return parseNetworkConfig(text, path);
}

/** Reads the `network` section of a configuration. @throws {MiniError} */
export function parseNetworkConfig(text: string, path: string): NetworkConfig {
  const refuse = (why: string) => new MiniError(`${path}: ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw refuse(`not valid JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw refuse("the configuration must be a JSON object");
  const section = json.network;
  if (section === undefined) return DEFAULT_CONFIG;
  if (!isObject(section)) throw refuse(`"network" must be an object`);
  for (const key of Object.keys(section)) {
    if (key !== "default" && key !== "publishAddress" && key !== "pools") {
      throw refuse(`"network" has ${JSON.stringify(key)}; only "default", "publishAddress" and "pools" are known`);
    }
  }
  const { default: name = DEFAULT_CONFIG.defaultNetwork } = section;
  if (typeof name !== "string" || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw refuse(`"network" → "default" must be the name of a network, or "none" or "host"`);
  }
  return {
    defaultNetwork: name,
    publishAddresses: section.publishAddress === undefined
      ? DEFAULT_CONFIG.publishAddresses
      : readAddresses(section.publishAddress, refuse),
    pools: section.pools === undefined ? DEFAULT_CONFIG.pools : readPools(section.pools, refuse),
  };
}

function readAddresses(value: unknown, refuse: (why: string) => MiniError): Ip[] {
  const list = Array.isArray(value) ? value : [value];
  const ips = list.map((text) => typeof text === "string" ? parseIp(text) : undefined);
  const versions = ips.map((ip) => ip?.version);
  if (list.length === 0 || versions.includes(undefined) || new Set(versions).size < list.length) {
    throw refuse(`"network" → "publishAddress" must be an address such as "0.0.0.0", or one of each version of IP`);
  }
  if (ips.some((ip) => isLoopback6(ip!))) throw refuse(`"network" → "publishAddress": ${NOT_AT_LOOPBACK6}`);
  return ips as Ip[];
}

function readPools(value: unknown, refuse: (why: string) => MiniError): Pool[] {
  const where = `"network" → "pools"`;
  if (!Array.isArray(value) || value.length === 0) {
    throw refuse(`${where} must be a list as [{ "base": "172.16.0.0/12", "size": 20 }]`);
  }
  const pools = value.map((entry: unknown): Pool => {
    if (!isObject(entry) || typeof entry.base !== "string" || !Number.isInteger(entry.size)) {
      throw refuse(`each of ${where} must have a "base" and a "size", as { "base": "172.16.0.0/12", "size": 20 }`);
    }
    const base = parseSubnet(entry.base, `${where} → "base"`), size = entry.size as number;
    if (base.version !== 4 || size < base.prefix || size > 29) {
      throw refuse(`${where}: the size of ${entry.base} must be a prefix from ${base.prefix} to 29, and the base IPv4`);
    }
    return { base, size };
  });
  const twice = pools.find((pool, i) => pools.slice(0, i).some((other) => overlap(pool.base, other.base)));
  if (twice) throw refuse(`${where} overlap`);
  return pools;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
