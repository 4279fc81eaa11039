/** How a program asks its caller for something, in the middle of its operations: over a pair of sockets, see answer.ts. */
import { Errno } from "../errors.ts";
import { type Argument, type Details, op, type Operation, result } from "../program.ts";

/** What is asked. Descriptors are told by the operation that returned them, or by their number. */
export type Question =
  /** A path below a folder, to be opened with O_PATH: the answer is a descriptor, or the error. */
  | { readonly open: string; readonly from: string | number; readonly flags: number; readonly resolve: number }
  /**
   * The mounts whose attributes (MOUNT_ATTR_…) have to be changed so that those of `mount` are: the answers are a descriptor of
   * each and what to give to mount(2), one answer to every time that it is asked; ENODATA when there is no other.
   */
  | { readonly mount: string; readonly set: number; readonly clear: number; readonly below: boolean }
  /** What a mount has now, to give to mount(2) when its file system's options are changed. */
  | { readonly filesystem: string };

/** The number in an answer with a descriptor. The control message's length is added to it: EMFILE is left if none came. */
export const DESCRIPTOR_FOLLOWS = -24, CONTROL_BYTES = 24;
/** Bytes of an answer: a number, which is that or -errno, flags, and how many answers there may be besides. */
export const ANSWER_BYTES = 24;

const MSG_CMSG_CLOEXEC = 0x40000000;
// A struct msghdr, a control message with a descriptor, and the answer: recvmsg(2), cmsg(3).
const HEADER = 0,
  CONTROL = 56,
  DESCRIPTOR = CONTROL + 16,
  ANSWER = CONTROL + CONTROL_BYTES,
  SIZE = ANSWER + ANSWER_BYTES;
const CONTROL_LENGTH = 40;

const encoder = new TextEncoder();

/** Where the program ends when its caller is gone. */
export const ORPHANED = "orphaned";

/** The operations that ask for a descriptor, and the flags of the answer as an argument. */
export interface Asked {
  readonly operations: Operation[];
  readonly flags: Argument;
  /** How many more answers there may be. */
  readonly more: Argument;
}

/**
 * Asks, and waits for the answer.
 *
 * @param socket the program's end. @param name of the last operation, which returns what was answered: a descriptor or -errno.
 * @param details of that one.
 */
export function ask(socket: number, question: Question, name: string, why: string, details: Details = {}): Asked {
  const { operations, number, descriptor, flags, more } = begin(socket, question, name, why, details);
  return {
    operations: [...operations, op("add", [number, descriptor], why, { optional: false, ...details, name })],
    flags,
    more,
  };
}

/**
 * The same where the operations are come to again, for the next answer.
 *
 * @param name of the last operation, which returns a descriptor. @param end what is gone on with when there is no more.
 */
export function askEach(
  socket: number,
  question: Question,
  name: string,
  why: string,
  end: string,
  details: Details,
): Asked {
  const { operations, number, descriptor, flags, more } = begin(socket, question, name, why, details);
  const failed = { ...details, optional: false, jump: { when: "=", than: -Errno.ENODATA!, to: end } } as const;
  return {
    operations: [
      ...operations,
      // The descriptor of the answer before is still there when none comes along with this one.
      op("add", [number, 0], "is there another one?", { ...details, jump: { when: "=", to: name } }),
      op("add", [number, 0], why, failed),
      op("add", [descriptor, 0], why, { ...details, name }),
    ],
    flags,
    more,
  };
}

function begin(socket: number, question: Question, name: string, why: string, { on, insteadOf }: Details) {
  const cell = `answer to ${name}`, text = JSON.stringify(question), number = `${cell} number`;
  const at = (offset: number): Argument => ({ cell, size: SIZE, offset });
  const load = (offset: number): Argument => ({ load: cell, size: SIZE, offset });
  const parts: Argument = { words: [at(ANSWER), ANSWER_BYTES] };
  const header: Argument = { cell, size: SIZE, words: [0, 0, parts, 1, at(CONTROL), CONTROL_BYTES, 0] };
  const details = { ...on === undefined ? {} : { on }, ...insteadOf === undefined ? {} : { insteadOf } };
  const operations = [
    op("write", [socket, text, encoder.encode(text).length], `ask mini: ${why}`, details),
    op("recvmsg", [socket, header, MSG_CMSG_CLOEXEC], "mini's answer", {
      ...details,
      jump: { when: "<=", to: ORPHANED },
    }),
    op("add", [load(ANSWER), load(HEADER + CONTROL_LENGTH)], "an error, or a descriptor?", {
      ...details,
      name: number,
    }),
  ];
  return {
    operations,
    number: result(number),
    descriptor: load(DESCRIPTOR),
    flags: load(ANSWER + 8),
    more: load(ANSWER + 16),
  };
}
