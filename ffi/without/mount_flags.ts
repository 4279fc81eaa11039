/** The attributes of mounts as mount(2) takes them. */
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
} from "../constants.ts";

const MS_NOATIME = 1 << 10, MS_RELATIME = 1 << 21, MS_STRICTATIME = 1 << 24;
export const MS_REMOUNT = 1 << 5, MS_BIND = 1 << 12;

/** Each attribute, its flag, and its name in /proc/PID/mountinfo. */
const FLAGS: readonly (readonly [attribute: number, flag: number, name: string])[] = [
  [MOUNT_ATTR_RDONLY, 1, "ro"],
  [MOUNT_ATTR_NOSUID, 1 << 1, "nosuid"],
  [MOUNT_ATTR_NODEV, 1 << 2, "nodev"],
  [MOUNT_ATTR_NOEXEC, 1 << 3, "noexec"],
  [MOUNT_ATTR_NODIRATIME, 1 << 11, "nodiratime"],
  [MOUNT_ATTR_NOSYMFOLLOW, 1 << 8, "nosymfollow"],
];

/** The MOUNT_ATTR_… of a mount, by its options in mountinfo (proc_pid_mountinfo(5)). */
export function attributesOf(options: string): number {
  const names = options.split(",");
  const atime = names.includes("noatime") ? MOUNT_ATTR_NOATIME : names.includes("relatime")
    ? 0 // MOUNT_ATTR_RELATIME
    : MOUNT_ATTR_STRICTATIME;
  return FLAGS.reduce((all, [attribute, , name]) => names.includes(name) ? all | attribute : all, atime);
}

/** The same attributes as MS_… */
export function flagsOf(attributes: number): number {
  const atime = attributes & MOUNT_ATTR__ATIME;
  const time = atime === MOUNT_ATTR_NOATIME
    ? MS_NOATIME
    : atime === MOUNT_ATTR_STRICTATIME
    ? MS_STRICTATIME
    : MS_RELATIME;
  return FLAGS.reduce((all, [attribute, flag]) => attributes & attribute ? all | flag : all, time);
}

/** Options of a file system that mount(2) takes as flags, mount(8). */
export const FILE_SYSTEM_FLAGS: Readonly<Record<string, number>> = {
  ro: 1,
  rw: 0,
  sync: 1 << 4,
  async: 0,
  mand: 1 << 6,
  nomand: 0,
  dirsync: 1 << 7,
  lazytime: 1 << 25,
  nolazytime: 0,
};
