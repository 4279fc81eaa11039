/** What is in our firewall tables: the interfaces of networks, and published ports. The rules themselves: nft_table.ts. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { Netlink, NETLINK_NETFILTER, type NetlinkError } from "../ffi/netlink.ts";
import { be16, type Message, u8 } from "../ffi/netlink_message.ts";
import { ipBytes, parseIp } from "./address.ts";
import {
  addElements,
  batchBegin,
  batchEnd,
  deleteElements,
  type Element,
  type Family,
  getElement,
  listElements,
  newTable,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  readElements,
} from "./nft_message.ts";
import { interfaceKey, makeTable, SETS, TABLE } from "./nft_table.ts";
import { PROTOCOL_NUMBERS, type PublishedPort } from "./ports.ts";
import type { Network } from "./store.ts";

/** A published port with the address that it leads to. */
export interface Redirection extends PublishedPort {
  readonly containerIp: string;
}

/** An element of one of our sets or maps. */
interface Entry {
  readonly family: Family;
  readonly set: string;
  readonly element: Element;
}

/** The families that a network has a part in. */
export const familiesOf = (network: Pick<Network, "ipv6">): Family[] =>
  network.ipv6 ? [NFPROTO_IPV4, NFPROTO_IPV6] : [NFPROTO_IPV4];

function entriesOf(network: Network): Entry[] {
  const key = interfaceKey(network.bridge!);
  return familiesOf(network).flatMap((family): Entry[] => [
    { family, set: SETS.same, element: { key: [key, key] } },
    { family, set: SETS.bridges, element: { key: [key] } },
    ...network.internal ? [{ family, set: SETS.internal, element: { key: [key] } }] : [],
    ...network.masquerade && !network.internal ? [{ family, set: SETS.hidden, element: { key: [key] } }] : [],
  ]);
}

/** A container that was taken out of its networks keeps its ports, which lead nowhere then. */
const leadsSomewhere = (port: Redirection) => parseIp(port.containerIp) !== undefined;

function entryOf(port: Redirection): Entry {
  const host = parseIp(port.hostIp)!, service = [u8(PROTOCOL_NUMBERS[port.protocol]), be16(port.hostPort)];
  const family = host.version === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  const value = [ipBytes(parseIp(port.containerIp)!), be16(port.containerPort)];
  return host.value === 0n
    ? { family, set: SETS.ports, element: { key: service, value } }
    : { family, set: SETS.portsAt, element: { key: [ipBytes(host), ...service], value } };
}

function messages(make: typeof addElements, entries: readonly Entry[]): Message[] {
  const groups = Map.groupBy(entries, ({ family, set }) => `${family} ${set}`);
  return [...groups.values()].flatMap((group) =>
    make(group[0]!.family, TABLE, group[0]!.set, group.map(({ element }) => element))
  );
}

const isErrno = (error: unknown, ...errnos: number[]) => error instanceof SyscallError && errnos.includes(error.errno);

/** Our tables of this network namespace. */
export class Firewall implements Disposable {
  readonly #netlink: Netlink;

  /** @throws {MiniError} where the kernel has no nf_tables, or does not let us at it. */
  constructor() {
    try {
      this.#netlink = Netlink.open(NETLINK_NETFILTER);
    } catch (error) {
      throw explain(error);
    }
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
  }

  #batch(messages: readonly Message[]): void {
    this.#netlink.batch(batchBegin, messages, batchEnd);
  }

  /** Makes the tables where they are not there. Gives whether one was missing. */
  makeTables(families: readonly Family[]): boolean {
    let made = false;
    for (const family of families) {
      try {
        this.#batch(makeTable(family));
        made = true;
      } catch (error) {
        // Another command was quicker; a batch is there as a whole or not at all.
        if (!isErrno(error, Errno.EEXIST) || (error as NetlinkError).what !== newTable(family, TABLE).what) {
          throw explain(error);
        }
      }
    }
    return made;
  }

  #add(entries: readonly Entry[]): void {
    try {
      this.#batch(messages(addElements, entries));
    } catch (error) {
      // Somebody has removed our tables (`nft flush ruleset`): the caller has to begin with all there is.
      if (isErrno(error, Errno.ENOENT)) throw new TablesMissing();
      throw explain(error);
    }
  }

  #delete(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    try {
      return this.#batch(messages(deleteElements, entries));
    } catch (error) {
      if (!isErrno(error, Errno.ENOENT)) throw explain(error);
    }
    // One of them is gone already, and so nothing was done: each for itself.
    for (const entry of entries) {
      try {
        this.#batch(messages(deleteElements, [entry]));
      } catch (error) {
        if (!isErrno(error, Errno.ENOENT)) throw explain(error);
      }
    }
  }

  /** Whether our tables know a network already. */
  knows(network: Network): boolean {
    const element = { key: [interfaceKey(network.bridge!)] };
    return familiesOf(network).every((family) => {
      try {
        return this.#netlink.get(getElement(family, TABLE, SETS.bridges, element)) !== undefined;
      } catch (error) {
        throw explain(error);
      }
    });
  }

  /** Lets the traffic of a network pass. @throws {TablesMissing} */
  addNetwork(network: Network): void {
    this.#add(entriesOf(network));
  }

  /** Forgets a network. */
  removeNetwork(network: Network): void {
    this.#delete(entriesOf(network));
  }

  /** Publishes ports, all or none. @throws {TablesMissing} */
  publish(ports: readonly Redirection[]): void {
    const reachable = ports.filter(leadsSomewhere);
    if (reachable.length > 0) this.#add(reachable.map(entryOf));
  }

  /** Publishes them no longer. */
  withdraw(ports: readonly Redirection[]): void {
    this.#delete(ports.filter(leadsSomewhere).map(entryOf));
  }

  /** Every published port in our tables that leads to one of these addresses and is none of `ports` is withdrawn; how many were. */
  withdrawOthers(isOurs: (containerIp: Uint8Array) => boolean, ports: readonly Redirection[]): number {
    const wanted = new Set(ports.filter(leadsSomewhere).map((port) => signature(entryOf(port))));
    const stale: Entry[] = [];
    for (const family of [NFPROTO_IPV4, NFPROTO_IPV6] as const) {
      for (const set of [SETS.ports, SETS.portsAt]) {
        for (const { key, value } of this.#list(family, set)) {
          const entry: Entry = { family, set, element: { key: [key], ...value ? { value: [value] } : {} } };
          if (value && isOurs(value.subarray(0, family === NFPROTO_IPV4 ? 4 : 16)) && !wanted.has(signature(entry))) {
            stale.push(entry);
          }
        }
      }
    }
    this.#delete(stale);
    return stale.length;
  }

  #list(family: Family, set: string): ReturnType<typeof readElements> {
    try {
      return this.#netlink.dump(listElements(family, TABLE, set)).flatMap(readElements);
    } catch (error) {
      if (isErrno(error, Errno.ENOENT)) return []; // no table of that family
      throw explain(error);
    }
  }
}

/** An entry as one text, whether its parts are told apart or not. */
function signature({ family, set, element }: Entry): string {
  const registers = (parts: readonly Uint8Array[]) =>
    parts.flatMap((part) => [...part, ...new Uint8Array(-part.length & 3)]).join(".");
  return `${family} ${set} ${registers(element.key)} ${registers(element.value ?? [])}`;
}

/** Our tables are not there. */
export class TablesMissing extends MiniError {
  override name = "TablesMissing";
  constructor() {
    super("mini's firewall tables have been removed; 'mini system check' makes them again");
  }
}

const STILL = "containers with --network none or host still work";

function explain(error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error;
  const { EPERM, EACCES, EOPNOTSUPP } = Errno;
  const missing = [EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP, EINVAL];
  const why = [EPERM, EACCES].includes(error.errno)
    ? "mini may not change the firewall here, because it has no CAP_NET_ADMIN; --network host still works"
    : missing.includes(error.errno)
    ? `this kernel lacks nf_tables or a part of it (CONFIG_NF_TABLES, NFT_NAT, NFT_MASQ, NFT_FIB_IPV4): ${error.message}; ${STILL}`
    : undefined;
  return why ? new MiniError(why, undefined, { cause: error }) : error;
}
const EINVAL = 22, EPROTONOSUPPORT = 93, EAFNOSUPPORT = 97;
