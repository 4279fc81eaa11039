/** A container's filter of system calls, as operations: seccomp(2). */
import { SECCOMP_SET_MODE_FILTER } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation } from "../ffi/program.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import type { compileSeccomp, SeccompFilter } from "./seccomp.ts";
import { defaultSeccomp } from "./seccomp_default.ts";
import { PRECOMPILED } from "./seccomp_precompiled.ts";
import { waitForCaller } from "./plan_process.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";

// SECCOMP_FILTER_FLAG_LOG and _SPEC_ALLOW. The process has one thread and nobody listens, so the others mean nothing here.
const FLAGS = 2 | 4;
/** The same, and SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; then SECCOMP_FILTER_FLAG_NEW_LISTENER. */
const NOTIFY_FLAGS = FLAGS | 32, NEW_LISTENER = 8;

const { arch } = Deno.build;

/** Filters by the JSON of their sections; a program that makes many containers uses few. */
const compiled = new Map<string, SeccompFilter>();
const MOST_KEPT = 16;

/** The compiler, once a section has needed it: for the default profile nobody waits for it to be loaded. */
let compile: typeof compileSeccomp | undefined;

/** Makes sure that `seccompFilter` can be asked about a section: loads the compiler, unless its filter is at hand. */
export async function readyForSeccomp(section: LinuxSeccomp | undefined): Promise<void> {
  if (section === undefined || compile) return;
  const key = keyOf(section);
  if (!compiled.has(key) && !isDefault(key)) compile = (await import("./seccomp.ts")).compileSeccomp;
}

/**
 * The filter for a section on this machine, for which `readyForSeccomp` was awaited; the same section is compiled once.
 *
 * @throws {MiniError} for what is wrong in the section or not done.
 */
export function seccompFilter(section: LinuxSeccomp): SeccompFilter {
  const key = keyOf(section);
  let filter = compiled.get(key);
  if (filter) return filter;
  if (isDefault(key)) filter = precompiled();
  else if (compile) filter = compile(section, { architecture: arch });
  else throw new Error("nobody has made ready for this seccomp section");
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

const isDefault = (key: string) => key === JSON.stringify(defaultSeccomp(DEFAULT_CAPABILITIES, arch));

/** The default profile's: compiling it takes 3 ms in a process that has just started. */
function precompiled(): SeccompFilter {
  const bytes = Uint8Array.fromBase64(PRECOMPILED[arch]);
  return { bytes, instructions: bytes.length / 8, flags: 0 };
}

/** Whether a section asks another process about calls. */
export function usesNotify(section: LinuxSeccomp | undefined): boolean {
  return section !== undefined &&
    (section.defaultAction === "SCMP_ACT_NOTIFY" ||
      Array.isArray(section.syscalls) && section.syscalls.some((c) => c?.action === "SCMP_ACT_NOTIFY"));
}

/** The call that is made under the filter before anybody can be asked: it hands over what is asked by. */
const NOT_ASKED = "write";

function checkNotify({ defaultAction, listenerPath, syscalls = [] }: LinuxSeccomp, listen: number | undefined): void {
  const refuse = (sentence: string) => {
    throw new MiniError(`linux.seccomp: SCMP_ACT_NOTIFY ${sentence}`);
  };
  if (listen === undefined) refuse("needs a process that is asked, and mini has none");
  if (!listenerPath) refuse("needs a listenerPath: the socket of the process that is asked");
  if (defaultAction === "SCMP_ACT_NOTIFY") refuse("cannot be the default action: nobody could be asked at first");
  const calls = syscalls.filter((call) => call.action === "SCMP_ACT_NOTIFY").flatMap((call) => call.names);
  if (calls.includes(NOT_ASKED)) {
    refuse(`cannot be used for the ${NOT_ASKED} syscall: it is made before anybody can be asked`);
  }
}

/** Where the filter is loaded among the operations that make a process what it is to be. */
export interface SeccompPlacement {
  /** Before capabilities are dropped: without no_new_privs the kernel wants CAP_SYS_ADMIN for it. */
  readonly early: Operation[];
  /** As late as can be, so that it has to let little of ours by. */
  readonly late: Operation[];
}

/** What the operation is called whose result is the descriptor that the process which is asked listens at. */
export const LISTENER = "seccomp listener";

/**
 * The operations that load a section's filter; none without a section.
 *
 * @param listen our end of a socket pair, whose other end takes the listener's descriptor (SCMP_ACT_NOTIFY).
 * @throws {MiniError} as `seccompFilter`, and where nobody takes it.
 */
export function seccompOperations(
  section: LinuxSeccomp | undefined,
  noNewPrivileges: boolean,
  listen?: number,
): SeccompPlacement {
  if (section === undefined) return { early: [], late: [] };
  const notify = usesNotify(section);
  if (notify) checkNotify(section, listen);
  else if (section.listenerPath && listen === undefined) {
    throw new MiniError("linux.seccomp.listenerPath: a process that is asked about system calls is for bundles alone");
  }
  const { bytes, instructions, flags } = seccompFilter(section);
  const load = [
    op(
      "seccomp",
      // struct sock_fprog: the length is 16 bits, the rest of its word is padding.
      [SECCOMP_SET_MODE_FILTER, notify ? flags & NOTIFY_FLAGS | NEW_LISTENER : flags & FLAGS, {
        words: [instructions, bytes],
      }],
      `only system calls that its profile allows (a filter of ${instructions} instructions)`,
      { on: "linux.seccomp", name: LISTENER },
    ),
    ...(notify ? waitForCaller(listen!, "who is asked about its calls has to listen") : []),
  ];
  return noNewPrivileges ? { early: [], late: load } : { early: load, late: [] };
}
