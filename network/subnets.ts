/** Which subnets are free: none that the host has a way to, none of another network. */
import { type Ip, ipFromBytes, overlap, parseIp, type Subnet, subnetOf } from "./address.ts";
import type { Netlink } from "../ffi/netlink.ts";
import { listAddresses, listRoutes, readAddress, readRoute } from "../ffi/netlink_route.ts";
import type { Pool } from "./config.ts";

/** The first subnet of the pools that shares no address with those that are used; undefined if there is none. */
export function freeSubnet(pools: readonly Pool[], used: readonly Subnet[]): Subnet | undefined {
  for (const { base, size } of pools) {
    const step = 1n << BigInt((base.version === 4 ? 32 : 128) - size), count = 1n << BigInt(size - base.prefix);
    for (let i = 0n; i < count; i++) {
      const candidate: Subnet = { version: base.version, base: base.base + i * step, prefix: size };
      if (!used.some((subnet) => overlap(subnet, candidate))) return candidate;
    }
  }
  return undefined;
}

/** A private IPv6 subnet of 2^64 addresses that nobody else has made up: RFC 4193. */
export function randomUla(used: readonly Subnet[]): Subnet {
  for (;;) {
    const random = crypto.getRandomValues(new Uint8Array(7)), bytes = new Uint8Array(16);
    bytes[0] = 0xfd;
    bytes.set(random, 1);
    const subnet = subnetOf(ipFromBytes(bytes), 64);
    if (!used.some((other) => overlap(other, subnet))) return subnet;
  }
}

/** Where the host itself reaches something: its addresses, its routes (but not the default ones) and its name servers. */
export function hostSubnets(netlink: Netlink): Subnet[] {
  const whole = (ip: Ip) => subnetOf(ip, ip.version === 4 ? 32 : 128);
  const routes = netlink.dump(listRoutes()).map(readRoute).flatMap(({ destination, prefix }) =>
    destination && prefix > 0 && (destination.length === 4 || destination.length === 16)
      ? [subnetOf(ipFromBytes(destination), prefix)]
      : []
  );
  const addresses = netlink.dump(listAddresses()).map(readAddress).flatMap(({ address, prefix }) =>
    address.length === 4 || address.length === 16 ? [subnetOf(ipFromBytes(address), prefix)] : []
  );
  return [...routes, ...addresses, ...nameServers().map(whole)];
}

function nameServers(): Ip[] {
  let text: string;
  try {
    text = Deno.readTextFileSync("/etc/resolv.conf");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").flatMap((line) => {
    const ip = parseIp(/^nameserver\s+(\S+)/.exec(line)?.[1] ?? "");
    return ip ? [ip] : [];
  });
}
