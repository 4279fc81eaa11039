/**
 * The OCI runtime specification's `linux.seccomp`.
 *
 * https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#seccomp
 */

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** A comparison of one argument of a call, as 64 bits without sign. */
export interface SeccompArg {
  /** 0 to 5. */
  index: number;
  /** What it is compared with; for SCMP_CMP_MASKED_EQ the mask. A number up to 2⁵³ - 1, which JSON carries exactly. */
  value: number | bigint;
  /** For SCMP_CMP_MASKED_EQ what the masked argument is compared with. */
  valueTwo?: number | bigint;
  op: SeccompOperator;
}

export interface SeccompSyscall {
  /** Names of system calls; those that no machine of this kind has are passed over. */
  names: string[];
  action: SeccompAction;
  /** What SCMP_ACT_ERRNO returns and SCMP_ACT_TRACE tells the tracer; EPERM where it is not given. */
  errnoRet?: number;
  /** All of them must hold; but where two are about the same argument, one of all is enough. */
  args?: SeccompArg[];
}

export interface LinuxSeccomp {
  /** For calls that no rule is about. */
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  /** `SCMP_ARCH_X86_64` …, beside the machine's own. Calls made in any other way end the thread. */
  architectures?: string[];
  /** `SECCOMP_FILTER_FLAG_LOG` … */
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: SeccompSyscall[];
}
