/** Sections made at random from a seed, what they mean by the words of the specification, and calls worth trying on them. */
import { allSyscallNumbers } from "../ffi/syscall_numbers.ts";
import { armNumbers, x32Numbers, x86Numbers } from "../ffi/syscall_numbers_32.ts";
import type { LinuxSeccomp, SeccompAction, SeccompArg, SeccompSyscall } from "../runtime/seccomp_types.ts";
import type { Architecture } from "../runtime/seccomp_verdicts.ts";
import type { Call } from "./seccomp_interpreter.ts";
import type { Actioned } from "./seccomp_libseccomp.ts";

export const RET = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0,
  TRAP: 0x30000,
  ERRNO: 0x50000,
  NOTIFY: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
};
const KINDS = Object.keys(RET) as (keyof typeof RET)[];
const OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const;

/** A filter's value for an action of the specification. */
export function actionValue({ action, errnoRet }: Actioned): number {
  const kind = action === "SCMP_ACT_KILL" ? "KILL_THREAD" : action.replace("SCMP_ACT_", "") as keyof typeof RET;
  return RET[kind] + (kind === "ERRNO" || kind === "TRACE" ? errnoRet ?? 1 : 0);
}

/** A generator of numbers that is the same for the same seed (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * end);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  word(): bigint {
    const half = () => this.pick([0n, 1n, 2n, 5n, 0x80000000n, 0xffffffffn, BigInt(this.below(2 ** 32))]);
    return half() << 32n | half();
  }
}

/** Names of calls of every kind that the machine makes, with those that differ most between them first. */
export const ALL_NAMES: readonly string[] = [
  ...new Set([...allSyscallNumbers().keys(), ...x86Numbers().keys(), ...armNumbers().keys()]),
];
const SPECIAL = ["socket", "accept", "semop", "shmget", "ipc", "socketcall", "ioctl", "execve", "stat64"];

function randomAction(random: Random): Actioned {
  const kind = random.pick(KINDS);
  const action: SeccompAction = `SCMP_ACT_${kind}`;
  return (kind === "ERRNO" || kind === "TRACE") && random.below(2)
    ? { action, errnoRet: random.below(200) }
    : { action };
}

function randomArgs(random: Random, most: number): SeccompArg[] {
  return Array.from({ length: 1 + random.below(most) }, () => {
    const op = `SCMP_CMP_${random.pick(OPERATORS)}` as const;
    const value = random.pick([BigInt(random.below(8)), random.word()]);
    return { index: random.below(6), op, value, ...op === "SCMP_CMP_MASKED_EQ" ? { valueTwo: random.word() } : {} };
  });
}

export interface SectionOptions {
  /** The names to choose from. */
  readonly names: readonly string[];
  readonly architectures: readonly string[];
  /** Rules about one call may have different actions. */
  readonly contradictory: boolean;
  /** Most rules with conditions that one call gets, and most conditions of one. */
  readonly rules: number;
  readonly conditions: number;
}

export function randomSection(random: Random, options: SectionOptions): LinuxSeccomp {
  const fallback = randomAction(random);
  const syscalls: SeccompSyscall[] = [];
  const add = (names: string[], action: Actioned, args?: SeccompArg[]) =>
    syscalls.push({
      names,
      action: action.action,
      ...action.errnoRet === undefined ? {} : { errnoRet: action.errnoRet },
      ...args ? { args } : {},
    });
  const plain = Array.from({ length: random.below(60) }, () => random.pick(options.names));
  for (let i = 0; i < plain.length;) add(plain.slice(i, i += 1 + random.below(12)), randomAction(random));
  const used = new Set(plain);
  for (let i = random.below(8); i > 0; i--) {
    const name = random.pick([
      random.pick(SPECIAL.filter((special) => options.names.includes(special))),
      random.pick(options.names),
    ]);
    // What i386 makes of a socket call is a rule about socketcall as well: those would contradict each other.
    if (used.has(name)) continue;
    used.add(name);
    const action = randomAction(random);
    for (let j = 1 + random.below(options.rules); j > 0; j--) {
      add([name], options.contradictory ? randomAction(random) : action, randomArgs(random, options.conditions));
    }
  }
  return {
    defaultAction: fallback.action,
    ...fallback.errnoRet === undefined ? {} : { defaultErrnoRet: fallback.errnoRet },
    architectures: options.architectures.filter(() => random.below(3) > 0),
    syscalls,
  };
}

/** The kinds of calls: what the kernel calls each, and its numbers. */
export const CALL_KINDS: Record<string, { audit: number; is64: boolean; numbers: ReadonlyMap<string, number> }> = {
  SCMP_ARCH_X86_64: { audit: 0xc000003e, is64: true, numbers: column(0) },
  // To libseccomp x32 is a 32-bit machine, though the kernel shows its arguments whole.
  SCMP_ARCH_X32: { audit: 0xc000003e, is64: false, numbers: x32Numbers() },
  SCMP_ARCH_X86: { audit: 0x40000003, is64: false, numbers: x86Numbers() },
  SCMP_ARCH_AARCH64: { audit: 0xc00000b7, is64: true, numbers: column(1) },
  SCMP_ARCH_ARM: { audit: 0x40000028, is64: false, numbers: armNumbers() },
};

function column(index: 0 | 1): ReadonlyMap<string, number> {
  return new Map([...allSyscallNumbers()].flatMap(([name, row]) => row[index] < 0 ? [] : [[name, row[index]]]));
}

/** The kinds that a filter for the section knows. */
export function kindsOf(section: LinuxSeccomp, architecture: Architecture): string[] {
  const machine = architecture === "x86_64" ? ["X86_64", "X86", "X32"] : ["AARCH64", "ARM"];
  const [own, ...others] = machine.map((name) => `SCMP_ARCH_${name}`);
  return [own!, ...others.filter((name) => section.architectures?.includes(name))];
}

function holds({ index, op, value, valueTwo = 0 }: SeccompArg, args: readonly bigint[], bits: number): boolean {
  const word = (n: bigint | number) => BigInt.asUintN(bits, BigInt(n));
  const arg = word(args[index]!), one = word(value);
  switch (op) {
    case "SCMP_CMP_NE":
      return arg !== one;
    case "SCMP_CMP_LT":
      return arg < one;
    case "SCMP_CMP_LE":
      return arg <= one;
    case "SCMP_CMP_EQ":
      return arg === one;
    case "SCMP_CMP_GE":
      return arg >= one;
    case "SCMP_CMP_GT":
      return arg > one;
    case "SCMP_CMP_MASKED_EQ":
      return (arg & one) === (word(valueTwo) & one);
  }
}

/** What the section says of a call, worked out from its words; for names that are not made through socketcall or ipc. */
export function meaning(section: LinuxSeccomp, kind: string, name: string, args: readonly bigint[]): number {
  const bits = CALL_KINDS[kind]!.is64 ? 64 : 32;
  const fallback = actionValue({ action: section.defaultAction, errnoRet: section.defaultErrnoRet });
  const rules = (section.syscalls ?? []).filter((rule) => rule.names.includes(name))
    .filter((rule) => actionValue(rule) !== fallback);
  // A mask without bits says nothing; on 32 bits that is one whose bits are all in the upper half.
  const says = (arg: SeccompArg) => arg.op !== "SCMP_CMP_MASKED_EQ" || BigInt.asUintN(bits, BigInt(arg.value)) !== 0n;
  const split = rules.flatMap((rule) => {
    const all = rule.args ?? [], twice = new Set(all.map((a) => a.index)).size < all.length;
    const lists = twice ? all.map((arg) => [arg]) : [all];
    return lists.map((list) => ({ action: actionValue(rule), list: list.filter(says) }));
  });
  const always = split.find(({ list }) => list.length === 0);
  if (always) return always.action;
  const matching = split.filter(({ list }) => list.every((arg) => holds(arg, args, bits)));
  if (matching.length === 0) return fallback;
  const strictness = (action: number) => (action & 0xffff0000) | 0;
  return matching.reduce((a, b) => strictness(b.action) < strictness(a.action) ? b : a).action;
}

const ZEROS = [0n, 0n, 0n, 0n, 0n, 0n];

/** Every number that a kind may have, and its neighbours of other kinds, with arguments of no meaning. */
export function* everyNumber(architecture: Architecture): Generator<Call> {
  const foreign = [0xc00000f3, 0x80000015, 0];
  const audits = architecture === "x86_64"
    ? [CALL_KINDS.SCMP_ARCH_X86_64!.audit, CALL_KINDS.SCMP_ARCH_X86!.audit]
    : [CALL_KINDS.SCMP_ARCH_AARCH64!.audit, CALL_KINDS.SCMP_ARCH_ARM!.audit];
  const far = [
    1000,
    0xf0000,
    0xf0001,
    0xf0002,
    0xf0005,
    0xf0006,
    0x3fffffff,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
  ];
  for (const arch of [...audits, ...foreign]) {
    for (let number = 0; number <= 600; number++) yield { arch, number, args: ZEROS };
    for (let number = 0; number <= 600; number += 1) yield { arch, number: 0x40000000 + number, args: ZEROS };
    for (const number of far) yield { arch, number, args: ZEROS };
  }
}

/** Arguments on, beside, above and below what the rules about a call compare with. */
export function interestingArgs(section: LinuxSeccomp, name: string, random: Random): bigint[][] {
  const values: bigint[][] = Array.from({ length: 6 }, () => [0n, 0xffffffffffffffffn]);
  for (const rule of section.syscalls ?? []) {
    if (!rule.names.includes(name)) continue;
    for (const { index, value, valueTwo, op } of rule.args ?? []) {
      const bases = [BigInt(value), BigInt(valueTwo ?? value)];
      if (op === "SCMP_CMP_MASKED_EQ") bases.push(bases[0]! & bases[1]!, bases[1]! | ~bases[0]!);
      for (const base of bases) {
        for (const near of [base, base - 1n, base + 1n, base ^ 1n << 32n, base ^ 1n << 63n, base & 0xffffffffn]) {
          values[index]!.push(BigInt.asUintN(64, near));
        }
      }
    }
  }
  return Array.from({ length: 80 }, () => values.map((list) => random.pick(list)));
}

/**
 * Calls about which libseccomp 2.5 is known to go wrong, so that it cannot be the judge. Its tree of comparisons mixes up rules
 * about one argument of which one compares by order, if their upper halves differ or if one of them has further conditions:
 * `arg0 >= 3 or (arg0 < 5 and arg1 != 6)` lets arg0 = 2, arg1 = 6 by.
 */
export function doubtful(section: LinuxSeccomp): Set<string> {
  const byCall = new Map<string, SeccompArg[][]>();
  for (const { names, args = [] } of section.syscalls ?? []) {
    for (const name of names) byCall.set(name, [...byCall.get(name) ?? [], args]);
  }
  return new Set(
    [...byCall].filter(([, rules]) =>
      [0, 1, 2, 3, 4, 5].some((index) => {
        const about = rules.flat().filter((arg) => arg.index === index);
        const byOrder = about.some(({ op }) => /_[LG][TE]$/.test(op));
        const upperHalves = new Set(about.map(({ value }) => BigInt(value) >> 32n));
        return about.length > 1 && byOrder && (upperHalves.size > 1 || rules.some((args) => args.length > 1));
      })
    ).map(([name]) => name),
  );
}
