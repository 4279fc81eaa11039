/** Puts a cgroup's devices under a BPF program (device_filter.ts). Capabilities do not get around it. bpf(2) */
import { O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { Errno, errnoName, MiniError } from "../ffi/errors.ts";
import { addressOf, close, cString, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { ownNamespace } from "../ffi/user_namespace.ts";
import { allowsEverything, deviceProgram, INSTRUCTION_BYTES } from "./device_filter.ts";
import { act } from "../ffi/witness.ts";
import type { DeviceRule } from "./resources.ts";

const BPF_PROG_LOAD = 5, BPF_PROG_ATTACH = 8, BPF_PROG_GET_FD_BY_ID = 13, BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15, BPF_CGROUP_DEVICE = 6;
/** What a cgroup below has of its own comes on top: it cannot take anything away from this program. */
const BPF_F_ALLOW_MULTI = 2;

/** Whether a container gets no more than every container has. */
const isPlain = (rules: readonly DeviceRule[]) => rules.every((r) => !r.allow);

/**
 * The last part of the name of the cgroup that keeps the plain program: another one with other contents needs another name.
 * A test compares it with `programTag(deviceProgram([]))`.
 */
export const PLAIN_TAG = "a929e73";

/** Tells one program from another: FNV-1a. */
export function programTag(program: Uint8Array): string {
  return (program.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0).toString(16);
}

/**
 * Lets a cgroup use the devices of these rules and no others. It stays so until the cgroup is removed.
 *
 * @param cgroup a descriptor of it, O_PATH is enough.
 * @param shared the folder of a cgroup of ours in which one is made, with nobody in it, that keeps the program which nearly
 *   all containers have: the kernel then checks and translates it once and not for each of them.
 * @throws {MiniError} where the kernel does not let us: nothing is limited then. In a user namespace, where it never does,
 *   there is nothing to limit.
 */
export function limitDevices(cgroup: number, rules: readonly DeviceRule[], shared?: string): void {
  if (allowsEverything(rules)) return;
  const keeper = shared !== undefined && isPlain(rules) ? openKeeper(`${shared}/devices.${PLAIN_TAG}`) : undefined;
  try {
    let program = keeper === undefined ? undefined : kept(keeper);
    if (program === undefined) {
      program = load(deviceProgram(rules));
      if (program < 0) return failed(-program);
      // Where it cannot be kept, the next container loads it again.
      if (keeper !== undefined) attach(keeper, program);
    }
    const result = attach(cgroup, program);
    close(program);
    if (result < 0) failed(-result);
  } finally {
    if (keeper !== undefined) close(keeper);
  }
}

/** The cgroup that keeps a program, made if need be; undefined if it can be neither made nor opened. */
function openKeeper(folder: string): number | undefined {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return open(folder, O_PATH | O_DIRECTORY);
    } catch {
      try {
        Deno.mkdirSync(folder, { mode: 0o755 });
      } catch {
        // Another container has just made it, or it cannot be: both are seen above.
      }
    }
  }
  return undefined;
}

/** A descriptor of the program that a cgroup has; undefined if it has none. */
function kept(keeper: number): number | undefined {
  const ids = new Uint32Array(1);
  // target_fd, attach_type, query_flags, attach_flags, u64 prog_ids, prog_cnt …
  const query = new Uint8Array(64), view = new DataView(query.buffer);
  view.setUint32(0, keeper, true);
  view.setUint32(4, BPF_CGROUP_DEVICE, true);
  view.setBigUint64(16, addressOf(ids), true);
  view.setUint32(24, ids.length, true);
  const result = trySyscall("bpf", BPF_PROG_QUERY, query, query.length);
  // Two that made it at once have each attached theirs, which are the same: there is room for one in `ids`.
  if ((result < 0 && result !== -Errno.ENOSPC) || ids[0] === 0) return undefined;
  const fd = trySyscall("bpf", BPF_PROG_GET_FD_BY_ID, new Uint32Array([ids[0]!, 0, 0]), 12);
  return fd < 0 ? undefined : fd;
}

/** @returns a descriptor of the program, or -errno. */
function load(program: Uint8Array<ArrayBuffer>): number {
  const license = cString("MIT");
  // prog_type, insn_cnt, u64 insns, u64 license, log_level, log_size, u64 log_buf, kern_version, prog_flags, name[16],
  // prog_ifindex, expected_attach_type …
  const attributes = new Uint8Array(72), view = new DataView(attributes.buffer);
  view.setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true);
  view.setUint32(4, program.length / INSTRUCTION_BYTES, true);
  view.setBigUint64(8, addressOf(program), true);
  view.setBigUint64(16, addressOf(license), true);
  attributes.set(new TextEncoder().encode("mini_devices"), 48);
  view.setUint32(68, BPF_CGROUP_DEVICE, true);
  return act(
    () => `bpf(BPF_PROG_LOAD, ${program.length / INSTRUCTION_BYTES} instructions)`,
    "the program that decides about devices",
    () => trySyscall("bpf", BPF_PROG_LOAD, attributes, attributes.length),
  );
}

/** @returns 0 or -errno. */
function attach(cgroup: number, program: number): number {
  // target_fd, attach_bpf_fd, attach_type, attach_flags
  const attributes = new Uint32Array([cgroup, program, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI]);
  return act(
    () => `bpf(BPF_PROG_ATTACH, ${cgroup}, ${program})`,
    "only the devices that it is given",
    () => trySyscall("bpf", BPF_PROG_ATTACH, attributes, 16),
  );
}

/** @throws {MiniError} unless there is nothing to be kept from the container. */
function failed(errno: number): void {
  // In a user namespace of somebody else's making no device can be made, and no mount of ours has any.
  if (errno === Errno.EPERM && ownNamespace()) return;
  const why: Record<number, string> = {
    [Errno.EPERM]: "mini needs the capabilities BPF and NET_ADMIN (or SYS_ADMIN) for that, and no filter around it",
    [Errno.ENOSYS]: "this kernel has no bpf system call (CONFIG_BPF_SYSCALL)",
    [Errno.EINVAL]: "this kernel does not do that (CONFIG_CGROUP_BPF)",
  };
  throw new MiniError(
    `cannot keep the host's devices from the container: bpf says ${errnoName(errno)}${
      why[errno] ? `; ${why[errno]}` : ""
    }; --privileged runs it with all of them`,
  );
}
