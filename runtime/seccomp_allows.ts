/** What a compiled filter says of a call: classic BPF, run as the kernel runs it for seccomp(2), as far as seccomp.ts writes it. */
import { syscallNumber } from "../ffi/kernel.ts";
import type { SyscallName } from "../ffi/syscall_numbers.ts";
import { AND, JA, JEQ, JGE, JGT, JSET, LD, RET } from "./bpf.ts";
import { cloneFlags } from "./plan_child.ts";
import { seccompFilter, usesNotify } from "./plan_seccomp.ts";
import { SECCOMP_RET_ALLOW, SECCOMP_RET_LOG } from "./seccomp_rules.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";
import type { Process } from "./spec.ts";

/** AUDIT_ARCH_… of the machine's own calls. */
const AUDIT = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
const INSTRUCTION_BYTES = 8, DATA_BYTES = 64;

/** Whether a filter lets a call by; all other arguments are 0. */
export function filterAllows(filter: Uint8Array, call: SyscallName, ...args: readonly number[]): boolean {
  const data = new DataView(new ArrayBuffer(DATA_BYTES)); // struct seccomp_data
  data.setUint32(0, syscallNumber(call), true);
  data.setUint32(4, AUDIT[Deno.build.arch], true);
  args.forEach((arg, i) => data.setBigUint64(16 + 8 * i, BigInt(arg), true));
  const code = new DataView(filter.buffer, filter.byteOffset, filter.length);
  let accumulator = 0;
  for (let at = 0; at < filter.length; at += INSTRUCTION_BYTES) {
    const operation = code.getUint16(at, true), operand = code.getUint32(at + 4, true);
    const jump = (holds: boolean) => at += INSTRUCTION_BYTES * code.getUint8(at + (holds ? 2 : 3));
    if (operation === RET) return [SECCOMP_RET_ALLOW, SECCOMP_RET_LOG].includes((operand & 0xffff0000) >>> 0);
    else if (operation === LD) accumulator = data.getUint32(operand, true);
    else if (operation === AND) accumulator = (accumulator & operand) >>> 0;
    else if (operation === JA) at += INSTRUCTION_BYTES * operand;
    else if (operation === JEQ) jump(accumulator === operand);
    else if (operation === JGT) jump(accumulator > operand);
    else if (operation === JGE) jump(accumulator >= operand);
    else if (operation === JSET) jump((accumulator & operand) !== 0);
    else throw new Error(`a filter has an instruction that is not known: ${operation}`);
  }
  throw new Error("a filter has no end");
}

/** Calls that the first process makes under the filter if it loads that itself, and those of the cloned one before it is all that it is to be. */
const CALLS = ["read", "write", "exit_group", "capset", "setsid", "ioctl"] as const;

/**
 * Whether a filter that has to be loaded with CAP_SYS_ADMIN (without no_new_privs) can be loaded before the process is cloned that others
 * in its pid namespace may trace. It is born without that capability then.
 *
 * @param detached its first process waits for its end.
 */
export function filteredFromBirth(section: LinuxSeccomp | undefined, process: Process, detached = false): boolean {
  if (section === undefined || process.noNewPrivileges || usesNotify(section)) return false;
  const { bytes } = seccompFilter(section);
  return filterAllows(bytes, "clone", cloneFlags(detached)) &&
    [...CALLS, ...detached ? ["close_range", "waitid"] as const : []].every((call) => filterAllows(bytes, call));
}
