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

/**
 * The error to tell: a MiniError for what the host is the reason of, otherwise the one given.
 *
 * @param status the exit status of the command then; 125 where a container was to be made.
 */
export function explainHost(error: unknown, { root, state }: Places, status: number | undefined = 125): unknown {
  if (!(error instanceof Error) || error instanceof MiniError || error instanceof SyscallError) return error;
  const [, message, code, what] = error.message.match(/^(.*?) \(os error (\d+)\)(?:: (.*))?/) ?? [],
    errno = Number(code);
  if (!HOSTS.includes(errno)) return error;
  const hint = errno === Errno.ENOSPC || errno === Errno.EDQUOT
    ? "make room there ('mini system prune'), or move them"
    : errno === Errno.EACCES || errno === Errno.EPERM
    ? "use sudo, or choose your own"
    : "they can be moved";
  return new MiniError(
    `${message}${what ? ` (${what})` : ""}; mini's files are in ${root} and ${state}: ${hint} with --root and --state`,
    status,
    { cause: error },
  );
}
