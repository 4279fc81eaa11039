/** What the descriptor-based mount calls are told by attributes and one option at a time, as mount(2) takes it. */
import * as K from "../ffi/constants.ts";

/** The three of MOUNT_ATTR__ATIME are values, all others are bits. */
const ATIME: Readonly<Record<number, number>> = {
  [K.MOUNT_ATTR_RELATIME]: K.MS_RELATIME,
  [K.MOUNT_ATTR_NOATIME]: K.MS_NOATIME,
  [K.MOUNT_ATTR_STRICTATIME]: K.MS_STRICTATIME,
};
const FLAGS: readonly (readonly [attribute: number, flag: number])[] = [
  [K.MOUNT_ATTR_RDONLY, K.MS_RDONLY],
  [K.MOUNT_ATTR_NOSUID, K.MS_NOSUID],
  [K.MOUNT_ATTR_NODEV, K.MS_NODEV],
  [K.MOUNT_ATTR_NOEXEC, K.MS_NOEXEC],
  [K.MOUNT_ATTR_NODIRATIME, K.MS_NODIRATIME],
  [K.MOUNT_ATTR_NOSYMFOLLOW, K.MS_NOSYMFOLLOW],
];

/** The flags of mount(2) for attributes of a mount, MOUNT_ATTR_…. */
export const mountFlags = (attributes: number): number =>
  FLAGS.reduce((flags, [attribute, flag]) => attributes & attribute ? flags | flag : flags, 0) |
  (ATIME[attributes & K.MOUNT_ATTR__ATIME] ?? 0);

/** Options of every file system, which mount(2) takes as flags; zero is what there is without. */
const OF_FILE_SYSTEM: Readonly<Record<string, number>> = {
  ro: K.MS_RDONLY,
  sync: K.MS_SYNCHRONOUS,
  dirsync: K.MS_DIRSYNC,
  lazytime: K.MS_LAZYTIME,
  mand: K.MS_MANDLOCK,
  rw: 0,
  async: 0,
  nolazytime: 0,
  nomand: 0,
};

/** A file system's own options, as flags of mount(2) and its last argument. */
export function mountData(options: readonly (readonly [key: string, value?: string])[]): {
  readonly flags: number;
  readonly data: string;
} {
  let flags = 0;
  const data: string[] = [];
  for (const [key, value] of options) {
    const flag = value === undefined && Object.hasOwn(OF_FILE_SYSTEM, key) ? OF_FILE_SYSTEM[key]! : undefined;
    if (flag !== undefined) flags |= flag;
    else data.push(value === undefined ? key : `${key}=${value}`);
  }
  return { flags, data: data.join(",") };
}
