/** A container's terminal and standard streams, for its own program and for those that join it. */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_NOCTTY,
  O_RDWR,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  TIOCGPTPEER,
  TIOCSCTTY,
  TIOCSPTLCK,
} from "../ffi/constants.ts";
import { type Argument, op, type Operation, result } from "../ffi/program.ts";
import { openInside } from "./plan_paths.ts";
import { waitForCaller } from "./plan_process.ts";
import type { Process } from "./spec.ts";

/** What becomes descriptor 0, 1 or 2: one of ours that is passed, or the container's own null device. */
export type Stream = number | "null";

/** A pseudo terminal of the container's own, in its devpts below `root`. Its two sides are `terminal` and `tty`. */
export function openTerminal(root: Argument, uid: number): Operation[] {
  return [
    openInside(["dev", "pts", "ptmx"], "a new terminal in the container's own devpts", {
      from: root,
      name: "terminal",
      flags: O_RDWR | O_NOCTTY,
      resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    }),
    op("ioctl", [result("terminal"), TIOCSPTLCK, new Uint8Array(4)], "unlock it"),
    op("ioctl", [result("terminal"), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC], "its container side", {
      name: "tty",
    }),
    ...(uid === 0 ? [] : [op("fchown", [result("tty"), uid, -1], "the user's own")]),
  ];
}

/** The caller takes the terminal's master while this waits. */
export const offerTerminal = (sync: number) => waitForCaller(sync, "the terminal is there to be taken");

/** The standard streams: the terminal, or `streams`. */
export function streamOperations(terminal: boolean, streams: readonly Stream[]): Operation[] {
  if (terminal) return [0, 1, 2].map((fd) => op("dup3", [result("tty"), fd, 0], "the terminal"));
  const names = ["standard input", "standard output", "standard error"];
  return streams.flatMap((fd, i) => {
    if (fd === "null") return nullOperations(i, names[i]!);
    return fd === i ? [] : [op("dup3", [fd, i, 0], names[i]!)];
  });
}

/** A new session, whose terminal is the one that is the standard input, if any. */
export function sessionOperations(terminal: boolean): Operation[] {
  return [
    op("setsid", [], "a session of its own, without a terminal of the host's"),
    ...(terminal ? [op("ioctl", [0, TIOCSCTTY, 0], "the terminal is the session's")] : []),
  ];
}

/** Streams that were made by whoever called us become the user's, who may then open them again by /proc/self/fd. */
export function ownStreams({ user }: Process, streams: readonly number[] = []): Operation[] {
  if (user.uid === 0) return [];
  return streams.map((fd) => op("fchown", [fd, user.uid, -1], "the user's own", { optional: true }));
}

/** The container's own null device as one of its streams: through the host's it could change that one's mode and owner. */
function nullOperations(stream: number, what: string): Operation[] {
  const name = `null ${stream}`;
  return [
    op("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0], "the container's own null device", {
      name,
      on: "/dev/null",
    }),
    op("dup3", [result(name), stream, 0], what),
  ];
}
