/** A container's filter of system calls, as operations: seccomp(2). */
import { SECCOMP_SET_MODE_FILTER } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation } from "../ffi/program.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { compileSeccomp, type SeccompFilter } from "./seccomp.ts";
import { defaultSeccomp } from "./seccomp_default.ts";
import { PRECOMPILED } from "./seccomp_precompiled.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";

// SECCOMP_FILTER_FLAG_LOG and _SPEC_ALLOW. The process has one thread and nobody listens, so the others mean nothing here.
const FLAGS = 2 | 4;

const { arch } = Deno.build;

/** Filters by the JSON of their sections; a program that makes many containers uses few. */
const compiled = new Map<string, SeccompFilter>();
const MOST_KEPT = 16;

/**
 * The filter for a section on this machine; the same section is compiled once.
 *
 * @throws {MiniError} for what is wrong in the section or not done.
 */
export function seccompFilter(section: LinuxSeccomp): SeccompFilter {
  const key = keyOf(section);
  let filter = compiled.get(key);
  if (filter) return filter;
  refuseNotify(section);
  filter = precompiled(key) ?? compileSeccomp(section, { architecture: arch });
  if (compiled.size >= MOST_KEPT) compiled.delete(compiled.keys().next().value!);
  compiled.set(key, filter);
  return filter;
}

/** A section as text. Bigints are rare, and asking about every value costs more than all the rest. */
function keyOf(section: LinuxSeccomp): string {
  try {
    return JSON.stringify(section);
  } catch {
    return JSON.stringify(section, (_, value) => typeof value === "bigint" ? { bigint: `${value}` } : value);
  }
}

/** The default profile's: compiling it takes 3 ms in a process that has just started. */
function precompiled(key: string): SeccompFilter | undefined {
  if (key !== JSON.stringify(defaultSeccomp(DEFAULT_CAPABILITIES, arch))) return undefined;
  const bytes = Uint8Array.fromBase64(PRECOMPILED[arch]);
  return { bytes, instructions: bytes.length / 8, flags: 0 };
}

function refuseNotify({ defaultAction, syscalls = [] }: LinuxSeccomp): void {
  if (
    defaultAction === "SCMP_ACT_NOTIFY" ||
    Array.isArray(syscalls) && syscalls.some((c) => c?.action === "SCMP_ACT_NOTIFY")
  ) {
    throw new MiniError("linux.seccomp: SCMP_ACT_NOTIFY needs a process that is asked, and mini has none");
  }
}

/** Where the filter is loaded among the operations that make a process what it is to be. */
export interface SeccompPlacement {
  /** Before capabilities are dropped: without no_new_privs the kernel wants CAP_SYS_ADMIN for it. */
  readonly early: Operation[];
  /** As late as can be, so that it has to let little of ours by. */
  readonly late: Operation[];
}

/** The operations that load a section's filter; none without a section. @throws {MiniError} as `seccompFilter`. */
export function seccompOperations(section: LinuxSeccomp | undefined, noNewPrivileges: boolean): SeccompPlacement {
  if (section === undefined) return { early: [], late: [] };
  const { bytes, instructions, flags } = seccompFilter(section);
  const load = op(
    "seccomp",
    // struct sock_fprog: the length is 16 bits, the rest of its word is padding.
    [SECCOMP_SET_MODE_FILTER, flags & FLAGS, { words: [instructions, bytes] }],
    `only system calls that its profile allows (a filter of ${instructions} instructions)`,
    { on: "linux.seccomp" },
  );
  return noNewPrivileges ? { early: [], late: [load] } : { early: [load], late: [] };
}
