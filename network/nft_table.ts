/**
 * Our firewall tables: `ip mini`, and `ip6 mini` once a network has IPv6. Their rules never change; what changes are the elements
 * of their sets and maps, so that a packet takes as long with a thousand published ports as with one.
 *
 *     guard        nothing from outside may claim to be for 127.0.0.0/8 (mini0 has route_localnet)
 *     publish      a destination that is in a map becomes the container's address and port; the source stays as it is
 *                  (not for ::1, whose answers the kernel takes from the loopback interface alone)
 *     postrouting  containers leave the host with the host's address; and what comes back to its own network, or begins at
 *                  127.0.0.1, must come back the way it went
 *     forward      a network's own traffic passes; an internal one has no other; nothing new gets into a network from outside
 *                  of it but by a published port
 */
import { text } from "../ffi/netlink_message.ts";
import type { Message } from "../ffi/netlink_message.ts";
import {
  accept,
  type Chain,
  compare,
  dnat,
  drop,
  established,
  type Expression,
  type Family,
  jump,
  lookup,
  lookupValue,
  masquerade,
  meta,
  newChain,
  newRule,
  newSet,
  newTable,
  NFPROTO_IPV4,
  notFromThisHost,
  payload,
  redirected,
  type SetShape,
  toThisHost,
} from "./nft_message.ts";

export const TABLE = "mini";

/** Names of our sets and maps. */
export const SETS = {
  /** Pairs of one bridge with itself: what stays within a network. */
  same: "same",
  bridges: "bridges",
  /** Bridges whose networks have no way out. */
  internal: "internal",
  /** Bridges whose containers leave the host with the host's address. */
  hidden: "hidden",
  /** Published at every address of the host: protocol and port. */
  ports: "ports",
  /** Published at one address. */
  portsAt: "ports_at",
} as const;

/** The sets of a table. */
export function setShapes(family: Family): SetShape[] {
  const address = family === NFPROTO_IPV4 ? "ipv4_addr" : "ipv6_addr";
  const value = [address, "inet_service"] as const;
  return [
    { name: SETS.same, key: ["ifname", "ifname"] },
    { name: SETS.bridges, key: ["ifname"] },
    { name: SETS.internal, key: ["ifname"] },
    { name: SETS.hidden, key: ["ifname"] },
    { name: SETS.ports, key: ["inet_proto", "inet_service"], value },
    { name: SETS.portsAt, key: [address, "inet_proto", "inet_service"], value },
  ];
}

const CHAINS: readonly Chain[] = [
  { name: "guard", base: { type: "filter", hook: "prerouting", priority: -300 } },
  { name: "publish" },
  { name: "prerouting", base: { type: "nat", hook: "prerouting", priority: -100 } },
  { name: "output", base: { type: "nat", hook: "output", priority: -100 } },
  { name: "postrouting", base: { type: "nat", hook: "postrouting", priority: 100 } },
  { name: "forward", base: { type: "filter", hook: "forward", priority: 0 } },
];

/** The name of an interface as it is compared: to its NUL, or all of its 16 bytes where it is looked up in a set. */
export function interfaceKey(name: string): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(16);
  key.set(text(name));
  return key;
}

const within = [meta("iifname"), meta("oifname", 2), lookup(SETS.same)];
const from = (set: string) => [meta("iifname"), lookup(set)];
const to = (set: string, inverted = false) => [meta("oifname"), lookup(set, inverted)];

function rules(family: Family): readonly (readonly [chain: string, ...expressions: Expression[]])[] {
  const v4 = family === NFPROTO_IPV4;
  const source = 12, [destination, bytes] = v4 ? [16, 4] : [24, 16];
  // The second part of a key or value begins behind the first one, in registers of four bytes.
  const behindAddress = 8 + bytes / 4;
  const loopback4 = (offset: number) => [payload(1, offset, 1), compare("=", Uint8Array.of(127))];
  const notLoopback6 = [payload(1, destination, 16), compare("!=", Uint8Array.of(...Array<number>(15).fill(0), 1))];
  return [
    ...v4
      ? [["guard", meta("iifname"), compare("!=", interfaceKey("lo")), ...loopback4(destination), drop] as const]
      : [],
    [
      "publish",
      payload(1, destination, bytes),
      meta("l4proto", behindAddress),
      payload(2, 2, 2, behindAddress + 1),
      lookupValue(SETS.portsAt),
      dnat(family, behindAddress),
    ],
    [
      "publish",
      ...v4 ? [] : notLoopback6,
      ...toThisHost,
      meta("l4proto"),
      payload(2, 2, 2, 9),
      lookupValue(SETS.ports),
      dnat(family, behindAddress),
    ],
    ["prerouting", jump("publish")],
    ["output", jump("publish")],
    ["postrouting", ...from(SETS.hidden), ...to(SETS.bridges, true), masquerade],
    ["postrouting", ...redirected, ...within, masquerade],
    // With br_netfilter the bridge hands such a packet on by itself, and here it comes from no interface.
    [
      "postrouting",
      ...redirected,
      meta("iif"),
      compare("=", new Uint8Array(4)),
      ...notFromThisHost,
      ...to(SETS.bridges),
      masquerade,
    ],
    ...v4 ? [["postrouting", ...loopback4(source), ...redirected, ...to(SETS.bridges), masquerade] as const] : [],
    ["forward", ...established, accept],
    ["forward", ...within, accept],
    ["forward", ...from(SETS.internal), drop],
    ["forward", ...to(SETS.internal), drop],
    ["forward", ...redirected, accept],
    ["forward", ...to(SETS.bridges), drop],
  ];
}

/** Makes the table with its rules and empty sets, or fails as a whole with EEXIST if it is there. */
export function makeTable(family: Family): Message[] {
  return [
    newTable(family, TABLE),
    ...CHAINS.map((chain) => newChain(family, TABLE, chain)),
    ...setShapes(family).map((set, i) => newSet(family, TABLE, set, i + 1)),
    ...rules(family).map(([chain, ...expressions]) => newRule(family, TABLE, chain, expressions)),
  ];
}
