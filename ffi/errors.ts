/**
 * The two kinds of failure that are told to a person. Both messages are one sentence without a final full stop; whoever
 * prints them puts `mini: ` in front.
 */

/**
 * The oldest kernel that has everything mini cannot do without, and is still looked after: close_range(2) came last, with 5.9. What is
 * newer has another way in its place (available.ts), or is one feature alone.
 */
export const LEAST_KERNEL = "5.10";

/** The names and meanings of the errno values that appear in messages, from errno(3) and asm-generic/errno.h. */
const ERRNO: Record<number, readonly [name: string, meaning: string]> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  3: ["ESRCH", "no such process"],
  4: ["EINTR", "interrupted system call"],
  5: ["EIO", "input/output error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "argument list too long"],
  8: ["ENOEXEC", "exec format error"],
  9: ["EBADF", "bad file descriptor"],
  10: ["ECHILD", "no child processes"],
  11: ["EAGAIN", "resource temporarily unavailable"],
  12: ["ENOMEM", "out of memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "device or resource busy"],
  17: ["EEXIST", "file exists"],
  18: ["EXDEV", "the path leaves its root or file system"],
  19: ["ENODEV", "no such device or file system type"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "is a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "too many open files in system"],
  24: ["EMFILE", "too many open files"],
  25: ["ENOTTY", "not a terminal"],
  26: ["ETXTBSY", "file is being executed"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left on device"],
  29: ["ESPIPE", "illegal seek"],
  30: ["EROFS", "read-only file system"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  34: ["ERANGE", "result too large"],
  36: ["ENAMETOOLONG", "file name too long"],
  38: ["ENOSYS", `not implemented by this kernel; mini needs Linux ${LEAST_KERNEL} or later`],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many levels of symbolic links"],
  61: ["ENODATA", "no data available"],
  75: ["EOVERFLOW", "value too large"],
  87: ["EUSERS", "too many namespaces"],
  95: ["EOPNOTSUPP", "operation not supported"],
  93: ["EPROTONOSUPPORT", "protocol not supported"],
  97: ["EAFNOSUPPORT", "address family not supported"],
  98: ["EADDRINUSE", "address already in use"],
  99: ["EADDRNOTAVAIL", "cannot assign requested address"],
  100: ["ENETDOWN", "network is down"],
  101: ["ENETUNREACH", "network is unreachable"],
  104: ["ECONNRESET", "connection reset by peer"],
  110: ["ETIMEDOUT", "timed out"],
  111: ["ECONNREFUSED", "connection refused"],
  116: ["ESTALE", "stale file handle"],
  122: ["EDQUOT", "disk quota exceeded"],
};

/** errno values by name, for comparing: `error.errno === Errno.ENOENT`. */
export const Errno = Object.fromEntries(
  Object.entries(ERRNO).map(([number, [name]]) => [name, Number(number)]),
) as
  & Readonly<Record<string, number>>
  & {
    readonly [
      K in
        | "EPERM"
        | "ENOENT"
        | "ESRCH"
        | "EINTR"
        | "EIO"
        | "ENXIO"
        | "E2BIG"
        | "ENOEXEC"
        | "EBADF"
        | "ECHILD"
        | "EAGAIN"
        | "ENOMEM"
        | "EACCES"
        | "EBUSY"
        | "EEXIST"
        | "EXDEV"
        | "ENODEV"
        | "ENOTDIR"
        | "EISDIR"
        | "EINVAL"
        | "EMFILE"
        | "ENOTTY"
        | "ETXTBSY"
        | "EFBIG"
        | "ENOSPC"
        | "EROFS"
        | "EPIPE"
        | "ENAMETOOLONG"
        | "ENOSYS"
        | "ENOTEMPTY"
        | "ELOOP"
        | "ENODATA"
        | "EOVERFLOW"
        | "EUSERS"
        | "EADDRINUSE"
        | "EADDRNOTAVAIL"
        | "EOPNOTSUPP"
        | "EDQUOT"
    ]: number;
  };

/** The kernel's name of an errno value: 2 → `ENOENT`; `errno 999` for one without an entry here. */
export function errnoName(errno: number): string {
  return ERRNO[errno]?.[0] ?? `errno ${errno}`;
}

/** What an errno value means, in words: 2 → `no such file or directory`. */
export function errnoMeaning(errno: number): string {
  return ERRNO[errno]?.[1] ?? `errno ${errno}`;
}

/**
 * A system call that failed: which, why, and on what.
 *
 * The message reads `openat2 etc/passwd: no such file or directory (ENOENT)`.
 */
export class SyscallError extends Error {
  override name = "SyscallError";
  constructor(
    /** The kernel's name of the call, as in syscalls(2). */
    readonly syscall: string,
    /** The positive errno value. */
    readonly errno: number,
    /** What it was called on: a path, or another short description. */
    readonly path?: string,
  ) {
    super(`${syscall}${path ? ` ${path}` : ""}: ${errnoMeaning(errno)} (${errnoName(errno)})`);
  }
}

/**
 * A request that is refused or cannot be carried out, told in one sentence that says what, where and what to do.
 *
 * Everything that a person may cause throws this one; anything else that reaches the command line is a defect of ours.
 */
export class MiniError extends Error {
  override name = "MiniError";
  /** @param exitStatus what the command exits with; without it the command's own default (125 for `run`, else 1). */
  constructor(message: string, readonly exitStatus?: number, options?: ErrorOptions) {
    super(message, options);
  }
}
