/** Numbers of the kernel's headers by their names: O_RDONLY|O_CLOEXEC, MS_REC|MS_SLAVE. Only for people to read. */
import * as constants from "./constants.ts";

/** The kinds of flags and numbers that arguments are. */
const KINDS = {
  at: { prefix: /^AT_(?!FDCWD)/ },
  open: { prefix: /^O_(?!ACCMODE|RDONLY|WRONLY|RDWR)/ },
  resolve: { prefix: /^RESOLVE_/ },
  clone: { prefix: /^CLONE_(?!ARGS)/ },
  mount: { prefix: /^MS_/ },
  umount: { prefix: /^MNT_/ },
  openTree: { prefix: /^(OPEN_TREE_|AT_RECURSIVE|AT_EMPTY)/ },
  moveMount: { prefix: /^MOVE_MOUNT_/ },
  fsopen: { prefix: /^FSOPEN_/ },
  fsmount: { prefix: /^FSMOUNT_/ },
  mountAttr: { prefix: /^MOUNT_ATTR_(?!_|RELATIME)/ },
  closeRange: { prefix: /^CLOSE_RANGE_/ },
  protection: { prefix: /^PROT_/ },
  map: { prefix: /^MAP_/ },
  wait: { prefix: /^(WEXITED|WNOHANG)/ },
  socketType: { prefix: /^SOCK_CLOEXEC/ },
  splice: { prefix: /^SPLICE_/ },
  fsconfig: { prefix: /^FSCONFIG_/, one: true },
  prctl: { prefix: /^PR_(?!CAP_AMBIENT_)/, one: true },
  idType: { prefix: /^P_/, one: true },
  family: { prefix: /^AF_/, one: true },
  socket: { prefix: /^SOCK_(?!CLOEXEC)/, one: true },
  ioctl: { prefix: /^(TIOC|TC[GS]ETS|SIOC|FIONREAD)/, one: true },
  sigmask: { prefix: /^SIG_/, one: true },
  lock: { prefix: /^LOCK_/ },
  fcntl: { prefix: /^F_(?!SEAL)/, one: true },
  seccomp: { prefix: /^SECCOMP_SET/, one: true },
} as const;

export type FlagKind = keyof typeof KINDS;

const tables = new Map<FlagKind, (readonly [name: string, value: bigint])[]>();

function table(kind: FlagKind): readonly (readonly [name: string, value: bigint])[] {
  let entries = tables.get(kind);
  if (!entries) {
    entries = Object.entries(constants).flatMap(([name, value]) =>
      KINDS[kind].prefix.test(name) && typeof value !== "function" ? [[name, BigInt(value)] as const] : []
    );
    tables.set(kind, entries);
  }
  return entries;
}

const ACCESS = ["O_RDONLY", "O_WRONLY", "O_RDWR"];

/** A number as the kernel's headers write it; what has no name stays a number. */
export function showFlags(kind: FlagKind, number: number | bigint): string {
  const value = BigInt(number);
  if ("one" in KINDS[kind]) return table(kind).find(([, one]) => one === value)?.[0] ?? hex(value);
  let rest = value;
  const names: string[] = [];
  if (kind === "open") {
    names.push(ACCESS[Number(value & 3n)] ?? "3");
    rest &= ~3n;
  }
  // O_DIRECTORY and others of several bits count only as a whole, and the largest first.
  for (const [name, flag] of [...table(kind)].sort(([, a], [, b]) => a < b ? 1 : a > b ? -1 : 0)) {
    if (flag !== 0n && (rest & flag) === flag) {
      names.push(name);
      rest &= ~flag;
    }
  }
  if (rest !== 0n) names.push(hex(rest));
  return names.length === 0 ? "0" : names.join("|");
}

const hex = (value: bigint) => value < 10n ? `${value}` : `0x${value.toString(16)}`;
