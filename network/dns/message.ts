/**
 * DNS messages, as far as a resolver for containers reads and writes them: one question, answers of its own, and everything
 * else handed on as it is. RFC 1035, section 4; RFC 3596 for AAAA; RFC 6891 for the size that a client takes.
 */

import { ipBytes, parseIp } from "../address.ts";

/** Types of records that are answered here. */
export const A = 1, PTR = 12, AAAA = 28, OPT = 41;
const IN = 1;
/** Response codes. */
export const NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5;

/** Flags of a header. */
const QR = 0x8000, OPCODE = 0x7800, TC = 0x0200, RD = 0x0100, RA = 0x0080;
const HEADER_BYTES = 12;
/** What a UDP client takes that says nothing else. */
const SMALL_BYTES = 512;
/** How long an answer of ours may be kept: containers come and go. */
const TTL_SECONDS = 5;

/** A question, of which there is one in a message. */
export interface Question {
  readonly id: number;
  /** In lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Header and question as they came, for the answer. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** The most bytes that the client takes over UDP. */
  readonly limit: number;
}

/** What is wrong with a query, as a response code; the id is what there is of it. */
export class BadQuery extends Error {
  constructor(readonly id: number, readonly code: number) {
    super(`response code ${code}`);
  }
}

/**
 * Reads a query.
 *
 * @returns undefined for what is no query at all, and gets no answer.
 * @throws {BadQuery} for one that cannot be answered.
 */
export function readQuery(message: Uint8Array): Question | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const id = view.getUint16(0), flags = view.getUint16(2);
  if (flags & QR) return undefined;
  if (flags & OPCODE) throw new BadQuery(id, NOTIMP);
  if (view.getUint16(4) !== 1) throw new BadQuery(id, FORMERR);
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length; (length = message[at++]) !== 0; at += length) {
    // A pointer in the first name of a message could only point at itself.
    if (length === undefined || length > 63 || at + length > message.length) throw new BadQuery(id, FORMERR);
    labels.push(String.fromCharCode(...message.subarray(at, at + length)));
    if (at - HEADER_BYTES > 254) throw new BadQuery(id, FORMERR);
  }
  if (at + 4 > message.length) throw new BadQuery(id, FORMERR);
  return {
    id,
    name: labels.join(".").toLowerCase(),
    type: view.getUint16(at),
    class: view.getUint16(at + 2),
    head: message.slice(0, at + 4),
    limit: payloadLimit(message, view, at + 4),
  };
}

/** The size in an OPT record, if that is the only thing behind the question, as resolvers send it. */
function payloadLimit(message: Uint8Array, view: DataView, at: number): number {
  const isAlone = view.getUint16(6) === 0 && view.getUint16(8) === 0 && view.getUint16(10) === 1;
  if (!isAlone || at + 11 > message.length || message[at] !== 0 || view.getUint16(at + 1) !== OPT) return SMALL_BYTES;
  return Math.max(SMALL_BYTES, Math.min(view.getUint16(at + 3), 4096));
}

/** The bytes of a name. */
function encodeName(name: string): number[] {
  return [
    ...name.split(".").filter(Boolean).flatMap((label) => {
      const bytes = new TextEncoder().encode(label);
      return [bytes.length, ...bytes];
    }),
    0,
  ];
}

/** The data of a record: an address' bytes, or a name for PTR. */
export type RecordData = Uint8Array | string;

/**
 * An answer of our own.
 *
 * @param records each of the question's type. @param limit the most bytes; what does not fit is left out and said to be missing.
 */
export function answer(question: Question, code: number, records: readonly RecordData[], limit: number): Uint8Array {
  const head = question.head.slice();
  const bodies = records.map((data) => {
    const bytes = typeof data === "string" ? encodeName(data) : [...data];
    const body = new Uint8Array(12 + bytes.length), view = new DataView(body.buffer);
    view.setUint16(0, 0xc000 | HEADER_BYTES); // the question's name
    view.setUint16(2, question.type);
    view.setUint16(4, IN);
    view.setUint32(6, TTL_SECONDS);
    view.setUint16(10, bytes.length);
    body.set(bytes, 12);
    return body;
  });
  let length = head.length, count = 0;
  for (const body of bodies) {
    if (length + body.length > limit) break;
    length += body.length;
    count++;
  }
  const view = new DataView(head.buffer);
  const cut = count < bodies.length ? TC : 0;
  view.setUint16(2, QR | (view.getUint16(2) & RD) | RA | cut | code);
  view.setUint16(6, count);
  view.setUint16(8, 0);
  view.setUint16(10, 0);
  const message = new Uint8Array(length);
  message.set(head);
  bodies.slice(0, count).reduce((at, body) => (message.set(body, at), at + body.length), head.length);
  return message;
}

/** The answer to a query that could not be read. */
export function refusal({ id, code }: BadQuery): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES), view = new DataView(message.buffer);
  view.setUint16(0, id);
  view.setUint16(2, QR | RA | code);
  return message;
}

/** Whether a message answers a question: same id, same question. Case counts, which makes answers harder to guess. */
export function answers(message: Uint8Array, id: number, question: Question): boolean {
  if (message.length < question.head.length) return false;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (view.getUint16(0) !== id || !(view.getUint16(2) & QR)) return false;
  return question.head.every((byte, i) => i < HEADER_BYTES || message[i] === byte);
}

/** A copy with another id. */
export function withId(message: Uint8Array, id: number): Uint8Array<ArrayBuffer> {
  const copy = message.slice();
  new DataView(copy.buffer).setUint16(0, id);
  return copy;
}

/** A copy that fits: one that is too long keeps only its question, and says that it was cut. */
export function fit(message: Uint8Array, question: Question): Uint8Array {
  if (message.length <= question.limit) return message;
  const short = message.slice(0, question.head.length), view = new DataView(short.buffer);
  view.setUint16(2, view.getUint16(2) | TC);
  for (const at of [6, 8, 10]) view.setUint16(at, 0);
  return short;
}

/** The address that a name of a reverse lookup stands for, as text; undefined for other names. RFC 1035 3.5, RFC 3596 2.5. */
export function reverseAddress(name: string): string | undefined {
  const v4 = name.match(/^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/);
  if (v4) return v4.slice(1).reverse().map(Number).join(".");
  const v6 = name.match(/^((?:[0-9a-f]\.){32})ip6\.arpa$/);
  if (!v6) return undefined;
  const digits = v6[1]!.replaceAll(".", "").split("").reverse().join("");
  return digits.match(/.{4}/g)!.join(":");
}

/** The bytes of an address. @throws {Error} for what is none. */
export function addressBytes(address: string): Uint8Array<ArrayBuffer> {
  const ip = parseIp(address);
  if (!ip) throw new Error(`${address} is no address`);
  return ipBytes(ip);
}
