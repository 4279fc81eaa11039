/** IP addresses and subnets, of both versions, as numbers. */
import { MiniError } from "../ffi/errors.ts";

/** An address. */
export interface Ip {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** A range of addresses that begin with the same bits. */
export interface Subnet {
  readonly version: 4 | 6;
  /** The first address. */
  readonly base: bigint;
  /** How many bits they have in common. */
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Reads `10.0.0.1` or `fd00::1`; undefined for anything else. */
export function parseIp(text: string): Ip | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const parts = text.split(".");
    // A leading zero would mean octal to some programs.
    if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith("0")))) return undefined;
    return { version: 4, value: parts.reduce((value, part) => value << 8n | BigInt(part), 0n) };
  }
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(":") || !URL.canParse(`http://[${text}]`)) return undefined;
  // The URL standard's form: lower case, no dotted part, one `::` at most.
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const words = (half: string) => half === "" ? [] : half.split(":");
  const before = words(head), after = tail === undefined ? [] : words(tail);
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  return { version: 6, value: all.reduce((value, word) => value << 16n | BigInt(`0x${word}`), 0n) };
}

/** The usual text of an address: `fd00::1`. */
export function formatIp({ version, value }: Ip): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => value >> shift & 0xffn).join(".");
  const words = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i) & 0xffffn).toString(16));
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}

/** The 4 or 16 bytes of an address, the first one first. */
export function ipBytes({ version, value }: Ip): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BITS[version] / 8);
  for (let i = bytes.length - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** An address of 4 or 16 bytes. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  return { version: bytes.length === 4 ? 4 : 6, value: bytes.reduce((value, byte) => value << 8n | BigInt(byte), 0n) };
}

const hostBits = (subnet: Pick<Subnet, "version" | "prefix">) => BigInt(BITS[subnet.version] - subnet.prefix);

/** The subnet of that size that an address is in. */
export function subnetOf(ip: Ip, prefix: number): Subnet {
  const bits = hostBits({ version: ip.version, prefix });
  return { version: ip.version, base: ip.value >> bits << bits, prefix };
}

/**
 * Reads `172.20.0.0/16`. An address within it is taken for it.
 *
 * @param what whose value it is, for the message: `--subnet`. @throws {MiniError}
 */
export function parseSubnet(text: string, what: string): Subnet {
  const [address = "", prefix = "", ...rest] = text.split("/"), ip = parseIp(address);
  if (!ip || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > BITS[ip.version]) {
    throw new MiniError(`${what} ${JSON.stringify(text)} is no subnet; write one as 172.28.0.0/16 or fd00:1::/64`);
  }
  return subnetOf(ip, Number(prefix));
}

/** `172.20.0.0/16` */
export const formatSubnet = (subnet: Subnet) =>
  `${formatIp({ version: subnet.version, value: subnet.base })}/${subnet.prefix}`;

/** The last address of a subnet. */
export const lastOf = (subnet: Subnet): bigint => subnet.base + (1n << hostBits(subnet)) - 1n;

/** Whether the address is in the subnet. */
export const contains = (subnet: Subnet, ip: Ip) =>
  subnet.version === ip.version && ip.value >= subnet.base && ip.value <= lastOf(subnet);

/** Whether two subnets have an address in common. */
export const overlap = (a: Subnet, b: Subnet) => a.version === b.version && a.base <= lastOf(b) && b.base <= lastOf(a);

/** Whether an address can be given to somebody: in an IPv4 subnet of more than two, the first and the last cannot. */
export function isHost(subnet: Subnet, ip: Ip): boolean {
  if (!contains(subnet, ip)) return false;
  if (subnet.version === 6) return ip.value !== subnet.base || subnet.prefix === 128;
  return subnet.prefix > 30 || (ip.value !== subnet.base && ip.value !== lastOf(subnet));
}

/** Reads `02:42:ac:11:00:02`. @throws {MiniError} for what is no hardware address of one interface. */
export function parseMac(text: string): Uint8Array<ArrayBuffer> {
  const bytes = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)
    ? Uint8Array.from(text.split(/[:-]/), (byte) => parseInt(byte, 16))
    : undefined;
  if (!bytes || bytes[0]! & 1 || bytes.every((byte) => byte === 0)) {
    throw new MiniError(
      `--mac-address ${JSON.stringify(text)} is no address of an interface, such as 02:42:ac:11:00:02`,
    );
  }
  return bytes;
}

/** `02:42:ac:11:00:02` */
export const formatMac = (mac: Uint8Array) => Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");

/** A hardware address for an IP address: the same one whenever that is given out, so that what neighbours remember stays true. */
export function macFor(ip: Ip): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0x02, 0x42, ...ipBytes(ip).subarray(-4));
}
