/**
 * Netlink messages as bytes: netlink(7), include/uapi/linux/netlink.h. Pure, so that tests compare them with what other
 * programs send. Both machines that mini knows are little-endian, and so is everything here that is not said to be big-endian.
 */

/** Flags of a request. */
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** Flags of an answer. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

/** Bytes of struct nlmsghdr. */
export const HEADER_BYTES = 16;
const NLA_F_NESTED = 0x8000;
/** What of an attribute's type is its type. */
const NLA_TYPE_MASK = 0x3fff;

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A request before it is numbered. */
export interface Message {
  readonly type: number;
  /** NLM_F_REQUEST is added by whoever sends it. */
  readonly flags: number;
  /** The fixed structure of the family, then attributes. */
  readonly body: Uint8Array;
  /** What it does, in a few words for a person whom its failure is told: `add the address 10.0.0.2/24`. */
  readonly what: string;
}

/** Bytes one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const u8 = (value: number) => Uint8Array.of(value);
export const u16 = (value: number) => Uint8Array.of(value, value >> 8);
export const u32 = (value: number) => Uint8Array.of(value, value >> 8, value >> 16, value >> 24);
export const be16 = (value: number) => Uint8Array.of(value >> 8, value);
export const be32 = (value: number) => Uint8Array.of(value >> 24, value >> 16, value >> 8, value);

/** A NUL-terminated string. */
export const text = (value: string) => encoder.encode(`${value}\0`);

const padded = (length: number) => (length + 3) & ~3;

/** One attribute, padded to four bytes: struct nlattr. */
export function attr(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  if (value.length > 0xfffb) throw new RangeError(`netlink: attribute ${type} of ${value.length} bytes is too long`);
  const bytes = new Uint8Array(padded(value.length + 4)), view = new DataView(bytes.buffer);
  view.setUint16(0, value.length + 4, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** An attribute that holds attributes. */
export const nest = (type: number, ...attributes: readonly Uint8Array[]) =>
  attr(type | NLA_F_NESTED, concat(...attributes));

/** A whole message with its header. */
export function encode(message: Message, sequence: number, moreFlags = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(padded(HEADER_BYTES + message.body.length)), view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER_BYTES + message.body.length, true);
  view.setUint16(4, message.type, true);
  view.setUint16(6, message.flags | NLM_F_REQUEST | moreFlags, true);
  view.setUint32(8, sequence, true);
  bytes.set(message.body, HEADER_BYTES);
  return bytes;
}

/** A message as it was received. */
export interface Received {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** All messages in what was received at once. @throws {Error} for bytes that are none. */
export function decode(bytes: Uint8Array<ArrayBuffer>): Received[] {
  const messages: Received[] = [], view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) throw new Error("netlink: a message is cut short");
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += padded(length);
  }
  return messages;
}

/** Attributes by type; of a type that comes more than once, the last. @param from where they begin, behind a fixed structure. */
export function attributes(bytes: Uint8Array<ArrayBuffer>, from = 0): Map<number, Uint8Array<ArrayBuffer>> {
  return new Map(attributeList(bytes, from));
}

/** Attributes in order. @throws {Error} for bytes that are none. */
export function attributeList(
  bytes: Uint8Array<ArrayBuffer>,
  from = 0,
): (readonly [type: number, value: Uint8Array<ArrayBuffer>])[] {
  const list: (readonly [number, Uint8Array<ArrayBuffer>])[] = [];
  for (let at = from; at + 4 <= bytes.length;) {
    const length = bytes[at]! | bytes[at + 1]! << 8, type = (bytes[at + 2]! | bytes[at + 3]! << 8) & NLA_TYPE_MASK;
    if (length < 4 || at + length > bytes.length) throw new Error("netlink: an attribute is cut short");
    list.push([type, bytes.subarray(at + 4, at + length)]);
    at += padded(length);
  }
  return list;
}

/** A little-endian number of up to 32 bits; 0 for an attribute that is not there. */
export function asNumber(bytes: Uint8Array | undefined): number {
  let value = 0;
  for (let i = (bytes?.length ?? 0) - 1; i >= 0; i--) value = value * 256 + bytes![i]!;
  return value;
}

/** A big-endian number of up to 32 bits; 0 for an attribute that is not there. */
export function asBigEndian(bytes: Uint8Array | undefined): number {
  let value = 0;
  for (const byte of bytes ?? []) value = value * 256 + byte;
  return value;
}

/** A string up to its NUL; empty for an attribute that is not there. */
export function asText(bytes: Uint8Array | undefined): string {
  if (!bytes) return "";
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
