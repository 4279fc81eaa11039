/** HOME, where nobody has set it: other OCI runtimes take it from the container's passwd, and images rely on it. */
import { close } from "../../ffi/kernel.ts";
import type { Process } from "../../runtime/spec.ts";
import { readUserFiles, resolveUser } from "../users.ts";

/**
 * Sets HOME in a process's environment, unless it is there and not empty.
 *
 * @param openRoot opens the container's root.
 * @throws {SyscallError} when /etc/passwd is there and cannot be read.
 */
export function setHome(process: Process, openRoot: () => number): void {
  const { env = [], user } = process;
  if (env.some((variable) => /^HOME=./s.test(variable))) return;
  const root = openRoot();
  try {
    const { home } = resolveUser(`${user.uid}:${user.gid}`, readUserFiles(root));
    process.env = [...env.filter((variable) => variable !== "HOME="), `HOME=${home}`];
  } finally {
    close(root);
  }
}
