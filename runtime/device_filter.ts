/**
 * From device rules to a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, which the kernel asks at every open and mknod of a
 * device in the cgroup that it is attached to (device_limits.ts). cgroup-v2.rst, "Device controller"
 */
import { MiniError } from "../ffi/errors.ts";
import type { DeviceRule } from "./resources.ts";

// struct bpf_cgroup_dev_ctx: u32 access and type, u32 major, u32 minor.
const MKNOD = 1, READ = 2, WRITE = 4, ALL = MKNOD | READ | WRITE;
const BLOCK = 1, CHARACTER = 2;

/**
 * What every container may do, whatever else it may not: use the devices that are always in its /dev (OCI runtime-spec,
 * "Default Devices") and its own terminals, and make a node of any device, which it can open no more than before. Programs that
 * unpack a system need to, and other runtimes let them.
 */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, access: "m" },
  { allow: true, type: "c", major: 1, minor: 3 }, // null
  { allow: true, type: "c", major: 1, minor: 5 }, // zero
  { allow: true, type: "c", major: 1, minor: 7 }, // full
  { allow: true, type: "c", major: 1, minor: 8 }, // random
  { allow: true, type: "c", major: 1, minor: 9 }, // urandom
  { allow: true, type: "c", major: 5, minor: 0 }, // tty
  { allow: true, type: "c", major: 5, minor: 1 }, // console
  { allow: true, type: "c", major: 5, minor: 2 }, // ptmx
  { allow: true, type: "c", major: 136 }, // pts/*
];

const NOT_A_RULE = "linux.resources.devices";

/** The bits of a rule's `access`. @throws {MiniError} */
function accessBits({ access = "rwm" }: DeviceRule): number {
  if (!/^[rwm]+$/.test(access)) {
    throw new MiniError(`${NOT_A_RULE}: the access ${JSON.stringify(access)} is not made of r, w and m`);
  }
  return (access.includes("r") ? READ : 0) | (access.includes("w") ? WRITE : 0) | (access.includes("m") ? MKNOD : 0);
}

/** The number that has to be equal; undefined for any. @throws {MiniError} */
function wanted(name: string, value: number | undefined, bits: number): number | undefined {
  if (value === undefined || value === -1) return undefined;
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new MiniError(`${NOT_A_RULE}: the ${name} number ${value} is not from 0 to ${2 ** bits - 1}`);
  }
  return value;
}

/** Whether these rules keep a container from nothing: no program is needed. */
export function allowsEverything(rules: readonly DeviceRule[]): boolean {
  const everything = rules.findLastIndex((r) =>
    r.allow && (r.type ?? "a") === "a" && (r.major ?? -1) === -1 && (r.minor ?? -1) === -1 && accessBits(r) === ALL
  );
  return everything >= 0 && rules.slice(everything).every((r) => r.allow);
}

// Registers, and instructions as struct bpf_insn: code, source and destination register, how far to jump, operand.
const R0 = 0, CONTEXT = 1, ACCESS = 2, TYPE = 3, MAJOR = 4, MINOR = 5;
const LDX_W = 0x61, MOV_REGISTER = 0xbf, MOV = 0xb7, AND = 0x57, RSH = 0x77, EXIT = 0x95;
const JA = 0x05, JEQ = 0x15, JSET = 0x45, JNE = 0x55;
/** sizeof(struct bpf_insn) */
export const INSTRUCTION_BYTES = 8;

interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  /** A distance; the ends of the program, or of the rule, whose distances are known later. */
  readonly jump?: number | "allow" | "deny" | "next";
  readonly operand?: number;
}

/**
 * The instructions of one rule: where it does not fit they go on behind it. An open for reading and writing asks for both, so
 * what an allowing rule covers is taken from what is still asked for, until nothing is left.
 */
function ruleInstructions(rule: DeviceRule): Instruction[] {
  const { allow, type = "a" } = rule, access = accessBits(rule);
  if (!["a", "b", "c"].includes(type)) {
    throw new MiniError(`${NOT_A_RULE}: the type ${JSON.stringify(type)} is not a, b or c`);
  }
  const major = wanted("major", rule.major, 12), minor = wanted("minor", rule.minor, 20);
  const differs = (register: number, operand: number | undefined): Instruction[] =>
    operand === undefined ? [] : [{ code: JNE, to: register, operand, jump: "next" }];
  return [
    ...differs(TYPE, type === "b" ? BLOCK : type === "c" ? CHARACTER : undefined),
    ...differs(MAJOR, major),
    ...differs(MINOR, minor),
    ...!allow
      ? [{ code: JSET, to: ACCESS, operand: access, jump: "deny" } as const]
      : access === ALL
      ? [{ code: JA, jump: "allow" } as const]
      : [
        { code: AND, to: ACCESS, operand: ALL & ~access },
        { code: JEQ, to: ACCESS, operand: 0, jump: "allow" } as const,
      ],
  ];
}

/**
 * The program for these rules, of which the last one that fits counts, for each kind of access by itself. What no rule is
 * about is denied; what every container has is allowed.
 *
 * @returns an array of struct bpf_insn. @throws {MiniError} for what is no rule.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array<ArrayBuffer> {
  const blocks = [...rules, ...ALWAYS].toReversed().map(ruleInstructions);
  const code: Instruction[] = [
    { code: LDX_W, to: ACCESS, from: CONTEXT, jump: 0 },
    { code: LDX_W, to: MAJOR, from: CONTEXT, jump: 4 },
    { code: LDX_W, to: MINOR, from: CONTEXT, jump: 8 },
    { code: MOV_REGISTER, to: TYPE, from: ACCESS },
    { code: AND, to: TYPE, operand: 0xffff },
    { code: RSH, to: ACCESS, operand: 16 },
    ...blocks.flatMap((block) => block.map((i, at) => i.jump === "next" ? { ...i, jump: block.length - at - 1 } : i)),
  ];
  const deny = code.length, allow = deny + 2;
  code.push({ code: MOV, to: R0, operand: 0 }, { code: EXIT }, { code: MOV, to: R0, operand: 1 }, { code: EXIT });
  // Distances are 16 bits with a sign.
  if (code.length > 0x7fff) throw new MiniError(`${NOT_A_RULE}: ${rules.length} rules are more than mini takes`);
  const bytes = new Uint8Array(code.length * INSTRUCTION_BYTES), view = new DataView(bytes.buffer);
  code.forEach(({ code, to = 0, from = 0, jump = 0, operand = 0 }, i) => {
    const at = i * INSTRUCTION_BYTES;
    const distance = jump === "allow" ? allow - i - 1 : jump === "deny" ? deny - i - 1 : jump as number;
    view.setUint8(at, code);
    view.setUint8(at + 1, to | from << 4);
    view.setInt16(at + 2, distance, true);
    view.setInt32(at + 4, operand, true);
  });
  return bytes;
}
