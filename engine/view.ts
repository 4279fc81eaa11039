/** A look into a container's root filesystem from outside, before it runs or after it has ended. */
import { AT_FDCWD, CLONE_NEWNS, MS_REC, MS_SLAVE, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../ffi/constants.ts";
import { close, syscall, trySyscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { op, type Program } from "../ffi/program.ts";
import { spawn, waitForExit } from "../ffi/spawn.ts";
import { SyscallError } from "../ffi/errors.ts";
import { makePair } from "../runtime/handshake.ts";
import { overlayRootfs } from "../runtime/overlay.ts";

/** What to look into: layers, the bottom one first, under what the container has changed, if it has run. */
export interface ViewSource {
  readonly layers: readonly string[];
  readonly upper?: string;
  /** An empty folder to mount on; `TARGET.links` beside it may be made (overlay.ts). */
  readonly target: string;
}

/**
 * A descriptor of the root as the container sees it, to be read below with openInRoot; the caller's to close.
 *
 * One layer is a folder like any other. Several are stacked by a program in a mount namespace of its own, which lives only
 * until its root is taken from it; the mount itself lives as long as the descriptor. The host never sees it.
 *
 * @throws {SyscallError} when the layers cannot be stacked or opened.
 */
export function openView({ layers, upper, target }: ViewSource): number {
  const folders = upper === undefined ? layers : [...layers, upper];
  if (folders.length === 1) return open(folders[0]!, O_PATH | O_DIRECTORY);
  // Without an upper folder overlayfs is read-only and needs no work folder.
  const rootfs = overlayRootfs({ lowers: folders, target });
  const [ours, theirs] = makePair();
  const pair = [ours, theirs];
  try {
    const program: Program = [
      op("mount", ["none", "/", 0, MS_REC | MS_SLAVE, 0], "no mount made here reaches the host"),
      op("chdir", [rootfs.relativeTo], "where the layers are"),
      op("mount", ["overlay", target, "overlay", 0, rootfs.options], "stack the layers", { on: target }),
      op("openat", [AT_FDCWD, target, O_PATH | O_DIRECTORY | O_CLOEXEC, 0], "the root", { name: "root", on: target }),
      op("write", [theirs, "+", 1], "tell mini"),
      op("read", [theirs, { cell: "answer", size: 8 }, 1], "until it has taken the root"),
      op("exit_group", [0], "done"),
    ];
    const { pidfd, results } = spawn(program, { flags: CLONE_NEWNS, pass: [theirs] });
    // Ours must be the only other copy, so that the end of the program ends the wait below.
    close(theirs);
    pair[1] = -1;
    try {
      const ready = trySyscall("read", ours, new Uint8Array(1), 1) === 1;
      const fd = ready ? syscall("pidfd_getfd", pidfd, results.of("root")!, 0) : -1;
      const failure = results.failure();
      if (fd < 0) throw new SyscallError(failure?.operation.call ?? "mount", failure?.errno ?? 22, target);
      return fd;
    } finally {
      close(ours);
      pair[0] = -1;
      waitForExit(pidfd);
      close(pidfd);
      results.close();
    }
  } finally {
    for (const fd of pair) if (fd >= 0) close(fd);
  }
}
