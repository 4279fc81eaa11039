/**
 * Connections that the kernel remembers, nf_conntrack: include/uapi/linux/netfilter/nfnetlink_conntrack.h. A client that goes on
 * sending UDP packets from one port is one connection for ever, and would go on to be sent where the port led before.
 */
import { AF_INET, AF_INET6 } from "../ffi/constants.ts";
import { Errno } from "../ffi/errors.ts";
import { Netlink, NETLINK_NETFILTER, NetlinkError } from "../ffi/netlink.ts";
import { asBigEndian, attr, attributes, be16, concat, type Message, u8 } from "../ffi/netlink_message.ts";
import { PROTOCOL_NUMBERS, type PublishedPort } from "./ports.ts";

const NFNL_SUBSYS_CTNETLINK = 1, IPCTNL_MSG_CT_GET = 1, IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1, CTA_TUPLE_PROTO = 2, CTA_PROTO_NUM = 1, CTA_PROTO_DST_PORT = 3;
const NESTED = 0x8000;

const message = (type: number, family: number, what: string, ...attrs: Uint8Array[]): Message => ({
  type: NFNL_SUBSYS_CTNETLINK << 8 | type,
  flags: 0,
  body: concat(u8(family), u8(0), be16(0), ...attrs),
  what,
});

/** Forgets the connections to published ports of protocols that have no end of their own. Nothing happens for TCP. */
export function forgetConnections(ports: readonly PublishedPort[]): void {
  const udp = new Set(ports.filter(({ protocol }) => protocol === "udp").map(({ hostPort }) => hostPort));
  if (udp.size === 0) return;
  using netlink = Netlink.open(NETLINK_NETFILTER);
  for (const family of [AF_INET, AF_INET6]) {
    const found = netlink.dump(message(IPCTNL_MSG_CT_GET, family, "list connections")).flatMap(({ body }) => {
      const tuple = attributes(body, 4).get(CTA_TUPLE_ORIG), proto = tuple && attributes(tuple).get(CTA_TUPLE_PROTO);
      const fields = proto && attributes(proto);
      const isIt = fields?.get(CTA_PROTO_NUM)?.[0] === PROTOCOL_NUMBERS.udp &&
        udp.has(asBigEndian(fields.get(CTA_PROTO_DST_PORT)));
      return isIt ? [tuple!] : [];
    });
    if (found.length === 0) continue;
    const outcomes = netlink.attempt(
      found.map((tuple) =>
        message(IPCTNL_MSG_CT_DELETE, family, "forget a connection", attr(CTA_TUPLE_ORIG | NESTED, tuple))
      ),
    );
    const failure = outcomes.find((outcome) => outcome instanceof NetlinkError && outcome.errno !== Errno.ENOENT);
    if (failure) throw failure;
  }
}
