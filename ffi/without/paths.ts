/** What a program does in the place of openat2(2). */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../constants.ts";
import { Errno } from "../errors.ts";
import { type Argument, type Details, op, type Operation, result } from "../program.ts";
import { ask } from "./ask.ts";

const INSTEAD = { insteadOf: "openat2" } as const;

/**
 * Where links are to be followed inside a root, the caller does it, name by name (walk.ts). Where none is to be followed, and
 * in a procfs of the program's own, the program goes there itself: what a file of a procfs is depends on who opens it.
 *
 * @param o an openat2. @param details of the operation that returns what it would.
 * @param isOwnProc whether an operation returned a procfs that nobody else can mount anything in.
 */
export function openPath(
  o: Operation,
  details: Details,
  socket: number,
  isOwnProc: (name: string) => boolean,
): Operation[] {
  const [from, path, how] = o.args as [Argument, string, { words: [number, number, number] }];
  const [flags, , resolve] = how.words, all = { ...details, ...INSTEAD };
  if (resolve & RESOLVE_NO_SYMLINKS) return withoutLinks(from, path, flags, o.why, all);
  if (typeof from === "object" && "result" in from && isOwnProc(from.result) && resolve & RESOLVE_NO_MAGICLINKS) {
    return [op("openat", [from, path, flags, 0], o.why, details)];
  }
  if (!(flags & O_PATH) || details.name === undefined) throw new Error(`without openat2: cannot open ${path}`);
  const folder = typeof from === "number" ? from : (from as { result: string }).result;
  return ask(socket, { open: path, from: folder, flags, resolve }, details.name, o.why, all).operations;
}

/** One name after the other, none of which may be a link. */
function withoutLinks(from: Argument, path: string, flags: number, why: string, details: Details): Operation[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (details.name === undefined || names.includes("..")) throw new Error(`without openat2: cannot open ${path}`);
  const { name: own, ...rest } = details;
  // What comes of the whole path when a folder on the way is not there.
  if (rest.jump && (rest.jump.when !== "=" || typeof rest.jump.than !== "number" || rest.jump.than >= 0)) {
    throw new Error(`without openat2: a jump that is not for an error, at ${path}`);
  }
  const operations: Operation[] = [];
  let here = from;
  if (from === AT_FDCWD) {
    const root = `${own} from /`;
    operations.push(
      op("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the root", { name: root, ...INSTEAD }),
    );
    here = result(root);
  }
  const last = names.pop() ?? ".";
  names.forEach((name, i) => {
    const folder = `${own} folder ${i}`;
    operations.push(
      op("openat", [here, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0], why, { ...rest, name: folder }),
    );
    here = result(folder);
  });
  operations.push(op("openat", [here, last, flags | O_NOFOLLOW, 0], why, { ...rest, name: own }));
  // With O_PATH a link is opened itself; as a folder it is refused.
  return flags & O_PATH && !(flags & (O_DIRECTORY | O_NOFOLLOW))
    ? [...operations, ...noLink(own, rest.on)]
    : operations;
}

/** Ends the program with ELOOP if what an operation has opened is a symbolic link. */
function noLink(name: string, on: string | undefined): Operation[] {
  const fine = `${name} is no link`, more = on === undefined ? INSTEAD : { on, ...INSTEAD };
  return [
    op("readlinkat", [result(name), "", { cell: "link", size: 8 }, 1], "is it a symbolic link?", {
      ...more,
      optional: true,
      jump: { when: "<", to: fine },
    }),
    op("add", [-Errno.ELOOP!, 0], "it is, and none may be there", { ...more, optional: false }),
    op("add", [0, 0], "it is none", { name: fine }),
  ];
}
