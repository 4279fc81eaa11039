/**
 * What the paths of `cp` mean, by Docker's rules: which of a folder's trailing `/` and `/.` counts, whether a link is the
 * link or what it points to, and what it is when there is nothing. What they name is held by descriptors from here on.
 *
 * https://docs.docker.com/reference/cli/docker/container/cp/
 */
import * as K from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { type FileInfo, readlinkAt, statAt, tryStatAt } from "../../ffi/file_info.ts";
import { closeFd, openat, openInRoot } from "../../ffi/files.ts";

/** Where paths are looked up: on the host, or in a container. */
export interface Side {
  /** What a path is called in messages: `web:/etc`. */
  show(path: string): string;
  /** Opens a path; links in it are resolved on this side. @throws {SyscallError} */
  open(path: string, flags: number): number;
}

/** The host's files. */
export const hostSide: Side = {
  show: (path) => path,
  open: (path, flags) => openat(K.AT_FDCWD, path, flags),
};

/** A container's files, below a descriptor of its root. Paths need not begin with a slash. */
export function containerSide(root: number, container: string): Side {
  return {
    show: (path) => `${container}:${path}`,
    open: (path, flags) => openInRoot(root, path.replace(/^\/+/, "") || ".", flags),
  };
}

/** What is to be copied. `fd` (O_PATH) is the caller's to close. */
export interface Source {
  readonly fd: number;
  readonly info: FileInfo;
  /** What it is called where it comes to lie in a folder; empty for what a folder holds, without the folder itself. */
  readonly name: string;
}

/** Where it is to go. The descriptor is the caller's to close. */
export type Destination =
  | { readonly kind: "folder"; readonly fd: number }
  /** A regular file, or nothing, in a folder. `asFolder`: the path says that it is to be a folder. */
  | {
    readonly kind: "file" | "nothing";
    readonly parent: number;
    readonly name: string;
    readonly asFolder: boolean;
  };

/** The last name of a path, and what is before it; slashes at the end do not count. */
export function splitPath(path: string): { parent: string; name: string } {
  const trimmed = path.replace(/\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  const parent = slash < 0 ? (path.startsWith("/") ? "/" : ".") : trimmed.slice(0, slash + 1);
  return { parent, name: trimmed.slice(slash + 1) };
}

/** Whether a path ends in `/.`, or is nothing else: what the folder holds is meant. */
const isContents = (path: string) => /(^|\/)\.$/.test(path);
/** Whether a path can only be that of a folder. */
const assertsFolder = (path: string) => /(^|\/)\.{0,2}$/.test(path);

/**
 * Finds what is to be copied.
 *
 * @param follow a link at the end stands for what it points to. @throws {MiniError} when there is no such thing.
 */
export function findSource(side: Side, path: string, follow: boolean): Source {
  const isFolder = assertsFolder(path);
  const flags = K.O_PATH | (isFolder ? K.O_DIRECTORY : follow ? 0 : K.O_NOFOLLOW);
  let fd: number;
  try {
    fd = side.open(path, flags);
  } catch (error) {
    throw explain(error, side, path);
  }
  // The root has no name, and neither has a folder that is called by `..` in a container.
  const { name } = splitPath(path);
  const named = name === ".." ? nameOf(path) : name;
  return { fd, info: statAt(fd, ""), name: isContents(path) ? "" : named };
}

/** What a path that ends in `..` names, as it is written. */
function nameOf(path: string): string {
  const names: string[] = [];
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  for (const name of whole.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names.at(-1) ?? "";
}

/** As the kernel's own limit. */
const MOST_LINKS = 40;

/**
 * Finds where something is to go. A link at the end is followed, even to where there is nothing yet.
 *
 * @throws {MiniError} when not even the folder is there that it would lie in, or for something that is neither a folder nor a file.
 */
export function findDestination(side: Side, path: string): Destination {
  const asFolder = assertsFolder(path);
  let at = path.replace(/(\/\.?)+$/, "") || (path.startsWith("/") ? "/" : ".");
  for (let links = 0; links < MOST_LINKS; links++) {
    const { parent, name } = splitPath(at);
    if (name === "" || name === "." || name === "..") return { kind: "folder", fd: openFolder(side, at, path) };
    const folder = openFolder(side, parent, path);
    let keep = false;
    try {
      const info = tryStatAt(folder, name);
      switch (info && info.mode & K.S_IFMT) {
        case undefined:
          keep = true;
          return { kind: "nothing", parent: folder, name, asFolder };
        case K.S_IFDIR:
          return { kind: "folder", fd: openat(folder, name, K.O_PATH | K.O_DIRECTORY | K.O_NOFOLLOW) };
        case K.S_IFREG:
          if (asFolder) throw new MiniError(`${side.show(path)} is no folder`);
          keep = true;
          return { kind: "file", parent: folder, name, asFolder };
        case K.S_IFLNK: {
          const target = new TextDecoder().decode(readlinkAt(folder, name));
          at = target.startsWith("/") ? target : `${parent === "." ? "" : parent}${target}`;
          continue;
        }
      }
      throw new MiniError(`${side.show(path)} is neither a folder nor a regular file, so nothing is copied there`);
    } catch (error) {
      throw explain(error, side, path);
    } finally {
      if (!keep) closeFd(folder);
    }
  }
  throw new MiniError(`${side.show(path)} is a link in a circle of links`);
}

function openFolder(side: Side, path: string, whole: string): number {
  try {
    return side.open(path, K.O_PATH | K.O_DIRECTORY);
  } catch (error) {
    throw explain(error, side, path === whole ? path : path.replace(/(.)\/+$/, "$1"));
  }
}

function explain(error: unknown, side: Side, path: string): unknown {
  if (!(error instanceof SyscallError)) return error;
  switch (error.errno) {
    case Errno.ENOENT:
      return new MiniError(`there is no ${side.show(path)}`);
    case Errno.ENOTDIR:
      return new MiniError(`${side.show(path)} is no folder, or lies below something that is none`);
    case Errno.ELOOP:
      return new MiniError(`${side.show(path)} leads through too many links, or one of the kernel's own in /proc`);
  }
  return new MiniError(`${side.show(path)} cannot be opened: ${error.message}`, undefined, { cause: error });
}

/** Where a copy begins: below which folder, and by which name there; without a name into the folder itself. */
export interface Place {
  readonly folder: number;
  readonly name: string;
}

/**
 * Puts the two together.
 *
 * @throws {MiniError} where Docker refuses: a folder onto a file, a file to a folder that is not there.
 */
export function placeOf(isFolder: boolean, name: string, destination: Destination, shown: string): Place {
  switch (destination.kind) {
    case "folder":
      return { folder: destination.fd, name };
    case "file":
      if (isFolder) throw new MiniError(`a folder cannot be copied onto the file ${shown}`);
      break;
    case "nothing":
      if (!isFolder && destination.asFolder) {
        throw new MiniError(`there is no folder ${shown} to copy the file into; make it, or leave the last / out`);
      }
  }
  return { folder: destination.parent, name: destination.name };
}
