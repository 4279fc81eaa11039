/**
 * The driver `local`: a folder below ROOT/volumes, or whatever its options `type`, `device` and `o` mount, as mount(8) would.
 *
 * Nothing is mounted on the host for it. A mount is made as a descriptor that is attached nowhere, in the network of the host,
 * and a container's program attaches it inside: the kernel itself knows when nobody needs it any more, whoever is killed.
 * Only a tmpfs, which containers are to share, has a place on the host as long as one of them runs, as everything has where
 * no such mount can be made (on_host.ts).
 */
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MS_PRIVATE,
} from "../../ffi/constants.ts";
import { Errno, errnoMeaning, errnoName, MiniError } from "../../ffi/errors.ts";
import { close, trySyscall, waitingSyscall } from "../../ffi/kernel.ts";
import { FILE_SYSTEM_FLAGS, flagsOf } from "../../ffi/without/mount_flags.ts";
import { parseMountOptions } from "../../runtime/mount_options.ts";
import type { Volume } from "./types.ts";

/** What a volume's options come to. */
export type Kind =
  /** Its own folder. */
  | { readonly kind: "folder" }
  /** A folder of the host, with options of the OCI specification. */
  | { readonly kind: "bind"; readonly source: string; readonly options: readonly string[] }
  /** A file system that has to be mounted; a tmpfs has to be shared. */
  | { readonly kind: "filesystem" | "tmpfs"; readonly filesystem: Filesystem };

/** A file system to mount. */
export interface Filesystem {
  readonly type: string;
  readonly device: string;
  /** MOUNT_ATTR_…, mount_setattr(2). */
  readonly attributes: number;
  readonly data: readonly (readonly [key: string, value?: string])[];
}

/** @throws {MiniError} for options that the driver does not know or cannot carry out. */
export function checkOptions(options: Readonly<Record<string, string>>): void {
  kindOf({ name: "", options });
}

/** What a volume's options come to. @throws {MiniError} as `checkOptions`. */
export function kindOf({ name, options }: Pick<Volume, "name" | "options">): Kind {
  const { type, device, o = "", ...others } = options;
  const fail = (sentence: string): never => {
    throw new MiniError(`the volume${name && ` ${name}`}: ${sentence}`);
  };
  const [other] = Object.keys(others);
  if (other === "size") {
    fail(
      "the driver local cannot limit the size of a folder; use type=tmpfs with o=size=…, or a file system of its own",
    );
  }
  if (other !== undefined) fail(`the driver local knows the options type, device and o, not ${JSON.stringify(other)}`);
  if (type === undefined && device === undefined && o === "") return { kind: "folder" };
  if (!device) return fail("its option device is missing, which says what is to be mounted");
  if (!type) return fail("its option type is missing: nfs, tmpfs, ext4, or none with o=bind");
  for (const text of [type, device, o]) if (text.includes("\0")) fail("a NUL character is not allowed in its options");
  const words = o.split(",").filter(Boolean);
  const { bind, set, setBelow, data, propagation, copyUp, remount } = parseMountOptions(words, `the volume ${name}`);
  if (copyUp || remount) fail(`o=${o}: ${copyUp ? "tmpcopyup" : "remount"} is not for volumes`);
  if (propagation !== MS_PRIVATE) fail(`o=${o}: how mounts pass on is said where the volume is mounted`);
  if (bind) {
    if (!device.startsWith("/")) fail(`device=${device} must be an absolute path of the host`);
    if (data.length > 0) fail(`there is no option ${data[0]!.join("=")} for a bind mount`);
    return { kind: "bind", source: device, options: words };
  }
  if (type === "none") fail("type=none needs o=bind");
  if (type === "overlay") fail("overlayfs cannot be mounted as a volume");
  const filesystem = { type, device, attributes: set | setBelow, data };
  return { kind: type === "tmpfs" ? "tmpfs" : "filesystem", filesystem };
}

/** Names of hosts that the kernel wants as addresses. */
async function resolveAddress(name: string, volume: string): Promise<string> {
  if (/^[0-9.]+$/.test(name) || name.includes(":")) return name;
  try {
    return (await (await import("node:dns/promises")).lookup(name)).address;
  } catch (error) {
    throw new MiniError(`the volume ${volume}: the address of ${name} cannot be found: ${(error as Error).message}`);
  }
}

/**
 * Mounts a file system, attached nowhere; the descriptor is the caller's to close, and with the last one the mount goes.
 *
 * @throws {MiniError} with what the kernel says of it.
 */
export async function mountFilesystem(filesystem: Filesystem, volume: string): Promise<number> {
  const { type, device, attributes } = filesystem;
  const fail = (what: string, errno: number, context?: number): never =>
    refuse(filesystem, volume, what, errno, context === undefined ? "" : kernelMessages(context));
  const pairs = [["source", device] as const, ...await resolveAll(filesystem, volume)];
  const context = trySyscall("fsopen", type, FSOPEN_CLOEXEC);
  if (context < 0) return fail(`type=${type}`, -context);
  try {
    for (const [key, value] of pairs) {
      const result = value === undefined
        ? trySyscall("fsconfig", context, FSCONFIG_SET_FLAG, key, null, 0)
        : trySyscall("fsconfig", context, FSCONFIG_SET_STRING, key, value, 0);
      if (result < 0) fail(value === undefined ? key : `${key}=${value}`, -result, context);
    }
    // Another machine may not answer for long.
    const made = await waitingSyscall("fsconfig", context, FSCONFIG_CMD_CREATE, null, null, 0);
    if (made < 0) fail(`${type} ${device}`, -made, context);
    const fd = trySyscall("fsmount", context, FSMOUNT_CLOEXEC, attributes);
    return fd < 0 ? fail(`${type} ${device}`, -fd, context) : fd;
  } finally {
    close(context);
  }
}

/** Mounts a file system on a folder of the host. @throws {MiniError} with what the kernel says of it. */
export async function mountAt(filesystem: Filesystem, volume: string, folder: string): Promise<void> {
  const { type, device, attributes } = filesystem;
  let flags = flagsOf(attributes);
  const data: string[] = [];
  for (const [key, value] of await resolveAll(filesystem, volume)) {
    if (value === undefined && Object.hasOwn(FILE_SYSTEM_FLAGS, key)) flags |= FILE_SYSTEM_FLAGS[key]!;
    else data.push(value === undefined ? key : `${key}=${value}`);
  }
  // Another machine may not answer for long.
  const result = await waitingSyscall("mount", device, folder, type, flags, data.join(","));
  const options = data.length > 0 ? ` with ${data.join(",")}` : "";
  if (result < 0) refuse(filesystem, volume, `${type} ${device}${options}`, -result, "");
}

/** A file system's options with addresses in place of names. */
async function resolveAll({ data }: Filesystem, volume: string): Promise<(readonly [key: string, value?: string])[]> {
  const pairs: (readonly [string, string?])[] = [];
  for (const [key, value] of data) {
    if (value === undefined) pairs.push([key]);
    else pairs.push([key, key === "addr" ? await resolveAddress(value, volume) : value]);
  }
  return pairs;
}

function refuse({ type }: Filesystem, volume: string, what: string, errno: number, said: string): never {
  const hint = errno === Errno.ENODEV
    ? `this kernel has no file system ${type}`
    : errno === Errno.EPERM
    ? "only root may, with sudo"
    : errnoMeaning(errno);
  throw new MiniError(`the volume ${volume} cannot be mounted: ${what}: ${said || `${hint} (${errnoName(errno)})`}`);
}

/** What the kernel has to say of a mount that failed: lines of `e text`, fsconfig(2). */
function kernelMessages(context: number): string {
  const messages: string[] = [], buffer = new Uint8Array(1024);
  for (let length; (length = trySyscall("read", context, buffer, buffer.length)) > 0;) {
    messages.push(new TextDecoder().decode(buffer.subarray(0, length)).trim().replace(/^[ewi] /, ""));
  }
  return messages.join("; ");
}
