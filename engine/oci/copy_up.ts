/** `tmpcopyup`, which Podman asks for: a tmpfs begins with what the root has in its place. */
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { Errno, SyscallError } from "../../ffi/errors.ts";
import { statAt } from "../../ffi/file_info.ts";
import { close, syscall } from "../../ffi/kernel.ts";
import { openInRoot } from "../../ffi/files.ts";
import { open } from "../../ffi/open.ts";
import type { Container } from "../../runtime/container.ts";
import { mountName } from "../../runtime/plan_mounts.ts";
import type { Spec } from "../../runtime/spec.ts";
import { copyTree } from "../copy/copy.ts";

/** What the root has at a path, beneath all that is mounted in the container; undefined if there is no folder. */
function openSource(root: number, path: string): number | undefined {
  try {
    return openInRoot(root, path, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    const isNone = error instanceof SyscallError && [Errno.ENOENT, Errno.ENOTDIR].includes(error.errno);
    if (isNone) return undefined;
    throw error;
  }
}

/**
 * Fills mount `i` of a specification.
 *
 * @param container while it waits, with the mount that is not attached anywhere yet: nothing is mounted in it.
 * @throws {MiniError} or {SyscallError} when something cannot be copied.
 */
export async function copyUp(spec: Spec, container: Container, i: number): Promise<void> {
  const root = open(spec.root.path, O_PATH | O_DIRECTORY);
  const opened = [root];
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  try {
    const source = openSource(root, spec.mounts![i]!.destination);
    if (source === undefined) return;
    keep(source);
    const mount = keep(syscall("pidfd_getfd", container.pidfd, container.results.of(mountName(i))!, 0));
    // That one only names it.
    const target = keep(open(`/proc/self/fd/${mount}`, O_RDONLY | O_DIRECTORY));
    const owners = { archive: true, into: "container", uid: 0, gid: 0 } as const;
    await copyTree({ fd: source, info: statAt(source, ""), name: "" }, { folder: target, name: "" }, owners, {});
  } finally {
    opened.forEach(close);
  }
}
