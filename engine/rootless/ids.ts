/** The ids that an ordinary user may give: its own as root's, and those that the administrator has set aside for it. */
import { type IdRange, readSubids } from "../userns.ts";

/** One line of a map, as newuidmap(1) takes it: inside, outside, how many. */
export type MapLine = readonly [inside: number, outside: number, count: number];

/** The ids of a user namespace, and whether the setuid helpers have to write them. */
export interface Ids {
  readonly uids: readonly MapLine[];
  readonly gids: readonly MapLine[];
  /** Absolute paths of newuidmap and newgidmap; without them the user alone is mapped, as root. */
  readonly helpers?: { readonly uid: string; readonly gid: string };
}

/** Root is the user; 1 and up are the ranges one after the other. */
function lines(own: number, ranges: readonly IdRange[]): MapLine[] {
  let next = 1;
  return [
    [0, own, 1],
    ...ranges.map(({ first, size }): MapLine => {
      const line: MapLine = [next, first, size];
      next += size;
      return line;
    }),
  ];
}

/** What there is on this machine to find out which ids a user has. */
export interface Machine {
  readonly uid: number;
  readonly gid: number;
  /** Names and numbers that its entries may stand under. */
  readonly users: readonly (string | number)[];
  read(path: string): string;
  /** The path of a program, or undefined. */
  find(program: string): string | undefined;
}

/** The most complete map that this user can have here. @throws {MiniError} for a damaged /etc/subuid or /etc/subgid. */
export function idsOf({ uid, gid, users, read, find }: Machine): Ids {
  const subuids = readSubids("/etc/subuid", read("/etc/subuid"), users);
  const subgids = readSubids("/etc/subgid", read("/etc/subgid"), users);
  const helpers = { uid: find("newuidmap"), gid: find("newgidmap") };
  if (subuids.length === 0 || subgids.length === 0 || !helpers.uid || !helpers.gid) {
    return { uids: lines(uid, []), gids: lines(gid, []) };
  }
  return { uids: lines(uid, subuids), gids: lines(gid, subgids), helpers: { uid: helpers.uid, gid: helpers.gid } };
}

/** The user's name by /etc/passwd; undefined if it has none there. */
export function userName(passwd: string, uid: number): string | undefined {
  return passwd.split("\n").map((line) => line.split(":")).find(([, , number]) => number === `${uid}`)?.[0];
}
