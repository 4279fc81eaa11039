/**
 * nf_tables as netlink messages: include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h. Tables, chains, rules and sets are told
 * by name; a rule is a list of expressions that load values into registers and compare them there.
 */
import {
  asBigEndian,
  asText,
  attr,
  attributeList,
  attributes,
  be16,
  be32,
  concat,
  type Message,
  nest,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Received,
  text,
  u8,
} from "../ffi/netlink_message.ts";

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
/** The family of a table: `ip` or `ip6`. */
export type Family = typeof NFPROTO_IPV4 | typeof NFPROTO_IPV6;

const NFNL_SUBSYS_NFTABLES = 10, NFNL_MSG_BATCH_BEGIN = 0x10, NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_NEWTABLE = 0, NFT_MSG_DELTABLE = 2, NFT_MSG_NEWCHAIN = 3, NFT_MSG_GETCHAIN = 4;
const NFT_MSG_NEWRULE = 6, NFT_MSG_GETRULE = 7, NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12, NFT_MSG_GETSETELEM = 13, NFT_MSG_DELSETELEM = 14;
/** Elements in one message: an attribute holds 64 KiB at most. */
const ELEMENTS_PER_MESSAGE = 400;

const header = (family: number, resource = 0) => concat(u8(family), u8(0), be16(resource));

/** The message in front of those that take effect together. */
export const batchBegin: Message = {
  type: NFNL_MSG_BATCH_BEGIN,
  flags: 0,
  body: header(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES),
  what: "change the firewall's tables",
};
/** The message behind them. */
export const batchEnd: Message = { ...batchBegin, type: NFNL_MSG_BATCH_END };

const message = (type: number, flags: number, family: number, what: string, ...attrs: Uint8Array[]): Message => ({
  type: NFNL_SUBSYS_NFTABLES << 8 | type,
  flags,
  body: concat(header(family), ...attrs),
  what,
});

/** Makes a table. Fails with EEXIST if there is one of that name. */
export const newTable = (family: Family, table: string): Message =>
  message(
    NFT_MSG_NEWTABLE,
    NLM_F_CREATE | NLM_F_EXCL,
    family,
    `make the firewall table ${table}`,
    attr(1, text(table)),
    attr(2, be32(0)),
  );

/** The group of netlink that is told of every change of the firewall's: NFNLGRP_NFTABLES. */
export const NFNLGRP_NFTABLES = 7;

/** Whether a message of that group says that a table of that name has been removed. */
export const isTableRemoved = ({ type, body }: Received, table: string): boolean =>
  type === (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE) && asText(attributes(body, 4).get(1)) === table;

/** Where a chain hangs: nf_tables' hooks of the families ip, ip6 and inet. */
export const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** A chain: one that the kernel calls, or one that rules jump to. */
export interface Chain {
  readonly name: string;
  readonly base?: {
    readonly type: "filter" | "nat";
    readonly hook: keyof typeof HOOKS;
    readonly priority: number;
  };
}

/** Makes a chain; what no rule of it decides is accepted. */
export function newChain(family: Family, table: string, { name, base }: Chain): Message {
  const hook = base
    ? [
      nest(4, attr(1, be32(HOOKS[base.hook])), attr(2, be32(base.priority))),
      attr(5, be32(1)),
      attr(7, text(base.type)),
    ]
    : [];
  return message(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE,
    family,
    `make the firewall chain ${table} ${name}`,
    attr(1, text(table)),
    attr(3, text(name)),
    ...hook,
  );
}

/** An expression of a rule, as bytes. */
export type Expression = Uint8Array;

const expression = (name: string, ...attrs: Uint8Array[]): Expression =>
  nest(1, attr(1, text(name)), nest(2, ...attrs));

/** Adds a rule at the end of a chain. */
export const newRule = (family: Family, table: string, chain: string, expressions: readonly Expression[]): Message =>
  message(
    NFT_MSG_NEWRULE,
    NLM_F_CREATE | NLM_F_APPEND,
    family,
    `add a rule to the firewall chain ${table} ${chain}`,
    attr(1, text(table)),
    attr(2, text(chain)),
    nest(4, ...expressions),
  );

/** What a set's keys or a map's values are made of, with nft's number of the type and the bytes it takes in a register. */
export const TYPES = {
  ipv4_addr: [7, 4],
  ipv6_addr: [8, 16],
  inet_proto: [12, 4],
  inet_service: [13, 4],
  ifname: [41, 16],
} as const;
export type TypeName = keyof typeof TYPES;

/** Six bits for each part: what nft writes, so that `nft list` shows the elements as it should. */
const typeNumber = (types: readonly TypeName[]) => types.reduce((all, type) => all << 6 | TYPES[type][0], 0);
const bytesOf = (types: readonly TypeName[]) => types.reduce((all, type) => all + TYPES[type][1], 0);

/** A set, or with values a map. */
export interface SetShape {
  readonly name: string;
  readonly key: readonly TypeName[];
  readonly value?: readonly TypeName[];
}

const NFT_SET_MAP = 8;
/** @param id a number of its own within the batch. */
export function newSet(family: Family, table: string, { name, key, value }: SetShape, id: number): Message {
  return message(
    NFT_MSG_NEWSET,
    NLM_F_CREATE,
    family,
    `make the firewall set ${table} ${name}`,
    attr(1, text(table)),
    attr(2, text(name)),
    attr(3, be32(value ? NFT_SET_MAP : 0)),
    attr(4, be32(typeNumber(key))),
    attr(5, be32(bytesOf(key))),
    ...value ? [attr(6, be32(typeNumber(value))), attr(7, be32(bytesOf(value)))] : [],
    attr(10, be32(id)),
    // Read by `nft list` only: a name is not to be turned round like a number of the machine's.
    ...key.length === 1 && key[0] === "ifname" ? [attr(13, Uint8Array.of(0, 4, 1, 0, 0, 0))] : [],
  );
}

/** An element: the bytes of its key's parts, each filled up to four, and of its value's. */
export interface Element {
  readonly key: readonly Uint8Array[];
  readonly value?: readonly Uint8Array[];
}

/** Each part begins at a register of four bytes. */
const registers = (parts: readonly Uint8Array[]) =>
  concat(...parts.flatMap((part) => [part, new Uint8Array(-part.length & 3)]));
const data = (type: number, parts: readonly Uint8Array[]) => nest(type, attr(1, registers(parts)));

function elements(kind: number, flags: number, verb: string) {
  return (family: Family, table: string, set: string, list: readonly Element[]): Message[] =>
    Array.from({ length: Math.ceil(list.length / ELEMENTS_PER_MESSAGE) }, (_, i) => {
      const some = list.slice(i * ELEMENTS_PER_MESSAGE, (i + 1) * ELEMENTS_PER_MESSAGE);
      const items = some.map(({ key, value }) => nest(1, data(1, key), ...value ? [data(2, value)] : []));
      const what = `${verb} the firewall set ${table} ${set}`;
      return message(kind, flags, family, what, attr(1, text(table)), attr(2, text(set)), nest(3, ...items));
    });
}

/** Adds elements to a set; those that are in it already are no failure, unless a map has another value for one. */
export const addElements = elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, "add to");
/** Takes elements out of a set. Fails with ENOENT if one is not in it. */
export const deleteElements = elements(NFT_MSG_DELSETELEM, 0, "take out of");

/** Asks for all elements of a set. */
export const listElements = (family: Family, table: string, set: string): Message =>
  message(
    NFT_MSG_GETSETELEM,
    0,
    family,
    `list the firewall set ${table} ${set}`,
    attr(1, text(table)),
    attr(2, text(set)),
  );

/** Asks for one element. */
export const getElement = (family: Family, table: string, set: string, element: Element): Message =>
  elements(NFT_MSG_GETSETELEM, 0, "look into")(family, table, set, [element])[0]!;

/** Keys and values as they are in the registers: four bytes at least for each part. */
export function readElements({ body }: Received): { key: Uint8Array; value: Uint8Array | undefined }[] {
  const list = attributes(body, 4).get(3);
  if (!list) return [];
  return attributeList(list).map(([, element]) => {
    const parts = attributes(element), value = parts.get(2);
    return { key: attributes(parts.get(1)!).get(1)!, value: value && attributes(value).get(1) };
  });
}

/** Asks for the chains of all tables of all families. */
export const listChains = (): Message => message(NFT_MSG_GETCHAIN, 0, NFPROTO_UNSPEC, "list the firewall's chains");

/** Asks for the rules of a chain. */
export const listRules = (family: number, table: string, chain: string): Message =>
  message(
    NFT_MSG_GETRULE,
    0,
    family,
    `list the rules of ${table} ${chain}`,
    attr(1, text(table)),
    attr(2, text(chain)),
  );

/** A chain that the kernel calls, of anybody's. */
export interface BaseChain {
  readonly family: number;
  readonly table: string;
  readonly name: string;
  readonly hook: number;
  /** Whether what no rule decides is dropped. */
  readonly drops: boolean;
}

/** Reads an answer to `listChains`; undefined for a chain that is only jumped to. */
export function readChain({ body }: Received): BaseChain | undefined {
  const all = attributes(body, 4), hook = all.get(4);
  if (!hook) return undefined;
  return {
    family: body[0]!,
    table: asText(all.get(1)),
    name: asText(all.get(3)),
    hook: asBigEndian(attributes(hook).get(1)),
    drops: asBigEndian(all.get(5)) === 0,
  };
}

// Expressions. Registers: 1 is the first one of 16 bytes; 8 to 23 are those of four bytes, so that 9 is the second four bytes of 1.

const META = { iif: 4, iifname: 6, oifname: 7, l4proto: 16 } as const;
/** Loads the number (0 for none) or the name of an interface, or the number of the transport protocol. */
export const meta = (key: keyof typeof META, register = 1): Expression =>
  expression("meta", attr(2, be32(META[key])), attr(1, be32(register)));

/** Loads bytes of the network (1) or transport (2) header. */
export const payload = (base: 1 | 2, offset: number, length: number, register = 1): Expression =>
  expression("payload", attr(1, be32(register)), attr(2, be32(base)), attr(3, be32(offset)), attr(4, be32(length)));

/** Goes on if the register is (not) this. */
export const compare = (operator: "=" | "!=", value: Uint8Array, register = 1): Expression =>
  expression("cmp", attr(1, be32(register)), attr(2, be32(operator === "=" ? 0 : 1)), nest(3, attr(1, value)));

/** Loads these bytes. */
export const load = (value: Uint8Array, register: number): Expression =>
  expression("immediate", attr(1, be32(register)), nest(2, attr(1, value)));

/** Goes on if the register is (not) in the set. */
export const lookup = (set: string, inverted = false): Expression =>
  expression("lookup", attr(2, be32(1)), attr(1, text(set)), ...inverted ? [attr(5, be32(1))] : []);

/** Goes on if the register is a key of the map, and loads its value into the same register. */
export const lookupValue = (map: string): Expression =>
  expression("lookup", attr(2, be32(1)), attr(3, be32(1)), attr(1, text(map)));

const CT_STATE = 0, CT_STATUS = 2;
const ctBits = (key: number, bits: number): Expression[] => [
  expression("ct", attr(2, be32(key)), attr(1, be32(1))),
  expression(
    "bitwise",
    attr(1, be32(1)),
    attr(2, be32(1)),
    attr(3, be32(4)),
    nest(4, attr(1, Uint8Array.of(bits, 0, 0, 0))),
    nest(5, attr(1, new Uint8Array(4))),
  ),
  compare("!=", new Uint8Array(4)),
];
/** Goes on for packets of a connection that has been let pass, or that belong to one. */
export const established = ctBits(CT_STATE, 2 | 4);
/** Goes on for packets of a connection whose destination was changed (IPS_DST_NAT). */
export const redirected = ctBits(CT_STATUS, 0x20);

const RTN_LOCAL = 2;
/** Goes on for packets that do not come from an address of the host's own. */
export const notFromThisHost: Expression[] = [
  expression("fib", attr(3, be32(1)), attr(2, be32(3)), attr(1, be32(1))),
  compare("!=", Uint8Array.of(RTN_LOCAL, 0, 0, 0)),
];

/** Goes on for packets to an address of the host's own. */
export const toThisHost: Expression[] = [
  expression("fib", attr(3, be32(2)), attr(2, be32(3)), attr(1, be32(1))),
  compare("=", Uint8Array.of(RTN_LOCAL, 0, 0, 0)),
];

/** Changes the destination to the address in register 1 and the port in register `port`. */
export const dnat = (family: Family, port: number): Expression =>
  expression("nat", attr(1, be32(1)), attr(2, be32(family)), attr(3, be32(1)), attr(5, be32(port)));

/** Changes the source to the address of the interface that the packet leaves by. */
export const masquerade: Expression = expression("masq");

const verdict = (code: number, ...chain: Uint8Array[]): Expression =>
  expression("immediate", attr(1, be32(0)), nest(2, nest(2, attr(1, be32(code)), ...chain)));
export const drop = verdict(0);
export const accept = verdict(1);
/** Goes through the rules of another chain. */
export const jump = (chain: string): Expression => verdict(-3, attr(2, text(chain)));
