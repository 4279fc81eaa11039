/** Failures that are the host's, not ours: told in one sentence, with what can be done. */
import { Errno, MiniError, SyscallError } from "../ffi/errors.ts";

/** Where a command keeps its files. */
export interface Places {
  readonly root: string;
  readonly state: string;
}

/** Full, read-only, damaged or forbidden file systems, a file where a folder has to be, too many open files. */
const HOSTS = ["EPERM", "EIO", "EACCES", "ENOTDIR", "EMFILE", "ENOSPC", "EROFS", "ELOOP", "EDQUOT"].map((name) =>
  Errno[name]
);

/** The error to tell: a MiniError for what the host is the reason of, otherwise the one given. */
export function explainHost(error: unknown, { root, state }: Places): unknown {
  if (!(error instanceof Error) || error instanceof MiniError || error instanceof SyscallError) return error;
  const [, message, code, what] = error.message.match(/^(.*?) \(os error (\d+)\)(?:: (.*))?/) ?? [],
    errno = Number(code);
  if (!HOSTS.includes(errno)) return error;
  const hint = errno === Errno.ENOSPC || errno === Errno.EDQUOT ? "make room there, or move them" : "they can be moved";
  return new MiniError(
    `cannot write what belongs to the container: ${message}${
      what ? ` (${what})` : ""
    }; it is kept in ${root} and ${state}: ` +
      `${hint} with --root and --state`,
    125,
    { cause: error },
  );
}
