/** Capabilities by name and number, capabilities(7) and include/uapi/linux/capability.h. */
import { MiniError } from "../ffi/errors.ts";

const NAMES = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split(" ");

/** Every capability of this list, `CAP_CHOWN` first; the index is the kernel's number. */
export const CAPABILITIES: readonly string[] = NAMES.map((name) => `CAP_${name}`);

/** Docker's default set: enough for package managers and servers, nothing that reaches the host. */
export const DEFAULT_CAPABILITIES: readonly string[] = (
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
).split(" ").map((name) => `CAP_${name}`);

/** The kernel's number of a capability, by its full name. @throws {MiniError} for a name there is not. */
export function capabilityNumber(name: string): number {
  const number = CAPABILITIES.indexOf(name);
  if (number < 0) {
    throw new MiniError(`there is no capability ${JSON.stringify(name)}; see capabilities(7) for their names`);
  }
  return number;
}

/** A set of capabilities as the kernel's bit mask. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | 1n << BigInt(capabilityNumber(name)), 0n);
}

/** The capabilities of this process in every one of these sets, proc(5), /proc/PID/status. */
function ownSets(...names: ("CapPrm" | "CapBnd")[]): bigint {
  const status = Deno.readTextFileSync("/proc/self/status");
  const mask = (name: string) => BigInt(`0x${status.match(new RegExp(`^${name}:\\t([0-9a-f]+)$`, "m"))?.[1] ?? 0}`);
  return names.map(mask).reduce((all, one) => all & one);
}

/** All that this process may do, as the kernel's bit mask. */
export const permittedCapabilities = (): bigint => ownSets("CapPrm");

/** The capabilities that this process has and that the programs it starts can get. */
export function ownCapabilities(): string[] {
  const mask = ownSets("CapPrm", "CapBnd");
  return CAPABILITIES.filter((_, number) => mask & 1n << BigInt(number));
}
