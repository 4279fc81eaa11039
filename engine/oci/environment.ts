/** The environment of a container's process, as other OCI runtimes settle it. */
import { close } from "../../ffi/kernel.ts";
import { readyForPaths } from "../../ffi/open.ts";
import type { Process } from "../../runtime/spec.ts";
import { readUserFiles, resolveUser } from "../users.ts";

/** Each variable once, as it is said last: most programs read the first one of a name, and what is added is added at the end. */
export function lastOfEach(variables: readonly string[]): string[] {
  const seen = new Set<string>();
  return variables.toReversed().filter((variable) => {
    const [name = ""] = variable.split("=", 1);
    return !seen.has(name) && seen.add(name);
  }).reverse();
}

/**
 * Settles a process's environment. HOME is the one of the container's passwd, unless it is given and not empty: images rely
 * on it.
 *
 * @param more variables beside its own. @param openRoot opens the container's root.
 * @throws {SyscallError} when /etc/passwd is there and cannot be read.
 */
export async function settleEnvironment(
  process: Process,
  more: readonly string[],
  openRoot: () => number,
): Promise<void> {
  const { user } = process, env = lastOfEach([...process.env ?? [], ...more]);
  process.env = env;
  if (env.some((variable) => /^HOME=./s.test(variable))) return;
  await readyForPaths();
  const root = openRoot();
  try {
    const { home } = resolveUser(`${user.uid}:${user.gid}`, readUserFiles(root));
    process.env = [...env.filter((variable) => variable !== "HOME="), `HOME=${home}`];
  } finally {
    close(root);
  }
}
