/**
 * Compiles the OCI `linux.seccomp` section to a filter for seccomp(2): the verdicts are libseccomp's, the shape is our own.
 *
 * A filter tells the kinds of calls apart (x86-64 and i386, aarch64 and 32-bit Arm), asks for a few calls that come all the
 * time, and finds the others by a binary search over ranges of numbers with the same verdict.
 */
import { AND, Assembler, JEQ, JGE, JGT, JSET, type Label, LD, SOCK_FILTER_BYTES } from "./bpf.ts";
import { X32_SYSCALL_BIT } from "../ffi/syscall_numbers_32.ts";
import {
  type Condition,
  readSection,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
} from "./seccomp_rules.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";
import { type Architecture, type ConditionalRule, type Table, tables, type Verdict } from "./seccomp_verdicts.ts";

// Offsets in struct seccomp_data; arguments are 64 bits, the low half first on both machines.
const NUMBER = 0, ARCH = 4, ARGUMENTS = 16;
const ENOSYS = 38;
/** -1, the number of no call. */
const NO_CALL = 0xffffffff;

/** A filter and what goes to seccomp(2) with it. */
export interface SeccompFilter {
  /** struct sock_filter[] */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly instructions: number;
  /** SECCOMP_FILTER_FLAG_… bits. */
  readonly flags: number;
}

/** What a filter is compiled for. */
export interface CompileOptions {
  readonly architecture: Architecture;
  /**
   * As runc does it unless the default is to allow: calls with higher numbers than any that the section names are unknown to
   * who wrote it, and fail with ENOSYS, so that programs fall back on what they did before there was such a call. On by default.
   */
  readonly newerCallsAreMissing?: boolean;
}

/**
 * The filter for a section. Names of calls that the machine has not are passed over; calls of a kind that the section does not
 * list end the thread.
 *
 * @throws {MiniError} for the first thing in the section that is wrong or not done, and for a filter that gets too long.
 */
export function compileSeccomp(section: LinuxSeccomp, options: CompileOptions): SeccompFilter {
  const read = readSection(section);
  const { defaultAction } = read, kind = defaultAction & 0xffff0000;
  const isLenient = [SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE].includes(kind);
  const newer = (options.newerCallsAreMissing ?? true) && !isLenient ? SECCOMP_RET_ERRNO | ENOSYS : defaultAction;
  const all = tables(read, options.architecture);
  const code = new Generator(defaultAction, newer);
  // From the end: what is rarest lies farthest away.
  const starts = all.toReversed().map((table) => ({ audit: table.audit, at: code.table(table) })).toReversed();
  const bytes = code.dispatch(starts);
  return { bytes, instructions: bytes.length / SOCK_FILTER_BYTES, flags: read.flags };
}

/** Code that begins by loading a word; who has loaded that one already comes in behind it. */
interface Entry {
  readonly at: Label;
  readonly loaded?: { readonly word: number; readonly at: Label };
}

/** Numbers from `from` up to the next range's, all with the same verdict. */
interface Range {
  readonly from: number;
  readonly verdict: Verdict;
}

class Generator {
  readonly #code = new Assembler();
  readonly #defaultAction: number;
  readonly #newer: number;

  constructor(defaultAction: number, newer: number) {
    this.#defaultAction = defaultAction;
    this.#newer = newer;
  }

  /** The beginning: which kind of call is it? */
  dispatch(starts: readonly { audit: number; at: Label }[]): Uint8Array<ArrayBuffer> {
    const code = this.#code;
    let next = code.ret(SECCOMP_RET_KILL_THREAD);
    for (const { audit, at } of starts.toReversed()) next = code.branch(JEQ, audit, at, next);
    code.goOnWith(next);
    code.step(LD, ARCH);
    return code.bytes();
  }

  /** The search for a number among those of one kind. */
  table(table: Table): Label {
    const code = this.#code;
    const ranges = this.#ranges(table), blocks = new Map<Verdict, Label>();
    const search = (first: number, last: number): Label => {
      const { verdict } = ranges[first]!;
      if (first === last) return this.#verdict(verdict, blocks);
      const isOne = ranges[first + 1]!.from + 1 === ranges[first + 2]?.from;
      if (last === first + 2 && isOne && verdict === ranges[last]!.verdict) {
        // One number in the middle of others: one comparison instead of two.
        const otherwise = this.#verdict(verdict, blocks), one = ranges[first + 1]!;
        return code.branch(JEQ, one.from, this.#verdict(one.verdict, blocks), otherwise);
      }
      const middle = first + Math.ceil((last - first) / 2);
      const above = search(middle, last), below = search(first, middle - 1);
      return code.branch(JGE, ranges[middle]!.from, above, below);
    };
    let next = search(0, ranges.length - 1);
    for (const number of table.hot.toReversed()) {
      if (table.verdicts.get(number) === SECCOMP_RET_ALLOW) {
        next = code.branch(JEQ, number, code.ret(SECCOMP_RET_ALLOW), next);
      }
    }
    code.goOnWith(next);
    return code.step(LD, NUMBER);
  }

  #verdict(verdict: Verdict, blocks: Map<Verdict, Label>): Label {
    if (typeof verdict === "number") return this.#code.ret(verdict);
    let at = blocks.get(verdict);
    if (at === undefined) blocks.set(verdict, at = this.#rules(verdict));
    return at;
  }

  /** All numbers from 0 to the highest, in order. */
  #ranges({ verdicts, last, x32 }: Table): Range[] {
    const known = this.#defaultAction;
    const between: [from: number, verdict: number][] = [[0, known]];
    if (last >= 0) between.push([last + 1, this.#newer]);
    if (x32 === "refused") between.push([X32_SYSCALL_BIT, SECCOMP_RET_KILL_THREAD]);
    else if (x32) {
      between.push([X32_SYSCALL_BIT, known]);
      if (x32.last >= 0) between.push([x32.last + 1, this.#newer]);
    }
    // What a tracer writes over a number so that nothing is called: it has been filtered before.
    between.push([NO_CALL, known]);
    const starts = new Set(between.map(([from]) => from));
    for (const number of verdicts.keys()) starts.add(number).add(number + 1);
    const ranges: Range[] = [];
    for (const from of [...starts].sort((a, b) => a - b)) {
      const verdict = verdicts.get(from) ?? between.findLast((b) => b[0] <= from)![1];
      if (ranges.at(-1)?.verdict !== verdict) ranges.push({ from, verdict });
    }
    return ranges;
  }

  #rules(rules: readonly ConditionalRule[]): Label {
    let next: Entry = { at: this.#code.ret(this.#defaultAction) };
    for (const { action, is64, conditions } of rules.toReversed()) {
      let yes: Entry = { at: this.#code.ret(action) };
      for (const condition of conditions.toReversed()) yes = this.#condition(condition, is64, yes, next);
      next = yes;
    }
    return next.at;
  }

  #condition({ index, op, value, mask }: Condition, is64: boolean, yes: Entry, no: Entry): Entry {
    const low = ARGUMENTS + 8 * index, high = low + 4;
    const compare = (code: number, then: Entry, otherwise: Entry): Entry => {
      const last = this.#test(low, code, value.low, then, otherwise);
      if (!is64) return last;
      const equal = this.#test(high, JEQ, value.high, last, otherwise);
      return code === JEQ ? equal : this.#test(high, JGT, value.high, then, equal);
    };
    switch (op) {
      case "SCMP_CMP_EQ":
        return compare(JEQ, yes, no);
      case "SCMP_CMP_NE": {
        const last = this.#test(low, JEQ, value.low, no, yes);
        return is64 ? this.#test(high, JEQ, value.high, last, yes) : last;
      }
      case "SCMP_CMP_GT":
        return compare(JGT, yes, no);
      case "SCMP_CMP_GE":
        return compare(JGE, yes, no);
      case "SCMP_CMP_LT":
        return compare(JGE, no, yes);
      case "SCMP_CMP_LE":
        return compare(JGT, no, yes);
      case "SCMP_CMP_MASKED_EQ": {
        const last = mask.low ? this.#masked(low, mask.low, value.low, yes, no) : yes;
        return is64 && mask.high ? this.#masked(high, mask.high, value.high, last, no) : last;
      }
    }
  }

  /** Loads a word and compares it. */
  #test(word: number, code: number, operand: number, yes: Entry, no: Entry): Entry {
    const behind = (entry: Entry) => entry.loaded?.word === word ? entry.loaded.at : entry.at;
    const ifTrue = behind(yes), ifFalse = behind(no);
    if (ifTrue === ifFalse) return yes;
    const at = this.#code.branch(code, operand, ifTrue, ifFalse);
    return { at: this.#code.step(LD, word), loaded: { word, at } };
  }

  #masked(word: number, mask: number, value: number, yes: Entry, no: Entry): Entry {
    if (mask === 0xffffffff) return this.#test(word, JEQ, value, yes, no);
    if (value === 0) return this.#test(word, JSET, mask, no, yes);
    if (yes.at === no.at) return yes;
    const code = this.#code;
    code.branch(JEQ, value, yes.at, no.at);
    const at = code.step(AND, mask);
    return { at: code.step(LD, word), loaded: { word, at } };
  }
}
