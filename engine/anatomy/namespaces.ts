/** The namespaces of a container that runs, and who else is in them: namespaces(7). */

/** A namespace that a process is in. */
export interface NamespaceView {
  /** As /proc calls it: `mnt`, `net` … */
  readonly kind: string;
  readonly inode: number;
  /** It is the one that mini is in, the host's. */
  readonly host: boolean;
  /** The names of the other containers that are in it. */
  readonly sharedWith: readonly string[];
}

const KINDS = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user", "time"];

/** The namespaces of a process by kind; those that the kernel does not have, or that it has left, are not there. */
function namespacesOf(pid: number | "self"): Map<string, number> {
  const found = new Map<string, number>();
  for (const kind of KINDS) {
    try {
      // `net:[4026531840]`
      found.set(kind, Number(/\[(\d+)\]/.exec(Deno.readLinkSync(`/proc/${pid}/ns/${kind}`))?.[1]));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) && !(error as Error).message.includes("os error 3)")) throw error;
    }
  }
  return found;
}

/** @param others the containers that run beside it. */
export function namespaces(pid: number, others: readonly { name: string; pid: number }[]): NamespaceView[] {
  const host = namespacesOf("self"), beside = others.map(({ name, pid }) => ({ name, own: namespacesOf(pid) }));
  return [...namespacesOf(pid)].map(([kind, inode]) => ({
    kind,
    inode,
    host: host.get(kind) === inode,
    sharedWith: beside.filter(({ own }) => own.get(kind) === inode).map(({ name }) => name),
  }));
}
