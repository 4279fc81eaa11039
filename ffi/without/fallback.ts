/** Programs that do without calls that are missing, and what their caller does for them. */
import type { Missing } from "../available.ts";
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../constants.ts";
import { close, syscall } from "../kernel.ts";
import type { Operation, Program } from "../program.ts";
import { readable } from "../reactor.ts";
import type { Spawned } from "../spawn.ts";
import { makePair } from "../take.ts";
import { Answers } from "./answer.ts";
import { lower } from "./lower.ts";

/** For one program. */
export class Fallback {
  /** What the program has to be passed, to be closed when it has been started. */
  readonly descriptors: readonly number[];
  readonly #missing: Missing;
  readonly #answers: Answers;
  #asker: Spawned | undefined;
  #isClosed = false;
  #isWaiting = false;

  constructor(missing: Missing) {
    this.#missing = missing;
    const [ours, theirs] = makePair();
    this.#answers = new Answers(ours);
    // They are open here so that no other descriptor has their numbers, here or in the program.
    const spare = () => syscall("openat", AT_FDCWD, "/", O_PATH | O_CLOEXEC);
    this.descriptors = [theirs, spare(), spare(), spare()];
  }

  /** The program, in its parts, without the calls that are missing. @param isNew whether it begins in a new mount namespace. */
  lower(sections: readonly Program[], isNew: boolean): Operation[][] {
    const [ask, place, slots, earlier] = this.descriptors as [number, number, number, number];
    return lower(sections, this.#missing, { ask, place, slots, earlier }, isNew);
  }

  /** Answers it, or from now on another process of it. Returns at once. */
  follow(asker: Spawned): void {
    const isFirst = this.#asker === undefined;
    this.#asker = asker;
    if (isFirst) this.#answerAll();
  }

  async #answerAll(): Promise<void> {
    const { socket } = this.#answers;
    const given = this.#given;
    for (;;) {
      this.#isWaiting = true;
      const ready = await readable(socket, given.signal);
      this.#isWaiting = false;
      if (!ready || !this.#answers.next(this.#asker!)) break;
    }
    this.close();
  }

  readonly #given = new AbortController();

  /** Answers the program until it has something else to say, on another socket, or has ended. */
  answerUntil(other: number, asker: Spawned): void {
    const POLLIN = 1n;
    // struct pollfd: the descriptor, what to wait for, and what has come.
    const polled = new BigUint64Array([BigInt(this.#answers.socket), BigInt(other)].map((fd) => fd | POLLIN << 32n));
    do syscall("ppoll", polled, 2, null, null, 8); while (polled[1]! >> 48n === 0n && this.#answers.next(asker));
  }

  /** No question is answered any more: a program that asks one ends. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isWaiting) this.#given.abort();
    close(this.#answers.socket);
  }
}
