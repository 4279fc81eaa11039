/** Reads and checks the OCI `linux.seccomp` section: from names to numbers, actions to values, conditions to masks. */
import { MiniError } from "../ffi/errors.ts";
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from "./seccomp_types.ts";

/** Return values of a filter, include/uapi/linux/seccomp.h. */
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_KILL_THREAD = 0x00000000;
export const SECCOMP_RET_TRAP = 0x00030000;
export const SECCOMP_RET_ERRNO = 0x00050000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
export const SECCOMP_RET_TRACE = 0x7ff00000;
export const SECCOMP_RET_LOG = 0x7ffc0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;

export const ACTIONS: ReadonlyMap<unknown, number> = new Map([
  ["SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD],
  ["SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD],
  ["SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS],
  ["SCMP_ACT_TRAP", SECCOMP_RET_TRAP],
  ["SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO],
  ["SCMP_ACT_TRACE", SECCOMP_RET_TRACE],
  ["SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW],
  ["SCMP_ACT_LOG", SECCOMP_RET_LOG],
  ["SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF],
]);
export const OPERATORS: ReadonlySet<unknown> = new Set(
  ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((op) => `SCMP_CMP_${op}`),
);
export const FLAGS: ReadonlyMap<unknown, number> = new Map([
  ["SECCOMP_FILTER_FLAG_TSYNC", 1],
  ["SECCOMP_FILTER_FLAG_LOG", 2],
  ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4],
  ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32],
]);
/** The OCI specification's list; most of them cannot occur on any one machine. */
const ARCHITECTURES: ReadonlySet<unknown> = new Set(
  ("X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC " +
    "PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB").split(" ").map((name) => `SCMP_ARCH_${name}`),
);

const EPERM = 1;

/** 64 bits as a filter sees them: two halves without sign. */
export interface Word {
  readonly high: number;
  readonly low: number;
}
const ALL_BITS: Word = { high: 0xffffffff, low: 0xffffffff };

/** A comparison as the filter makes it. */
export interface Condition {
  readonly index: number;
  readonly op: SeccompArg["op"];
  /** For SCMP_CMP_MASKED_EQ without the bits that the mask leaves out. */
  readonly value: Word;
  /** All bits but for SCMP_CMP_MASKED_EQ. */
  readonly mask: Word;
}

/** A rule about calls by name: they get `action` if one of `alternatives` holds in all its conditions. */
export interface Rule {
  readonly names: readonly string[];
  readonly action: number;
  /** Empty: whatever the arguments. */
  readonly alternatives: readonly (readonly Condition[])[];
}

/** A section that has been checked. */
export interface Section {
  readonly defaultAction: number;
  /** SCMP_ARCH_… names. */
  readonly architectures: readonly string[];
  /** SECCOMP_FILTER_FLAG_… bits for seccomp(2). */
  readonly flags: number;
  readonly rules: readonly Rule[];
}

function refuse(where: string, sentence: string): never {
  throw new MiniError(`linux.seccomp${where}: ${sentence}`);
}

const show = (value: unknown) => typeof value === "bigint" ? `${value}` : JSON.stringify(value) ?? "nothing";

function readAction(action: unknown, errnoRet: unknown, where: string): number {
  const value = ACTIONS.get(action);
  if (value === undefined) refuse(where, `there is no action ${show(action)}`);
  if (value !== SECCOMP_RET_ERRNO && value !== SECCOMP_RET_TRACE) {
    if (errnoRet !== undefined && errnoRet !== null) {
      refuse(where, `${action} takes no errno value, so ${show(errnoRet)} has no meaning`);
    }
    return value;
  }
  const errno = errnoRet ?? EPERM;
  if (typeof errno !== "number" || !Number.isInteger(errno) || errno < 0 || errno > 0xffff) {
    refuse(where, `${show(errno)} is not an errno value (0 to 65535)`);
  }
  return value | errno;
}

function readWord(value: unknown, where: string): Word {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
    return { high: Math.floor(value / 2 ** 32), low: value >>> 0 };
  }
  if (typeof value === "bigint" && value >= 0n && value < 1n << 64n) {
    return { high: Number(value >> 32n), low: Number(value & 0xffffffffn) };
  }
  refuse(where, `${show(value)} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
}

function readCondition(arg: SeccompArg, where: string): Condition {
  if (typeof arg !== "object" || arg === null) refuse(where, `${show(arg)} is not an object`);
  const { index, op } = arg;
  if (!Number.isInteger(index) || index < 0 || index > 5) {
    refuse(where, `a call has the arguments 0 to 5, and ${show(index)} is none of them`);
  }
  if (!OPERATORS.has(op)) refuse(where, `there is no comparison ${show(op)}`);
  const value = readWord(arg.value, where);
  if (op !== "SCMP_CMP_MASKED_EQ") return { index, op, value, mask: ALL_BITS };
  const wanted = readWord(arg.valueTwo ?? 0, where);
  return {
    index,
    op,
    mask: value,
    value: { high: (wanted.high & value.high) >>> 0, low: (wanted.low & value.low) >>> 0 },
  };
}

/** What one entry of `syscalls` asks for: the conditions of one list must hold together. */
function readAlternatives(call: SeccompSyscall, where: string): Condition[][] {
  const args = call.args ?? [];
  if (!Array.isArray(args)) refuse(where, "args is not a list");
  const conditions = args.map((arg, i) => readCondition(arg, `${where}.args[${i}]`));
  if (conditions.length === 0) return [];
  // runc and with it every profile takes conditions on the same argument as alternatives, all of them.
  const twice = new Set(conditions.map((c) => c.index)).size < conditions.length;
  return twice ? conditions.map((c) => [c]) : [conditions];
}

/** @throws {MiniError} for the first thing in it that is wrong or that is not done. */
export function readSection(section: LinuxSeccomp): Section {
  if (typeof section !== "object" || section === null) refuse("", `${show(section)} is not an object`);
  const { architectures = [], flags = [], syscalls = [] } = section;
  for (const [name, list] of Object.entries({ architectures, flags, syscalls })) {
    if (!Array.isArray(list)) refuse(`.${name}`, `${show(list)} is not a list`);
  }
  for (const architecture of architectures) {
    if (!ARCHITECTURES.has(architecture)) refuse(".architectures", `there is no architecture ${show(architecture)}`);
  }
  if (section.listenerMetadata && !section.listenerPath) {
    refuse(".listenerMetadata", "is for a process that is asked about system calls, and there is no listenerPath");
  }
  const defaultAction = readAction(section.defaultAction, section.defaultErrnoRet, ".defaultAction");
  const rules: Rule[] = [];
  syscalls.forEach((call, i) => {
    const names = call?.names;
    if (!Array.isArray(names) || names.length === 0) refuse(`.syscalls[${i}]`, "it names no system call");
    const bad = names.find((name) => typeof name !== "string" || name === "");
    if (bad !== undefined) refuse(`.syscalls[${i}]`, `${show(bad)} is not the name of a system call`);
    const where = `.syscalls[${i}] (${names[0]})`;
    rules.push({
      names,
      action: readAction(call.action, call.errnoRet, where),
      alternatives: readAlternatives(call, where),
    });
  });
  return { defaultAction, architectures, rules, flags: readFlags(flags) };
}

function readFlags(flags: readonly unknown[]): number {
  return flags.reduce<number>(
    (all, flag) => all | (FLAGS.get(flag) ?? refuse(".flags", `there is no flag ${show(flag)}`)),
    0,
  );
}
