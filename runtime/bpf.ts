/**
 * Assembles classic BPF programs, as seccomp(2) takes them: struct sock_filter of include/uapi/linux/filter.h.
 *
 * All jumps of classic BPF go forward, so a program is put together from its end: whatever is jumped to is there already, and
 * every distance is known when the jump is written.
 */
import { MiniError } from "../ffi/errors.ts";

/** Most instructions that the kernel takes (BPF_MAXINSNS). */
export const BPF_MAXINSNS = 4096;
/** sizeof(struct sock_filter) */
export const SOCK_FILTER_BYTES = 8;

// Operation codes: class, size or source, mode.
/** BPF_LD | BPF_W | BPF_ABS: load a word. */
export const LD = 0x20;
/** BPF_ALU | BPF_AND | BPF_K */
export const AND = 0x54;
/** BPF_JMP | BPF_JA: jump always; the distance may be any. */
export const JA = 0x05;
/** BPF_JMP | BPF_JEQ | BPF_K; comparisons are without sign. */
export const JEQ = 0x15;
export const JGT = 0x25;
export const JGE = 0x35;
/** BPF_JMP | BPF_JSET | BPF_K: is any of these bits set? */
export const JSET = 0x45;
/** BPF_RET | BPF_K */
export const RET = 0x06;

/** Farthest that a conditional jump is let go, of 255: up to two stepping stones come between it and its target. */
const FARTHEST = 253;

/** A place in a program that can be jumped to from in front of it. */
export type Label = number;

/** A program in the making, from its end to its beginning. */
export class Assembler {
  // Two words for each instruction, filled from the end: code, jump if true, jump if false; operand.
  readonly #words = new Uint32Array(2 * BPF_MAXINSNS);
  /** The instruction that comes first so far. */
  #first = BPF_MAXINSNS;
  readonly #returns = new Map<number, Label>();

  /** The place of what was emitted last, which is what runs next. */
  get label(): Label {
    return this.#first;
  }

  #emit(code: number, jumpTrue: number, jumpFalse: number, operand: number): Label {
    if (this.#first === 0) {
      throw new MiniError(`the seccomp filter needs more than the ${BPF_MAXINSNS} instructions that the kernel takes`);
    }
    const at = --this.#first;
    this.#words[2 * at] = code | jumpTrue << 16 | jumpFalse << 24;
    this.#words[2 * at + 1] = operand;
    return at;
  }

  /** Ends the program with this value; the same value within reach is used again. */
  ret(value: number): Label {
    const known = this.#returns.get(value);
    if (known !== undefined && known - this.#first <= FARTHEST) return known;
    const at = this.#emit(RET, 0, 0, value);
    this.#returns.set(value, at);
    return at;
  }

  /** A conditional jump. */
  branch(code: number, operand: number, ifTrue: Label, ifFalse: Label): Label {
    if (ifTrue === ifFalse) return ifTrue;
    const yes = this.#near(ifTrue), no = this.#near(ifFalse);
    const next = this.#first;
    return this.#emit(code, yes - next, no - next, operand);
  }

  /** The target, or a stepping stone on the way to it. */
  #near(target: Label): Label {
    if (target - this.#first <= FARTHEST) return target;
    if (this.#words[2 * target] === RET) return this.ret(this.#words[2 * target + 1]!);
    return this.#emit(JA, 0, 0, target - this.#first);
  }

  /** Loads or changes the accumulator and goes on with what was emitted last. */
  step(code: number, operand: number): Label {
    return this.#emit(code, 0, 0, operand);
  }

  /** Makes `target` what runs next. */
  goOnWith(target: Label): void {
    if (target !== this.#first) this.#emit(JA, 0, 0, target - this.#first);
  }

  /** The finished program, an array of struct sock_filter in the byte order of both machines. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.slice(2 * this.#first).buffer);
  }
}
