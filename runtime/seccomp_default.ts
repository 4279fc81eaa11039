/**
 * The system calls that a container may make where nothing else is asked for: what programs need, and nothing that reaches
 * past the container. A list of what is allowed; all else fails with EPERM, and calls that are newer than the list with
 * ENOSYS (seccomp.ts). At least as strict as Docker's default profile.
 *
 * Never, whatever the capabilities: keyrings (no namespace of their own), io_uring and userfaultfd (helpers of many exploits),
 * kexec, swap, pivot_root, and what only the kernel's history knows.
 */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../ffi/constants.ts";
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from "./seccomp_types.ts";
import type { Architecture } from "./seccomp_verdicts.ts";

const EPERM = 1, ENOSYS = 38;

/** What needs no privilege, or has its own checks in the kernel. Names of 32-bit programs' calls are among them. */
const ALWAYS = [
  // Files: contents.
  "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek sendfile sendfile64 splice tee " +
  "vmsplice copy_file_range readahead fadvise64 fadvise64_64 fallocate truncate truncate64 ftruncate ftruncate64 fsync " +
  "fdatasync sync syncfs sync_file_range cachestat flock",
  // Files: names and metadata.
  "open openat openat2 creat close close_range access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 " +
  "newfstatat statx statfs statfs64 fstatfs fstatfs64 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown " +
  "lchown32 fchownat link linkat symlink symlinkat readlink readlinkat unlink unlinkat rename renameat renameat2 mkdir " +
  "mkdirat rmdir mknod mknodat getdents getdents64 getcwd chdir fchdir umask utime utimes futimesat utimensat " +
  "utimensat_time64 name_to_handle_at listmount statmount",
  "getxattr getxattrat lgetxattr fgetxattr setxattr setxattrat lsetxattr fsetxattr listxattr listxattrat llistxattr " +
  "flistxattr removexattr removexattrat lremovexattr fremovexattr",
  // Descriptors and waiting on them.
  "dup dup2 dup3 fcntl fcntl64 ioctl pipe pipe2 eventfd eventfd2 signalfd signalfd4 memfd_create memfd_secret select " +
  "_newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait " +
  "epoll_wait_old epoll_pwait epoll_pwait2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark " +
  "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
  // Memory.
  "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall remap_file_pages " +
  "membarrier mseal map_shadow_stack pkey_alloc pkey_free pkey_mprotect",
  // Processes and threads; clone and clone3 have rules of their own.
  "fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp setpgid getsid setsid " +
  "kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease prctl ptrace process_vm_readv process_vm_writev futex " +
  "futex_time64 futex_wait futex_wake futex_waitv futex_requeue set_robust_list get_robust_list set_tid_address rseq " +
  "set_thread_area get_thread_area restart_syscall uretprobe",
  // Signals.
  "rt_sigaction rt_sigprocmask rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait " +
  "rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn pause",
  // Users and limits: the kernel asks for the capability itself.
  "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups " +
  "getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid " +
  "setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset getrlimit ugetrlimit setrlimit " +
  "prlimit64 getrusage seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
  // Processor time.
  "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam " +
  "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval " +
  "sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set getcpu",
  // Clocks and timers.
  "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep " +
  "clock_nanosleep_time64 nanosleep alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime " +
  "timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime " +
  "timerfd_settime64 adjtimex clock_adjtime clock_adjtime64",
  // Sockets; socket itself has rules of its own.
  "socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown send sendto sendmsg " +
  "sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
  // System V and POSIX message queues, semaphores, shared memory: of the container's own ipc namespace.
  "ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 shmget shmctl shmat shmdt mq_open " +
  "mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64",
  // The system.
  "uname sysinfo getrandom",
];

const OF_MACHINE: Record<Architecture, { architectures: string[]; calls: string }> = {
  // x32 is left out: no distribution has programs for it, and it is one more way into the kernel.
  x86_64: { architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], calls: "arch_prctl modify_ldt" },
  aarch64: {
    architectures: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    calls: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
  },
};

/** What a capability is there for. */
const WITH_CAPABILITY: Record<string, string> = {
  CAP_DAC_READ_SEARCH: "open_by_handle_at",
  CAP_SYS_ADMIN:
    "clone clone3 unshare setns mount umount umount2 mount_setattr open_tree move_mount fsopen fsconfig fsmount " +
    "fspick sethostname setdomainname quotactl quotactl_fd fanotify_init bpf perf_event_open syslog lsm_get_self_attr " +
    "lsm_set_self_attr lsm_list_modules",
  CAP_BPF: "bpf",
  CAP_PERFMON: "perf_event_open",
  CAP_SYSLOG: "syslog",
  CAP_SYS_BOOT: "reboot",
  CAP_SYS_CHROOT: "chroot",
  CAP_SYS_MODULE: "init_module finit_module delete_module",
  CAP_SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  CAP_SYS_PACCT: "acct",
  CAP_SYS_PTRACE: "kcmp pidfd_getfd process_madvise",
  CAP_SYS_RAWIO: "iopl ioperm",
  CAP_SYS_TIME: "settimeofday stime clock_settime clock_settime64",
  CAP_SYS_TTY_CONFIG: "vhangup",
};

/** Flags of clone(2) that make namespaces. */
const CLONE_NEW = Number(
  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
);

/** PER_LINUX and PER_LINUX32, each with and without UNAME26 (0x20000); and "which one is it?". */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff];

/**
 * Address families that a socket may have, as masks and values: 0 to 47 (there are 46) without AF_ALG (38), as the kernel's own
 * cryptography has been a way to root (CVE-2026-31431), and AF_VSOCK (40), which reaches the host of a virtual machine. The upper
 * half of the argument is masked out because the kernel passes over it: a comparison of all 64 bits, greater or not equal, would
 * let 0x100000026 by, which is AF_ALG as well.
 */
const FAMILIES: readonly [mask: number, value: number][] = [
  [0xffffffe0, 0], // 0 to 31
  [0xfffffffc, 32], // 32 to 35
  [0xfffffffe, 36], // 36, 37
  [0xffffffff, 39],
  [0xffffffff, 41],
  [0xfffffffe, 42], // 42, 43
  [0xfffffffc, 44], // 44 to 47
];

const allow = (calls: string, ...args: SeccompArg[]): SeccompSyscall => ({
  names: calls.split(" "),
  action: "SCMP_ACT_ALLOW",
  ...args.length > 0 ? { args } : {},
});
const missing = (call: string): SeccompSyscall => ({ names: [call], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS });

/** What the profile depends on beside the capabilities. */
export interface DefaultSeccompOptions {
  /**
   * Lets i386 programs make sockets through socketcall(2), as Debian's C library does. Its arguments are in memory, where a
   * filter does not see them: every family of sockets is open then. For images of i386 alone.
   */
  readonly socketcall?: boolean;
}

/** The default profile for a container with these capabilities (`CAP_CHOWN` …, its bounding set). */
export function defaultSeccomp(
  capabilities: readonly string[],
  architecture: Architecture,
  { socketcall = false }: DefaultSeccompOptions = {},
): LinuxSeccomp {
  const has = (name: string) => capabilities.includes(name);
  const { architectures, calls } = OF_MACHINE[architecture];
  const rules = [...ALWAYS, calls].map((names) => allow(names));
  rules.push(
    ...FAMILIES.map(([mask, value]) =>
      allow("socket", { index: 0, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" })
    ),
    socketcall ? allow("socketcall") : missing("socketcall"),
    ...PERSONALITIES.map((value) => allow("personality", { index: 0, value, op: "SCMP_CMP_EQ" })),
  );
  for (const [capability, names] of Object.entries(WITH_CAPABILITY)) if (has(capability)) rules.push(allow(names));
  if (!has("CAP_SYS_ADMIN")) {
    rules.push(
      allow("clone", { index: 0, value: CLONE_NEW, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }),
      // Its flags are in memory, where a filter does not see them; libc falls back on clone.
      missing("clone3"),
    );
  }
  return { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: EPERM, architectures, syscalls: rules };
}
