/** Names of tar entries as paths below a root: cleaned like Docker cleans them, by their bytes. */
import { MiniError } from "../ffi/errors.ts";
import { showPath } from "../ffi/files.ts";

/** Bytes of a path: the kernel takes no longer one. */
const MAX_PATH = 4095;
/** Bytes of one name in it. */
const MAX_NAME = 255;
const SLASH = 0x2f, DOT = 0x2e;

/**
 * Cleans a name: no leading or trailing `/`, no empty and no `.` parts, `x/..` taken out. `/etc/x`, `./etc/x` and
 * `etc//x` are all `etc/x`; the root itself is empty. What it returns may be a part of `path`.
 *
 * @throws {MiniError} if `..` leads out of the root, or if the name is too long for any file.
 */
export function cleanPath(path: Uint8Array): Uint8Array {
  let start = 0, end = path.length;
  while (start + 1 < end && path[start] === DOT && path[start + 1] === SLASH) start += 2;
  while (start < end && path[start] === SLASH) start++;
  while (end > start && path[end - 1] === SLASH) end--;
  if (end - start === 1 && path[start] === DOT) end = start;
  if (isClean(path, start, end)) return start === 0 && end === path.length ? path : path.subarray(start, end);
  const parts: Uint8Array[] = [];
  for (let at = start; at < end;) {
    let next = path.indexOf(SLASH, at);
    if (next < 0 || next > end) next = end;
    const part = path.subarray(at, next);
    at = next + 1;
    if (part.length === 0 || (part.length === 1 && part[0] === DOT)) continue;
    if (part.length === 2 && part[0] === DOT && part[1] === DOT) {
      if (parts.pop() === undefined) throw new MiniError(`with .. the entry ${shortPath(path)} leads out of the root`);
    } else {
      if (part.length > MAX_NAME) throw new MiniError(`the name ${shortPath(path)} is too long`);
      parts.push(part);
    }
  }
  return join(parts, path);
}

/** Whether there is nothing to clean, in one look at each byte. */
function isClean(path: Uint8Array, start: number, end: number): boolean {
  if (end - start > MAX_NAME) return false; // the slow way checks lengths
  let previous = SLASH;
  for (let i = start; i < end; i++) {
    const byte = path[i]!;
    if (previous === SLASH && (byte === SLASH || byte === DOT)) {
      const next = i + 1 < end ? path[i + 1]! : SLASH;
      // A hidden file such as .profile is fine; "." and "..", and "//", are not.
      if (byte === SLASH || next === SLASH || next === DOT) return false;
    }
    previous = byte;
  }
  return true;
}

function join(parts: Uint8Array[], original: Uint8Array): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length + 1, 0) - 1;
  if (length > MAX_PATH) throw new MiniError(`the path ${shortPath(original)} is too long`);
  const path = new Uint8Array(Math.max(length, 0));
  let at = 0;
  for (const part of parts) {
    path.set(part, at);
    at += part.length;
    if (at < length) path[at++] = SLASH;
  }
  return path;
}

/** A name for a message: readable whatever its bytes are, and cut short. */
export function shortPath(path: Uint8Array): string {
  const text = showPath(path.subarray(0, 200));
  return path.length > 200 ? `${text}…` : text;
}
