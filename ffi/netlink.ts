/**
 * Netlink sockets: requests with their acknowledgements, and dumps. The kernel carries a request out before sendto(2) returns,
 * so that nothing here ever waits: what is to be received is there already.
 */
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "./constants.ts";
import { Errno, errnoMeaning, errnoName, SyscallError } from "./errors.ts";
import { act } from "./witness.ts";
import { close, syscall, trySyscall } from "./kernel.ts";
import {
  asNumber,
  asText,
  attributes,
  concat,
  decode,
  encode,
  HEADER_BYTES,
  type Message,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Received,
} from "./netlink_message.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const SOL_NETLINK = 270, SOL_SOCKET = 1, SO_SNDBUFFORCE = 32;
const NETLINK_CAP_ACK = 10, NETLINK_EXT_ACK = 11, NETLINK_GET_STRICT_CHK = 12;
const MSG_DONTWAIT = 0x40, MSG_TRUNC = 0x20;
const NLMSGERR_ATTR_MSG = 1;
/** More than the kernel puts into one answer (it allocates at most 32 KiB for a part of a dump). */
const RECEIVE_BYTES = 64 * 1024;
/** What a socket holds by default (net.core.wmem_default); larger requests need a larger buffer. */
const SEND_BYTES = 128 * 1024;
/** How often a dump is begun again that was changed underneath. */
const DUMP_TRIES = 20;

/** A request that the kernel refused. The message is a sentence that says what was asked, and why not. */
export class NetlinkError extends SyscallError {
  override name = "NetlinkError";
  /** @param what the request in words. @param explanation what the kernel says beside the number, if anything. */
  constructor(readonly what: string, errno: number, readonly explanation = "") {
    super("netlink", errno, what);
    const more = explanation === "" ? "" : `, "${explanation.replace(/\.$/, "")}"`;
    this.message = `cannot ${what}: ${errnoMeaning(errno)} (${errnoName(errno)}${more})`;
  }
}

/** The outcome in an NLMSG_ERROR: errno (0 for success) and the kernel's own words. */
export function readError({ flags, body }: Pick<Received, "flags" | "body">): { errno: number; explanation: string } {
  const errno = -(asNumber(body.subarray(0, 4)) | 0);
  // The header of the request follows; NETLINK_CAP_ACK leaves out the rest of it.
  const explanation = flags & NLM_F_ACK_TLVS ? asText(attributes(body, 4 + HEADER_BYTES).get(NLMSGERR_ATTR_MSG)) : "";
  return { errno, explanation };
}

/** A netlink socket. */
export class Netlink implements Disposable {
  #sequence = 0;
  #buffer: Uint8Array<ArrayBuffer> | undefined;

  /** @param fd a netlink socket, of whatever network namespace; ours to close. */
  constructor(readonly fd: number) {
    const one = new Int32Array([1]);
    // Older kernels lack some of them; then a failure is told with its number only.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      trySyscall("setsockopt", fd, SOL_NETLINK, option, one, 4);
    }
  }

  /** A socket of this process's own network namespace. @throws {SyscallError} when the kernel lacks the protocol. */
  static open(protocol: number): Netlink {
    return new Netlink(syscall("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  }

  /**
   * A socket that is told of what happens in this process's own network namespace: wait until `fd` is readable, then ask `news`.
   *
   * @param group a number of the protocol's, from 1. @throws {SyscallError}
   */
  static listen(protocol: number, group: number): Netlink {
    const netlink = Netlink.open(protocol);
    try {
      const numbers = new Uint32Array([AF_NETLINK, 0, 1 << (group - 1)]); // struct sockaddr_nl
      syscall("bind", netlink.fd, numbers, numbers.byteLength);
      return netlink;
    } catch (error) {
      netlink[Symbol.dispose]();
      throw error;
    }
  }

  /** What has been told since the last time; undefined where it was more than the socket holds, and some of it is lost. */
  news(): Received[] | undefined {
    const all: Received[] = [];
    let complete = true;
    for (;;) {
      try {
        const received = this.#receive();
        if (!received) return complete ? all : undefined;
        all.push(...received);
      } catch (error) {
        if (!(error instanceof SyscallError && error.errno === ENOBUFS)) throw error;
        complete = false;
      }
    }
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length > SEND_BYTES) {
      trySyscall("setsockopt", this.fd, SOL_SOCKET, SO_SNDBUFFORCE, new Int32Array([2 * bytes.length]), 4);
    }
    syscall("sendto", this.fd, bytes, bytes.length, 0, null, 0);
  }

  /** What there is to be received; undefined if there is nothing. */
  #receive(): Received[] | undefined {
    this.#buffer ??= new Uint8Array(RECEIVE_BYTES);
    for (;;) {
      const length = trySyscall("recvfrom", this.fd, this.#buffer, RECEIVE_BYTES, MSG_DONTWAIT | MSG_TRUNC, null, 0);
      if (length === -Errno.EAGAIN) return undefined;
      if (length === -EINTR) continue;
      if (length < 0) throw new SyscallError("recvfrom", -length, "netlink");
      if (length > RECEIVE_BYTES) throw new Error(`netlink: an answer of ${length} bytes`);
      return decode(this.#buffer.slice(0, length));
    }
  }

  /**
   * Sends requests at once and reads the outcome of each. All are carried out in order, also after one that fails.
   *
   * @throws {NetlinkError} for the first that failed.
   */
  request(...messages: readonly Message[]): void {
    const failed = this.attempt(messages).find((outcome) => outcome !== undefined);
    if (failed) throw failed;
  }

  /** The same, but gives the failure of each, undefined where there was none. */
  attempt(messages: readonly Message[]): (NetlinkError | undefined)[] {
    if (messages.length === 0) return [];
    const first = this.#sequence + 1;
    act(
      () => `sendto(${this.fd}, ${messages.length} messages of netlink)`,
      messages.map(({ what }) => what).join("; "),
      () => this.#send(concat(...messages.map((message) => encode(message, ++this.#sequence, NLM_F_ACK)))),
    );
    const outcomes = new Map<number, NetlinkError | undefined>();
    while (outcomes.size < messages.length) {
      const received = this.#receive();
      if (!received) throw new Error(`netlink: the kernel did not answer whether it could ${messages[0]?.what}`);
      for (const answer of received) {
        const i = answer.sequence - first, message = messages[i];
        if (answer.type !== NLMSG_ERROR || !message) continue;
        const { errno, explanation } = readError(answer);
        outcomes.set(i, errno === 0 ? undefined : new NetlinkError(message.what, errno, explanation));
      }
    }
    return messages.map((_, i) => outcomes.get(i));
  }

  /**
   * Sends requests that take effect together or not at all (nf_tables): only the last is acknowledged when all is well.
   *
   * @param begin the message in front of them. @param end the one behind them.
   * @throws {NetlinkError} for the first that failed.
   */
  batch(begin: Message, messages: readonly Message[], end: Message): void {
    if (messages.length === 0) return;
    const first = this.#sequence + 1, all = [begin, ...messages, end], last = messages.length;
    act(
      () => `sendto(${this.fd}, ${messages.length} messages of nf_tables)`,
      messages.map(({ what }) => what).join("; "),
      () =>
        this.#send(concat(...all.map((message, i) => encode(message, ++this.#sequence, i === last ? NLM_F_ACK : 0)))),
    );
    let failure: NetlinkError | undefined, done = false;
    for (let received; (received = this.#receive());) {
      for (const answer of received) {
        if (answer.type !== NLMSG_ERROR) continue;
        const i = answer.sequence - first, { errno, explanation } = readError(answer);
        if (errno !== 0) failure ??= new NetlinkError(all[i]?.what ?? begin.what, errno, explanation);
        else done ||= i === last;
      }
    }
    if (failure) throw failure;
    if (!done) throw new Error("netlink: the kernel did not answer a batch");
  }

  /**
   * Asks for a list, and gives every message of it. Begun again if it was changed meanwhile.
   *
   * @throws {NetlinkError} when the kernel refuses.
   */
  dump(message: Message): Received[] {
    for (let tries = 0;; tries++) {
      const { list, changed } = this.#dumpOnce(message);
      if (!changed || tries >= DUMP_TRIES) return list;
    }
  }

  #dumpOnce(message: Message): { list: Received[]; changed: boolean } {
    const sequence = ++this.#sequence, list: Received[] = [];
    this.#send(encode(message, sequence, NLM_F_DUMP));
    for (let changed = false;;) {
      const received = this.#receive();
      if (!received) throw new Error(`netlink: the kernel did not come to an end when asked to ${message.what}`);
      for (const answer of received) {
        if (answer.sequence !== sequence) continue;
        if (answer.flags & NLM_F_DUMP_INTR) changed = true;
        // The end of a dump has an outcome like an error's, of which only the number is always there.
        if (answer.type === NLMSG_DONE || answer.type === NLMSG_ERROR) {
          const errno = answer.body.length >= 4 ? -(asNumber(answer.body.subarray(0, 4)) | 0) : 0;
          if (errno === EINTR) return { list, changed: true };
          if (errno !== 0) throw new NetlinkError(message.what, errno);
          return { list, changed };
        }
        list.push(answer);
      }
    }
  }

  /** Asks for one thing. Undefined if there is no such thing. @throws {NetlinkError} when the kernel refuses. */
  get(message: Message): Received | undefined {
    const sequence = ++this.#sequence;
    this.#send(encode(message, sequence));
    const answer = this.#receive()?.find((received) => received.sequence === sequence);
    if (!answer) throw new Error(`netlink: the kernel did not answer when asked to ${message.what}`);
    if (answer.type !== NLMSG_ERROR) return answer;
    const { errno, explanation } = readError(answer);
    if (errno === Errno.ENODEV || errno === Errno.ENOENT) return undefined;
    throw new NetlinkError(message.what, errno, explanation);
  }
}
const EINTR = 4, ENOBUFS = 105;
