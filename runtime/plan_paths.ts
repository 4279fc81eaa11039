/**
 * Paths inside a container's root. This is the only place that resolves them, and the kernel does it: openat2 with
 * RESOLVE_IN_ROOT below the root's own descriptor, so that no symbolic link of an image leads out of it.
 */
import { O_CLOEXEC, O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFREG } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { type Argument, type Details, op, type Operation, result } from "../ffi/program.ts";

/** What the operation is called that opens the container's root. */
export const ROOT = "root";

/**
 * The names on the way to an absolute path: `/a/./b/../c` → `["a", "c"]`.
 *
 * @throws {MiniError} for a relative path.
 */
export function components(path: string, what: string): string[] {
  if (!path.startsWith("/")) {
    throw new MiniError(`${what} must be an absolute path, and ${JSON.stringify(path)} is not`);
  }
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** struct open_how of openat2(2). */
export const openHow = (flags: number, resolve: number): Argument => ({ words: [flags, 0, resolve] });

/** Opens a path inside the root, by default as a place to mount on (O_PATH), following links inside the root only. */
export function openInside(
  names: readonly string[],
  why: string,
  details: Details & { flags?: number; resolve?: number; from?: Argument } = {},
): Operation {
  const { flags = O_PATH, resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, from = result(ROOT), ...rest } = details;
  const path = names.join("/");
  return op("openat2", [from, path === "" ? "." : path, openHow(flags | O_CLOEXEC, resolve), 24], why, {
    on: `/${path}`,
    ...rest,
  });
}

/**
 * Opens a path inside the root under `name`; what is missing on the way is made first, folders with mode 0755. The extra
 * operations are jumped over where the path is there.
 */
export function makeInside(names: readonly string[], kind: "directory" | "file", name: string): Operation[] {
  const path = `/${names.join("/")}`, flags = kind === "directory" ? O_PATH | O_DIRECTORY : O_PATH;
  const operations = [
    openInside(names, `is ${path} there?`, { flags, optional: true, jump: { when: ">=", to: name } }),
  ];
  names.forEach((last, i) => {
    const parent = `${name} parent ${i}`, above = names.slice(0, i), here = `/${names.slice(0, i + 1).join("/")}`;
    operations.push(openInside(above, `to make ${here} in`, { flags: O_PATH | O_DIRECTORY, name: parent }));
    const file = kind === "file" && i === names.length - 1;
    // Neither follows a link in the last place; EEXIST is what it is for every folder that is there.
    operations.push(
      file
        ? op("mknodat", [result(parent), last, S_IFREG | 0o644, 0], `make the file ${here}`, {
          on: here,
          optional: true,
        })
        : op("mkdirat", [result(parent), last, 0o755], `make the folder ${here}`, { on: here, optional: true }),
    );
  });
  return [...operations, openInside(names, `open ${path}`, { flags, name })];
}

/** How the reason of an operation begins that only tells why the program ends; failure.ts tells the rest of it, and only that. */
export const REFUSED = "refuse: ";

/** Ends the program with a sentence of its own: a call that fails for certain. */
export const refuse = (sentence: string): Operation => op("fchdir", [-1], `${REFUSED}${sentence}`);
