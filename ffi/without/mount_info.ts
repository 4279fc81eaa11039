/** What /proc/PID/mountinfo tells of mounts: proc_pid_mountinfo(5). */

import { Errno, SyscallError } from "../errors.ts";

/** One mount, as its process sees it. */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** Its path, from the process's root. */
  readonly point: string;
  /** The options of the mount itself, not of its file system. */
  readonly options: string;
}

/** A mount, and its path below another one. */
export interface Placed {
  readonly mount: Mount;
  readonly path: string;
  /** Whether another mount is over it, or over what it is mounted in, so that no path may lead to it. */
  readonly covered: boolean;
}

/** The mounts that a process can come to, by their numbers. @throws {SyscallError} when it has ended. */
export function mountsOf(pid: number): Map<number, Mount> {
  const path = `/proc/${pid}/mountinfo`;
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    throw new SyscallError("openat", Errno.ESRCH, path); // everybody may read that of a process that is there
  }
  return parseMounts(text);
}

/** @param text of a file mountinfo. */
export function parseMounts(text: string): Map<number, Mount> {
  const mounts = text.split("\n").flatMap((line): Mount[] => {
    const [id, parent, , , point, options] = line.split(" ");
    return options === undefined ? [] : [{ id: Number(id), parent: Number(parent), point: unescape(point!), options }];
  });
  return new Map(mounts.map((mount) => [mount.id, mount]));
}

/** Blanks, tabs, newlines and backslashes are written in octal. */
const unescape = (path: string) =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));

/** A mount and all that are below it. */
export function tree(mounts: ReadonlyMap<number, Mount>, top: Mount): Placed[] {
  const below = new Map<number, Mount[]>();
  for (const mount of mounts.values()) {
    if (mount.id === mount.parent) continue;
    const siblings = below.get(mount.parent);
    if (siblings) siblings.push(mount);
    else below.set(mount.parent, [mount]);
  }
  const found: Placed[] = [];
  const add = (mount: Mount, isCovered: boolean) => {
    const children = below.get(mount.id) ?? [], cover = children.find(({ point }) => point === mount.point);
    found.push({
      mount,
      path: mount.point.slice(top.point === "/" ? 1 : top.point.length + 1),
      covered: isCovered || cover !== undefined,
    });
    for (const child of children) {
      // Also what is mounted in a folder that a further mount is over.
      const isBehind = children.some((other) => other !== child && child.point.startsWith(`${other.point}/`));
      add(child, isCovered || cover !== undefined && child !== cover || isBehind);
    }
  };
  add(top, false);
  return found;
}
