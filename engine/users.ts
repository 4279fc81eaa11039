/** Who a container's program runs as: `--user` and the image's USER, looked up in the container's own passwd and group. */
import type { OwnNamespace } from "../ffi/user_namespace.ts";
import { O_PATH } from "../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";
import { close } from "../ffi/kernel.ts";
import { openBelow, openRegular, readFile } from "../ffi/open.ts";

/** A user as the kernel and the environment want it. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: number[];
  /** HOME, from passwd; `/` where that does not say. */
  readonly home: string;
}

/** The contents of the two files; empty where there is none. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

/** A hostile image may hold anything there: more than this is not read. */
const MOST_BYTES = 1 << 20;

function readInRoot(root: number, path: string): string {
  let place: number;
  try {
    place = openBelow(root, path, O_PATH);
  } catch (error) {
    if (error instanceof SyscallError && [Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP].includes(error.errno)) return "";
    throw error;
  }
  try {
    const fd = openRegular(place);
    if (fd === undefined) return "";
    try {
      return new TextDecoder().decode(readFile(fd, MOST_BYTES));
    } finally {
      close(fd);
    }
  } finally {
    close(place);
  }
}

/** Reads /etc/passwd and /etc/group of a container's root. @throws {SyscallError} when they are there and cannot be read. */
export const readUserFiles = (root: number): UserFiles => ({
  passwd: readInRoot(root, "etc/passwd"),
  group: readInRoot(root, "etc/group"),
});

/** The largest id: 2^32 - 1 means "no id" to the kernel. */
const MOST_ID = 2 ** 32 - 2;

/** A number that is an id; undefined for any other text. @throws {MiniError} for a number that is none: it must not become root's. */
function readId(text: string, what: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (text.length > 10 || id > MOST_ID) {
    throw new MiniError(`${text} is not a ${what} id: they go from 0 to ${MOST_ID}`);
  }
  return id;
}

interface Entry {
  name: string;
  id: number;
  fields: string[];
}
/** The entries of a passwd or group file whose id is one, passwd(5), group(5). */
function entries(file: string): Entry[] {
  return file.split("\n").flatMap((line) => {
    const fields = line.split(":"), [name = "", , id = ""] = fields;
    return /^[0-9]{1,10}$/.test(id) && Number(id) <= MOST_ID ? [{ name, id: Number(id), fields }] : [];
  });
}

/**
 * Resolves `user`, `uid`, `user:group`, `uid:gid` as Docker does. A number needs no entry; a name does.
 *
 * @param groups further groups by name or number (--group-add).
 * @throws {MiniError} for a name that is not there and for a number that is no id.
 */
export function resolveUser(spec: string, files: UserFiles, groups: readonly string[] = []): ResolvedUser {
  const [userPart = "", groupPart, extra] = spec.split(":");
  if (extra !== undefined || groupPart === "") {
    throw new MiniError(`--user ${JSON.stringify(spec)} is not USER or USER:GROUP`);
  }
  const users = entries(files.passwd), groupEntries = entries(files.group);
  const uidGiven = userPart === "" ? 0 : readId(userPart, "user");
  const user = users.find((u) => uidGiven === undefined ? u.name === userPart : u.id === uidGiven);
  if (!user && uidGiven === undefined) {
    throw new MiniError(
      `there is no user ${JSON.stringify(userPart)} in the container's /etc/passwd; a number needs no entry`,
    );
  }
  const groupId = (text: string) => {
    const id = readId(text, "group") ?? groupEntries.find((g) => g.name === text)?.id;
    if (id === undefined) {
      throw new MiniError(
        `there is no group ${JSON.stringify(text)} in the container's /etc/group; a number needs no entry`,
      );
    }
    return id;
  };
  const primary = Number(user?.fields[3] ?? 0);
  const gid = groupPart !== undefined
    ? groupId(groupPart)
    : Number.isInteger(primary) && primary >= 0 && primary <= MOST_ID
    ? primary
    : 0;
  // With a group named, that group is all there is; otherwise those whose member lists name the user.
  const member = groupPart === undefined && user
    ? groupEntries.filter((g) => (g.fields[3] ?? "").split(",").includes(user.name)).map((g) => g.id)
    : [];
  const home = user?.fields[5];
  return {
    uid: user?.id ?? uidGiven ?? 0,
    gid,
    additionalGids: [...new Set([...member, ...groups.map(groupId)])].filter((id) => id !== gid).sort((a, b) => a - b),
    home: home?.startsWith("/") ? home : "/",
  };
}

/** @throws {MiniError} for ids that do not exist in the user namespace that mini itself lives in (ffi/user_namespace.ts). */
export function checkPossible({ uid, gid, additionalGids }: ResolvedUser, own: OwnNamespace | undefined): void {
  if (!own || own.hasUid(uid) && [gid, ...own.setgroups ? additionalGids : []].every((id) => own.hasGid(id))) return;
  throw new MiniError(
    `user ${uid} with group ${gid} has no ids of yours that could stand for it: 'mini system check' says how to get more`,
  );
}
