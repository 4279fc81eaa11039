/** What a container's resolver answers: the names of its networks itself, everything else from the host's resolvers. */
import { formatIp, parseIp } from "../address.ts";
import {
  A,
  AAAA,
  addressBytes,
  answer,
  BadQuery,
  NOERROR,
  NXDOMAIN,
  PTR,
  type Question,
  readQuery,
  type RecordData,
  refusal,
  reverseAddress,
  SERVFAIL,
} from "./message.ts";

/** The names of the networks that a container is on. */
export interface Names {
  /** The addresses that a name (lower case) stands for, IPv4 and IPv6; undefined if it is none of a container's. */
  addresses(name: string): readonly string[] | undefined;
  /** The name that an address belongs to; undefined if it is none of a container's. */
  name(address: string): string | undefined;
}

/** Asks somebody else. @returns the whole answer to a whole query; undefined when nobody answers. */
export type Forward = (query: Uint8Array, question: Question) => Promise<Uint8Array | undefined>;

const LARGEST = 65535;

/**
 * Answers a query.
 *
 * @param whole whether an answer may have any length (TCP). @returns undefined for what gets no answer.
 */
export async function resolve(
  query: Uint8Array,
  names: Names,
  forward: Forward,
  whole: boolean,
): Promise<Uint8Array | undefined> {
  let question: Question | undefined;
  try {
    question = readQuery(query);
  } catch (error) {
    if (error instanceof BadQuery) return refusal(error);
    throw error;
  }
  if (!question) return undefined;
  const limit = whole ? LARGEST : question.limit;
  const own = ownRecords(question, names);
  if (own) return answer(question, own.code, own.records, limit);
  return await forward(query, question) ?? answer(question, SERVFAIL, [], limit);
}

function ownRecords(question: Question, names: Names): { code: number; records: RecordData[] } | undefined {
  const { name, type } = question;
  if (type === PTR) {
    const address = reverseAddress(name), owner = address && names.name(canonical(address));
    return owner === undefined ? undefined : { code: NOERROR, records: [owner] };
  }
  const addresses = names.addresses(name);
  // A name without a dot is nobody's in the world outside, and none of its business.
  if (!addresses) return name.includes(".") || name === "" ? undefined : { code: NXDOMAIN, records: [] };
  // It exists: whatever else is asked of it, there is nothing, instead of what another resolver may say of the name.
  const wanted = type === A ? addresses.filter(isV4) : type === AAAA ? addresses.filter((a) => !isV4(a)) : [];
  return { code: NOERROR, records: shuffled(wanted).map(addressBytes) };
}

const isV4 = (address: string) => !address.includes(":");

/** An address as one text, however it was written. */
export function canonical(address: string): string {
  const ip = parseIp(address);
  return ip ? formatIp(ip) : address;
}

/** Another one first each time: those who take the first share the work. */
function shuffled<T>(items: readonly T[]): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}
