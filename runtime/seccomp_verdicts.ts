/** What the rules of a section come to for each number of each kind of system call that the machine knows. */
import { allSyscallNumbers } from "../ffi/syscall_numbers.ts";
import { armNumbers, X32_SYSCALL_BIT, x32Numbers, x86Numbers } from "../ffi/syscall_numbers_32.ts";
import type { Condition, Rule, Section } from "./seccomp_rules.ts";

/** The machine that the filter is for. */
export type Architecture = "x86_64" | "aarch64";

/** An action, or the rules to try in order, with the default action behind them. */
export type Verdict = number | readonly ConditionalRule[];

export interface ConditionalRule {
  readonly action: number;
  /** Whether arguments have an upper half. */
  readonly is64: boolean;
  readonly conditions: readonly Condition[];
}

/** One way of making system calls. */
export interface Table {
  /** AUDIT_ARCH_… of include/uapi/linux/audit.h, as seccomp_data.arch has it. */
  readonly audit: number;
  /** By number; the default action holds for all others. */
  readonly verdicts: ReadonlyMap<number, Verdict>;
  /** The highest number that the section has a name for; -1 where it has none. */
  readonly last: number;
  /** x86-64 only: x32's calls, told apart by a bit in their number, are in `verdicts` too (the highest, or -1), or refused. */
  readonly x32?: { readonly last: number } | "refused";
  /** What is asked for more often than all else. */
  readonly hot: readonly number[];
}

type Lookup = (name: string) => number | undefined;

interface Kind {
  readonly audit: number;
  readonly is64: boolean;
  numbers(): Lookup;
}

const own = (column: 0 | 1) => (): Lookup => {
  const all = allSyscallNumbers();
  return (name) => {
    const number = all.get(name)?.[column] ?? -1;
    return number < 0 ? undefined : number;
  };
};
const table = (numbers: () => ReadonlyMap<string, number>) => (): Lookup => {
  const map = numbers();
  return (name) => map.get(name);
};

// AUDIT_ARCH_ values: the ELF machine, | 0x80000000 for 64 bits, | 0x40000000 for little-endian.
const KINDS = {
  SCMP_ARCH_X86_64: { audit: 0xc000003e, is64: true, numbers: own(0) },
  SCMP_ARCH_AARCH64: { audit: 0xc00000b7, is64: true, numbers: own(1) },
  SCMP_ARCH_X86: { audit: 0x40000003, is64: false, numbers: table(x86Numbers) },
  SCMP_ARCH_ARM: { audit: 0x40000028, is64: false, numbers: table(armNumbers) },
} as const satisfies Record<string, Kind>;

/** The kinds that can occur, the machine's own first. */
export const OF_MACHINE = {
  x86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  aarch64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
} as const;

/** Asked for so often that they come before all others. */
const HOT = ["read", "write", "futex"];

/** 32-bit Arm has a few numbers far above the others (0xf0001 …), which tell nothing of what is known. */
const ARM_PRIVATE = 0xf0000;

// i386 makes some calls through one, with a number of their own as its first argument: net/compat.c, ipc/syscall.c.
const SOCKET_CALLS =
  "- socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom " +
  "shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg";
const IPC_CALLS =
  "- semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl - - - - - - shmat shmdt shmget shmctl";

function multiplexed(): Map<string, { through: string; call: number }> {
  const found = new Map<string, { through: string; call: number }>();
  for (const [through, names] of [["socketcall", SOCKET_CALLS], ["ipc", IPC_CALLS]] as const) {
    names.split(" ").forEach((name, call) => name !== "-" && found.set(name, { through, call }));
  }
  return found;
}

/** The verdicts for a section on a machine, its own kind of calls first. */
export function tables(section: Section, architecture: Architecture): Table[] {
  const [native, ...others] = OF_MACHINE[architecture];
  const listed = others.filter((name) => section.architectures.includes(name));
  return [native, ...listed].map((name) => {
    const kind: Kind = KINDS[name], lookup = kind.numbers(), collector = new Collector(section);
    collector.add(lookup, kind.is64, name === "SCMP_ARCH_X86" ? multiplexed() : undefined);
    const last = collector.last;
    let x32: Table["x32"];
    if (name === "SCMP_ARCH_X86_64") {
      x32 = "refused";
      if (section.architectures.includes("SCMP_ARCH_X32")) {
        collector.last = -1;
        // As in libseccomp, to which x32 is a 32-bit machine.
        collector.add(table(x32Numbers)(), false);
        x32 = { last: collector.last };
      }
    }
    return {
      audit: kind.audit,
      verdicts: collector.verdicts(),
      last,
      ...x32 ? { x32 } : {},
      hot: HOT.flatMap((call) => lookup(call) ?? []),
    };
  });
}

/** Gathers rules by number. */
class Collector {
  readonly #section: Section;
  readonly #always = new Map<number, number>();
  readonly #conditional = new Map<number, ConditionalRule[]>();
  last = -1;

  constructor(section: Section) {
    this.#section = section;
  }

  add(lookup: Lookup, is64: boolean, through?: ReturnType<typeof multiplexed>): void {
    for (const rule of this.#section.rules) {
      const redundant = rule.action === this.#section.defaultAction;
      for (const name of rule.names) {
        const number = lookup(name);
        if (number !== undefined && number > this.last && (number < ARM_PRIVATE || number >= X32_SYSCALL_BIT)) {
          this.last = number;
        }
        // A rule that says what holds anyway takes nothing away from others: so do runc and libseccomp.
        if (redundant) continue;
        const multiplexer = through?.get(name);
        if (multiplexer) this.#throughMultiplexer(rule, lookup(multiplexer.through)!, multiplexer.call);
        if (number !== undefined) this.#rule(number, rule.action, rule.alternatives, is64);
      }
    }
  }

  #rule(number: number, action: number, alternatives: Rule["alternatives"], is64: boolean): void {
    const needed = is64 ? alternatives : alternatives.map((all) => all.map(lowHalf));
    const lists = needed.map((all) => all.filter(({ mask }) => mask.high || mask.low));
    if (lists.length === 0 || lists.some((all) => all.length === 0)) {
      // The first rule about a call whatever its arguments counts, and no rule about its arguments does.
      if (!this.#always.has(number)) this.#always.set(number, action);
    } else if (!this.#always.has(number)) {
      let rules = this.#conditional.get(number);
      if (!rules) this.#conditional.set(number, rules = []);
      for (const conditions of lists) rules.push({ action, is64, conditions });
    }
  }

  /** The multiplexer's first argument tells the call, so what a rule says of that one's own first argument is lost. */
  #throughMultiplexer({ action, alternatives }: Rule, number: number, call: number): void {
    const which: Condition = {
      index: 0,
      op: "SCMP_CMP_EQ",
      value: { high: 0, low: call },
      mask: { high: 0xffffffff, low: 0xffffffff },
    };
    const lists = alternatives.length === 0 ? [[]] : alternatives;
    this.#rule(number, action, lists.map((all) => [which, ...all.filter((c) => c.index !== 0)]), false);
  }

  verdicts(): Map<number, Verdict> {
    const verdicts = new Map<number, Verdict>(this.#always);
    for (const [number, rules] of this.#conditional) {
      // Of rules that contradict each other the stricter one counts, as among several filters (seccomp(2)).
      if (!verdicts.has(number)) {
        verdicts.set(
          number,
          rules.sort((a, b) => strictness(a.action) - strictness(b.action)),
        );
      }
    }
    return verdicts;
  }
}

/** The kernel compares actions as numbers with sign, without their data; the smaller one is the stricter. */
const strictness = (action: number) => (action & 0xffff0000) | 0;

/** Arguments of 32-bit calls have no upper half. */
const lowHalf = (c: Condition): Condition => ({
  ...c,
  value: { high: 0, low: c.value.low },
  mask: { high: 0, low: c.mask.low },
});
