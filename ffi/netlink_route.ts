/** Links, addresses and routes as netlink messages: rtnetlink(7), include/uapi/linux/{rtnetlink,if_link,if_addr,veth}.h. */
import { AF_INET, AF_INET6, IFF_UP } from "./constants.ts";
import {
  asNumber,
  asText,
  attr,
  attributes,
  concat,
  type Message,
  nest,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Received,
  text,
  u16,
  u32,
  u8,
} from "./netlink_message.ts";

const RTM_NEWLINK = 16, RTM_DELLINK = 17, RTM_GETLINK = 18, RTM_SETLINK = 19;
const RTM_NEWADDR = 20, RTM_GETADDR = 22, RTM_NEWROUTE = 24, RTM_GETROUTE = 26;
const IFLA_ADDRESS = 1, IFLA_IFNAME = 3, IFLA_MTU = 4, IFLA_LINK = 5, IFLA_MASTER = 10, IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19, IFLA_AF_SPEC = 26, IFLA_NET_NS_FD = 28, IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1,
  IFLA_INFO_DATA = 2,
  IFLA_INFO_SLAVE_KIND = 4,
  IFLA_INFO_SLAVE_DATA = 5,
  IFLA_BRPORT_MODE = 4,
  VETH_INFO_PEER = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8, IN6_ADDR_GEN_MODE_NONE = 1;
const IFLA_MACVLAN_MODE = 1, IFLA_IPVLAN_MODE = 1;
const IFA_ADDRESS = 1, IFA_LOCAL = 2, IFA_BROADCAST = 4, IFA_F_NODAD = 2;
const RTA_DST = 1, RTA_OIF = 4, RTA_GATEWAY = 5, RTA_TABLE = 15;
const RT_TABLE_MAIN = 254, RTPROT_STATIC = 4, RT_SCOPE_UNIVERSE = 0, RT_SCOPE_LINK = 253, RTN_UNICAST = 1;
/** Leaves statistics out of the answer. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** The network namespace that something is made in: of a process, or one that a descriptor of /proc/PID/ns/net stands for. */
export type Namespace = { readonly pid: number } | { readonly fd: number };

/** What may be said of a new link. */
export interface LinkOptions {
  /** At most 15 bytes. */
  readonly name: string;
  /** Six bytes; the kernel makes one up without it. */
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** The index of the bridge that it is a port of. */
  readonly master?: number | undefined;
  readonly up?: boolean;
  readonly namespace?: Namespace | undefined;
}

function linkHeader(index: number, up: boolean | undefined): Uint8Array<ArrayBuffer> {
  const flags = up === undefined ? 0 : up ? IFF_UP : 0, change = up === undefined ? 0 : IFF_UP;
  return concat(u8(0), u8(0), u16(0), u32(index), u32(flags), u32(change));
}

const namespaceAttr = (namespace: Namespace | undefined) =>
  namespace === undefined
    ? []
    : ["pid" in namespace ? attr(IFLA_NET_NS_PID, u32(namespace.pid)) : attr(IFLA_NET_NS_FD, u32(namespace.fd))];

function linkBody(options: LinkOptions, ...more: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const { name, mac, mtu, master, up, namespace } = options;
  return concat(
    linkHeader(0, up || undefined),
    attr(IFLA_IFNAME, text(name)),
    ...mac ? [attr(IFLA_ADDRESS, mac)] : [],
    ...mtu ? [attr(IFLA_MTU, u32(mtu))] : [],
    ...master ? [attr(IFLA_MASTER, u32(master))] : [],
    ...namespaceAttr(namespace),
    ...more,
  );
}

const newLink = (body: Uint8Array, what: string): Message => ({
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body,
  what,
});

const kind = (name: string, ...data: readonly Uint8Array[]) =>
  nest(
    IFLA_LINKINFO,
    attr(IFLA_INFO_KIND, text(name).subarray(0, -1)),
    ...data.length ? [nest(IFLA_INFO_DATA, ...data)] : [],
  );

/** Makes a bridge. Fails with EEXIST when there is a link of that name. */
export const newBridge = (options: LinkOptions): Message =>
  newLink(linkBody(options, kind("bridge")), `make the bridge ${options.name}`);

/** Makes both ends of a virtual cable; each may be in a namespace of its own. */
export function newVeth(ours: LinkOptions, peer: LinkOptions): Message {
  const body = linkBody(ours, kind("veth", nest(VETH_INFO_PEER, linkBody(peer))));
  return newLink(body, `make the pair of interfaces ${ours.name} and ${peer.name}`);
}

/** Modes of macvlan and ipvlan by the names that people give them; if_link.h. */
export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;

/** Makes a further interface on one that there is. @param parent its index. */
export function newMacvlan(options: LinkOptions, parent: number, mode: keyof typeof MACVLAN_MODES): Message {
  const more = [attr(IFLA_LINK, u32(parent)), kind("macvlan", attr(IFLA_MACVLAN_MODE, u32(MACVLAN_MODES[mode])))];
  return newLink(linkBody(options, ...more), `make the macvlan interface ${options.name}`);
}

/** The same with the parent's own hardware address. */
export function newIpvlan(options: LinkOptions, parent: number, mode: keyof typeof IPVLAN_MODES): Message {
  const more = [attr(IFLA_LINK, u32(parent)), kind("ipvlan", attr(IFLA_IPVLAN_MODE, u16(IPVLAN_MODES[mode])))];
  return newLink(linkBody(options, ...more), `make the ipvlan interface ${options.name}`);
}

/** Brings a link up. */
export const linkUp = (index: number, name: string): Message => ({
  type: RTM_SETLINK,
  flags: 0,
  body: linkHeader(index, true),
  what: `bring ${name} up`,
});

/** No IPv6 address of its own making (fe80::…) on a link; must come before it is brought up. */
export const noLinkLocal = (index: number, name: string): Message => ({
  type: RTM_SETLINK,
  flags: 0,
  body: concat(
    linkHeader(index, undefined),
    nest(IFLA_AF_SPEC, nest(AF_INET6, attr(IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE)))),
  ),
  what: `keep IPv6 off ${name}`,
});

/** Lets a bridge send a packet back by the port that it came from. */
export const hairpin = (name: string): Message => ({
  type: RTM_NEWLINK,
  flags: 0,
  body: concat(
    linkHeader(0, undefined),
    attr(IFLA_IFNAME, text(name)),
    nest(
      IFLA_LINKINFO,
      attr(IFLA_INFO_SLAVE_KIND, text("bridge").subarray(0, -1)),
      nest(IFLA_INFO_SLAVE_DATA, attr(IFLA_BRPORT_MODE, u8(1))),
    ),
  ),
  what: `let the bridge send back by ${name}`,
});

/** Removes a link, and with one end of a cable the other. */
export const deleteLink = (name: string): Message => ({
  type: RTM_DELLINK,
  flags: 0,
  body: concat(linkHeader(0, undefined), attr(IFLA_IFNAME, text(name))),
  what: `remove the interface ${name}`,
});

/** Asks for the link of a name. */
export const getLink = (name: string): Message => ({
  type: RTM_GETLINK,
  flags: 0,
  body: concat(
    linkHeader(0, undefined),
    attr(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)),
    attr(IFLA_IFNAME, text(name)),
  ),
  what: `look at the interface ${name}`,
});

/** Asks for all links. */
export const listLinks = (): Message => ({
  type: RTM_GETLINK,
  flags: 0,
  body: concat(linkHeader(0, undefined), attr(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS))),
  what: "list the interfaces",
});

/** A link as the kernel describes it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** The index of the bridge that it is a port of; 0 for none. */
  readonly master: number;
  readonly mtu: number;
  /** `bridge`, `veth` …; empty for hardware. */
  readonly kind: string;
  readonly mac: Uint8Array;
}

/** Reads an answer to `getLink` or `listLinks`. */
export function readLink({ body }: Received): Link {
  const view = new DataView(body.buffer, body.byteOffset), all = attributes(body, 16);
  const info = all.get(IFLA_LINKINFO);
  return {
    index: view.getInt32(4, true),
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    name: asText(all.get(IFLA_IFNAME)),
    master: asNumber(all.get(IFLA_MASTER)),
    mtu: asNumber(all.get(IFLA_MTU)),
    kind: info ? asText(attributes(info).get(IFLA_INFO_KIND)) : "",
    mac: all.get(IFLA_ADDRESS) ?? new Uint8Array(),
  };
}

const familyOf = (address: Uint8Array) => address.length === 4 ? AF_INET : AF_INET6;
const shown = (address: Uint8Array) =>
  address.length === 4
    ? address.join(".")
    : Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8 | address[2 * i + 1]!).toString(16)).join(":");

function addressBody(index: number, address: Uint8Array, prefix: number): Uint8Array<ArrayBuffer> {
  const six = address.length === 16;
  // Given out once: nobody else has it, so that nobody has to be asked for a second (duplicate address detection).
  const header = concat(u8(familyOf(address)), u8(prefix), u8(six ? IFA_F_NODAD : 0), u8(0), u32(index));
  if (six) return concat(header, attr(IFA_LOCAL, address), attr(IFA_ADDRESS, address));
  const broadcast = address.map((byte, i) => byte | 0xff >> Math.min(8, Math.max(0, prefix - 8 * i)));
  const more = prefix < 31 ? [attr(IFA_BROADCAST, broadcast)] : [];
  return concat(header, attr(IFA_LOCAL, address), attr(IFA_ADDRESS, address), ...more);
}

/** Adds an address of 4 or 16 bytes to a link. */
export const addAddress = (index: number, address: Uint8Array, prefix: number): Message => ({
  type: RTM_NEWADDR,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: addressBody(index, address, prefix),
  what: `add the address ${shown(address)}/${prefix}`,
});

/** Asks for all addresses. */
export const listAddresses = (): Message => ({
  type: RTM_GETADDR,
  flags: 0,
  body: new Uint8Array(8),
  what: "list the addresses",
});

/** An address of a link, 4 or 16 bytes. */
export interface LinkAddress {
  readonly index: number;
  readonly address: Uint8Array<ArrayBuffer>;
  readonly prefix: number;
}

/** Reads an answer to `listAddresses`. */
export function readAddress({ body }: Received): LinkAddress {
  const all = attributes(body, 8), view = new DataView(body.buffer, body.byteOffset);
  const address = all.get(IFA_LOCAL) ?? all.get(IFA_ADDRESS) ?? new Uint8Array();
  return { index: view.getUint32(4, true), address, prefix: body[1]! };
}

/** Adds a route to `destination` (all that is not known otherwise, without it) by way of a gateway, or on the link itself. */
export function addRoute(
  index: number,
  gateway: Uint8Array | undefined,
  destination?: { address: Uint8Array; prefix: number },
  family: number = familyOf(gateway ?? destination!.address),
): Message {
  const header = concat(
    u8(family),
    u8(destination?.prefix ?? 0),
    u8(0),
    u8(0),
    u8(RT_TABLE_MAIN),
    u8(RTPROT_STATIC),
    u8(gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK),
    u8(RTN_UNICAST),
    u32(0),
  );
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: concat(
      header,
      ...destination ? [attr(RTA_DST, destination.address)] : [],
      ...gateway ? [attr(RTA_GATEWAY, gateway)] : [],
      attr(RTA_OIF, u32(index)),
    ),
    what: `add ${
      destination ? `the route to ${shown(destination.address)}/${destination.prefix}` : "the default route"
    }${gateway ? ` by ${shown(gateway)}` : ""}`,
  };
}

/** Asks for all routes of all tables. */
export const listRoutes = (): Message => ({
  type: RTM_GETROUTE,
  flags: 0,
  body: new Uint8Array(12),
  what: "list the routes",
});

/** A route. */
export interface Route {
  readonly table: number;
  readonly type: number;
  /** 4 or 16 bytes; none for a default route. */
  readonly destination: Uint8Array<ArrayBuffer> | undefined;
  readonly prefix: number;
  readonly gateway: Uint8Array<ArrayBuffer> | undefined;
  /** The index of the link; 0 where there is none, or more than one. */
  readonly link: number;
  readonly family: number;
}

/** Reads an answer to `listRoutes`. */
export function readRoute({ body }: Received): Route {
  const all = attributes(body, 12);
  return {
    family: body[0]!,
    prefix: body[1]!,
    table: all.has(RTA_TABLE) ? asNumber(all.get(RTA_TABLE)) : body[4]!,
    type: body[7]!,
    destination: all.get(RTA_DST),
    gateway: all.get(RTA_GATEWAY),
    link: asNumber(all.get(RTA_OIF)),
  };
}
