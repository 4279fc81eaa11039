/** Asks the host's own resolvers, from the host's network: over UDP, and over TCP where an answer is too long for that. */
import { close, syscall } from "../../ffi/kernel.ts";
import { readable } from "../../ffi/reactor.ts";
import { answers, NOTIMP, type Question, REFUSED, SERVFAIL, withId } from "./message.ts";
import type { Forward } from "./resolver.ts";
import { connectedSocket, receiveFrom } from "./socket.ts";

const PORT = 53;
/** How long each resolver has. */
const TIMEOUT_MS = 2000;
/** How often all of them are asked. */
const ROUNDS = 2;
/** How long one that did not answer is asked after those that do, so that not every question waits for it. */
const REST_MS = 30_000;
/** How many questions of one container may be on their way: a container that asks without end gets no memory without end. */
const MOST_PENDING = 256;

/** Where the host's resolvers are: `address` or `address#port`, in the order that they are asked. */
export type Upstreams = () => readonly string[];

/** Resolvers that did not answer, and until when they are asked last. */
const resting = new Map<string, number>();

/** Those that answer first, otherwise in their order. */
function inTurn(upstreams: readonly string[]): string[] {
  const now = performance.now(), rests = (upstream: string) => Number((resting.get(upstream) ?? 0) > now);
  return upstreams.toSorted((a, b) => rests(a) - rests(b));
}

/** Whether another resolver may know more: this one has failed, or does not want to be asked. */
const isRefusal = (message: Uint8Array) => [SERVFAIL, NOTIMP, REFUSED].includes(message[3]! & 0xf);

function place(upstream: string): { address: string; port: number } {
  const [address = "", port] = upstream.split("#");
  return { address, port: port === undefined ? PORT : Number(port) };
}

/** A function that asks the resolvers one after the other. @param whole over TCP. */
export function forwarder(upstreams: Upstreams, whole: boolean): Forward {
  let pending = 0;
  return async (query, question) => {
    if (pending >= MOST_PENDING) return undefined;
    pending++;
    try {
      const ask = whole ? askWhole : askOnce;
      for (let round = 0; round < ROUNDS; round++) {
        let refusal: Uint8Array | undefined;
        for (const upstream of inTurn(upstreams())) {
          const message = await ask(upstream, query, question).catch(() => undefined); // the next may be reachable
          if (message) resting.delete(upstream);
          else resting.set(upstream, performance.now() + REST_MS);
          if (message && !isRefusal(message)) return withId(message, question.id);
          refusal ??= message;
        }
        if (refusal) return withId(refusal, question.id);
      }
      return undefined;
    } finally {
      pending--;
    }
  };
}

async function askOnce(upstream: string, query: Uint8Array, question: Question): Promise<Uint8Array | undefined> {
  const { address, port } = place(upstream);
  // A number of our own, and a port of its own: whoever wants to forge an answer has to guess both (RFC 5452).
  const id = crypto.getRandomValues(new Uint16Array(1))[0]!;
  const fd = connectedSocket(address, port);
  try {
    const message = withId(query, id);
    syscall("sendto", fd, message, message.length, 0, null, 0);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    while (await readable(fd, signal)) {
      const datagram = receiveFrom(fd);
      if (!datagram) return undefined; // refused: nobody listens there
      if (answers(datagram.bytes, id, question)) return datagram.bytes;
    }
    return undefined;
  } finally {
    close(fd);
  }
}

async function askWhole(upstream: string, query: Uint8Array, question: Question): Promise<Uint8Array | undefined> {
  const { address, port } = place(upstream);
  using connection = await Deno.connect({ hostname: address, port, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const timer = setTimeout(() => connection.close(), TIMEOUT_MS);
  try {
    const id = crypto.getRandomValues(new Uint16Array(1))[0]!;
    await writeMessage(connection, withId(query, id));
    const message = await readMessage(connection);
    return message && answers(message, id, question) ? message : undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** Writes a message with its length in front: RFC 1035, 4.2.2. */
export async function writeMessage(
  to: { write(bytes: Uint8Array): Promise<number> },
  message: Uint8Array,
): Promise<void> {
  const bytes = new Uint8Array(2 + message.length);
  new DataView(bytes.buffer).setUint16(0, message.length);
  bytes.set(message, 2);
  for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
}

/** Reads such a message; undefined at the end. */
export async function readMessage(
  from: { read(bytes: Uint8Array): Promise<number | null> },
): Promise<Uint8Array | undefined> {
  const exactly = async (count: number) => {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const read = await from.read(bytes.subarray(done));
      if (read === null) return undefined;
      done += read;
    }
    return bytes;
  };
  const length = await exactly(2);
  return length && await exactly(length[0]! << 8 | length[1]!);
}
