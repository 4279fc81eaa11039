/**
 * Who has which address. A lease is a symbolic link that is named by the address and leads to the id of the container: making it
 * succeeds for one, whoever else tries, and needs no lock. A lease whose container is gone is anybody's.
 */
import { LOCK_EX, O_CREAT, O_RDWR } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { contains, formatIp, type Ip, isHost, lastOf, parseIp, parseSubnet, type Subnet } from "./address.ts";
import { names, type Network, type NetworkStore, type NetworkSubnet, readLink, unlink } from "./store.ts";

/** Whether there still is a container of that id. */
export type IsAlive = (id: string) => boolean;

/** The name of the file that says which address was given out last. It is a hint: the next one is tried first. */
const LAST = "last-";

/** Makes a symbolic link; false if there is one. */
export function takeLink(path: string, target: string): boolean {
  try {
    Deno.symlinkSync(target, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/**
 * Removing a lease is for one at a time: what is looked at must be what is removed. So is looking for the next free one. To take a
 * certain one needs nothing of it.
 */
export function whileAlone<T>(folder: string, body: () => T): T {
  const lock = open(`${folder}/.lock`, O_CREAT | O_RDWR, 0o600);
  try {
    syscall("flock", lock, LOCK_EX);
    return body();
  } finally {
    close(lock);
  }
}

/** Takes a lease away from a container that is gone. False if it has one that is not, or somebody else is quicker. */
export function takeOver(folder: string, name: string, target: string, isAlive: (target: string) => boolean): boolean {
  const path = `${folder}/${name}`;
  return whileAlone(folder, () => {
    const before = readLink(path);
    if (before !== undefined && isAlive(before)) return false;
    if (before !== undefined) unlink(path);
    return takeLink(path, target);
  });
}

/** Those that nobody is given: the gateway's, and what `--aux-address` says is somebody else's. */
function reserved(subnet: NetworkSubnet): Set<string> {
  return new Set([...subnet.gateway ? [subnet.gateway] : [], ...Object.values(subnet.auxAddresses ?? {})]);
}

/**
 * Gives a container an address of a subnet: the one that it wants, or the next one after the last that was given out, so that an
 * address that was just freed is not somebody else's at once.
 *
 * @throws {MiniError} when the wanted one is taken or not in the subnet, and when all are taken.
 */
export function leaseAddress(
  store: NetworkStore,
  network: Network,
  subnet: NetworkSubnet,
  holder: string,
  isAlive: IsAlive,
  wanted?: Ip,
): Ip {
  const folder = store.leases(network.id), whole = parseSubnet(subnet.subnet, "subnet"), taboo = reserved(subnet);
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (ip: Ip) => `${folder}/${formatIp(ip)}`;
  if (wanted) {
    const text = formatIp(wanted);
    if (!isHost(whole, wanted)) {
      throw new MiniError(`${text} is no address of a container in ${subnet.subnet} (network ${network.name})`);
    }
    if (taboo.has(text)) throw new MiniError(`${text} is reserved in the network ${network.name}`);
    if (!takeLink(path(wanted), holder) && !takeOver(folder, text, holder, isAlive)) {
      const owner = readLink(path(wanted))?.slice(0, 12);
      throw new MiniError(
        `${text} in the network ${network.name} is taken${owner ? ` by the container ${owner}` : ""}`,
      );
    }
    return wanted;
  }
  const range = subnet.ipRange ? parseSubnet(subnet.ipRange, "range") : whole;
  const hint = `${folder}/${LAST}${whole.version}`;
  // One after the other: whoever takes an address and is slow to say so would have the next one begin where somebody else was.
  const free = whileAlone(folder, () => {
    const taken = new Set(names(folder));
    for (const ip of candidates(range, lastGiven(hint))) {
      const text = formatIp(ip);
      if (taken.has(text) || taboo.has(text) || !isHost(whole, ip) || !takeLink(path(ip), holder)) continue;
      remember(hint, text);
      return ip;
    }
    return undefined;
  });
  if (free) return free;
  // All are taken; perhaps by some that were killed.
  for (const ip of candidates(range, lastGiven(hint))) {
    const text = formatIp(ip);
    if (taboo.has(text) || !isHost(whole, ip)) continue;
    if (!takeOver(folder, text, holder, isAlive)) continue;
    remember(hint, text);
    return ip;
  }
  throw new MiniError(`every address of ${subnet.ipRange ?? subnet.subnet} (network ${network.name}) is taken`);
}

/** At most this many addresses of a subnet are given out of themselves: an IPv6 subnet has no end otherwise. */
const MOST = 1n << 20n;

/** All addresses of a range, beginning behind the last one. */
function* candidates(range: Subnet, last: Ip | undefined): Generator<Ip> {
  const size = lastOf(range) - range.base + 1n, count = size < MOST ? size : MOST;
  const start = last && contains(range, last) ? last.value - range.base + 1n : 0n;
  for (let i = 0n; i < count; i++) {
    yield { version: range.version, value: range.base + (start + i) % (size < MOST ? size : count) };
  }
}

/** The address that was given out last. */
const lastGiven = (hint: string) => parseIp(readLink(hint) ?? "");

function remember(hint: string, text: string): void {
  const next = `${hint}.${crypto.randomUUID()}`;
  Deno.symlinkSync(text, next);
  Deno.renameSync(next, hint);
}

/** Gives an address back. Nothing happens if it is somebody else's by now. */
export function freeAddress(store: NetworkStore, networkId: string, address: string, holder: string): void {
  const folder = store.leases(networkId), path = `${folder}/${address}`;
  if (readLink(path) !== holder) return;
  whileAlone(folder, () => readLink(path) === holder && unlink(path));
}

/** Every address of a network that is given out, with who has it. */
export function leasesOf(store: NetworkStore, networkId: string): { address: string; holder: string }[] {
  return names(store.leases(networkId)).flatMap((name) => {
    const holder = parseIp(name) ? readLink(`${store.leases(networkId)}/${name}`) : undefined;
    return holder === undefined ? [] : [{ address: name, holder }];
  });
}

/** Frees whatever containers that are gone have of a network, and what making a hint left. Returns the addresses. */
export function sweepLeases(store: NetworkStore, networkId: string, isAlive: IsAlive): string[] {
  for (const name of names(store.leases(networkId))) {
    if (/\.[0-9a-f]{8}-[0-9a-f-]{27}$/.test(name)) unlink(`${store.leases(networkId)}/${name}`);
  }
  return leasesOf(store, networkId).flatMap(({ address, holder }) => {
    if (isAlive(holder)) return [];
    freeAddress(store, networkId, address, holder);
    return [address];
  });
}
