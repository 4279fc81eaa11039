/**
 * Leads what a container asks at port 53 of its resolver's address to the ports that the resolver really has, by a table of
 * nf_tables in the container's own network namespace. So port 53 stays free for a container that is a name server itself.
 */
import type { Netlink } from "../../ffi/netlink.ts";
import { addressBytes } from "./message.ts";
import {
  batchBegin,
  batchEnd,
  compare,
  dnat,
  load,
  meta,
  newChain,
  newRule,
  newTable,
  NFPROTO_IPV4,
  payload,
} from "../nft_message.ts";

const TABLE = "mini_names", CHAIN = "output";
const TCP = 6, UDP = 17, PORT = 53;
/** Where the destination of a packet is changed: NF_IP_PRI_NAT_DST. */
const PRIORITY = -100;

const be16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);

/** The ports that a resolver listens at. */
export interface ResolverPorts {
  readonly udp: number;
  readonly tcp: number;
}

/**
 * Makes the table.
 *
 * @param inside a netlink socket (NETLINK_NETFILTER) of the container's network namespace. @throws {NetlinkError}
 */
export function redirectNames(inside: Netlink, address: string, { udp, tcp }: ResolverPorts): void {
  const rule = (protocol: number, port: number) =>
    newRule(NFPROTO_IPV4, TABLE, CHAIN, [
      payload(1, 16, 4),
      compare("=", addressBytes(address)),
      meta("l4proto"),
      compare("=", Uint8Array.of(protocol)),
      payload(2, 2, 2),
      compare("=", be16(PORT)),
      load(addressBytes(address), 1),
      load(be16(port), 9),
      dnat(NFPROTO_IPV4, 9),
    ]);
  inside.batch(batchBegin, [
    newTable(NFPROTO_IPV4, TABLE),
    newChain(NFPROTO_IPV4, TABLE, { name: CHAIN, base: { type: "nat", hook: "output", priority: PRIORITY } }),
    rule(UDP, udp),
    rule(TCP, tcp),
  ], batchEnd);
}
