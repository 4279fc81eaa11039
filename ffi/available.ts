/** Which system calls there are here: an older kernel lacks some, and filters around containers (seccomp) refuse some. */
import { CLOSE_RANGE_CLOEXEC } from "./constants.ts";
import { Errno } from "./errors.ts";
import { close, trySyscall } from "./kernel.ts";
import type { SyscallName } from "./syscall_numbers.ts";

/** Each call with arguments that every kernel which knows it refuses at once, and without any effect. */
const PROBES = {
  clone3: [null, 0],
  pidfd_open: [-1, 0],
  pidfd_getfd: [-1, -1, 0],
  pidfd_send_signal: [-1, 0, null, 0],
  openat2: [-1, "", null, 0],
  close_range: [2, 1, 0],
  open_tree: [-1, "", -1],
  move_mount: [-1, "", -1, "", -1],
  fsopen: [null, -1],
  fsconfig: [-1, -1, null, null, 0],
  fsmount: [-1, -1, 0],
  fspick: [-1, null, -1],
  mount_setattr: [-1, "", 0, null, 0],
  memfd_create: [null, 0],
} as const satisfies Partial<Record<SyscallName, readonly (number | string | null)[]>>;

/** A call that can be asked about. */
export type Probed = keyof typeof PROBES;
/** All of them. */
export const PROBED = Object.keys(PROBES) as readonly Probed[];

/** Those that make and attach mounts by descriptors. None is of use without the others. */
export const MOUNT_CALLS = [
  "open_tree",
  "move_mount",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
] as const satisfies readonly Probed[];

/** Which calls programs have to do without. */
export interface Missing {
  readonly openat2: boolean;
  /** One of `MOUNT_CALLS` at least. */
  readonly mounts: boolean;
  /** close_range(2) closes, and cannot mark descriptors close-on-exec: CLOSE_RANGE_CLOEXEC of Linux 5.11, older than 5.12's calls. */
  readonly marking: boolean;
}

/** What is missing here of the calls that programs do without at need; undefined where all are there. */
export function missingForPrograms(): Missing | undefined {
  const missing = { openat2: isMissing("openat2"), mounts: !hasDetachedMounts() };
  return missing.openat2 || missing.mounts ? { ...missing, marking: !canMark() } : undefined;
}

/** Asks for descriptors far above all that there can be. */
const canMark = () => trySyscall("close_range", 0xffffffff, 0xffffffff, CLOSE_RANGE_CLOEXEC) === 0;

/** These look at whether the caller may mount before they look at their arguments. */
const PRIVILEGED: readonly Probed[] = ["move_mount", "fsopen", "fsmount", "fspick"];

const known = new Map<Probed, boolean>();

/**
 * Whether a call is missing: the kernel does not have it, or a filter refuses it, with EPERM where that is older than the call.
 * Asked once for each, which takes a microsecond.
 */
export function isMissing(call: Probed): boolean {
  let missing = known.get(call);
  if (missing === undefined) known.set(call, missing = ask(call));
  return missing;
}

/** Whether mounts can be made that are attached nowhere, and given other attributes, by descriptors (Linux 5.12). */
export const hasDetachedMounts = (): boolean => !MOUNT_CALLS.some(isMissing);

function ask(call: Probed): boolean {
  const result = trySyscall(call, ...PROBES[call]);
  if (result >= 0 && call !== "close_range") close(result);
  if (result === -Errno.ENOSYS) return true;
  return result === -Errno.EPERM && (!PRIVILEGED.includes(call) || mayMount());
}

/** Asks to unmount what is no mount: EPERM is for those who may unmount nothing. umount2(2) */
const mayMount = () => trySyscall("umount2", "/proc/self/fdinfo", 0) !== -Errno.EPERM;
