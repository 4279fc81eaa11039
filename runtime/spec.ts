/**
 * The OCI runtime specification's config.json, as far as it is carried out here (version 1.2). What it allows and this
 * does not carry out is refused by name in spec_check.ts.
 *
 * https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
 */

import type { Resources } from "./resources.ts";
import type { LinuxSeccomp } from "./seccomp_types.ts";

/** The version written into specs and states that are made here. */
export const OCI_VERSION = "1.2.0";

export interface Spec {
  ociVersion: string;
  root: {
    /** A folder; relative to the bundle. */
    path: string;
    readonly?: boolean;
  };
  hostname?: string;
  domainname?: string;
  process: Process;
  mounts?: Mount[];
  linux?: Linux;
  hooks?: Hooks;
  annotations?: Record<string, string>;
}

/** A program that is run at a point of a container's life, with the container's state as JSON on its standard input. */
export interface Hook {
  /** Absolute. */
  path: string;
  /** As execve(2) takes them, the name included; the path alone where there are none. */
  args?: string[];
  /** All of its environment. */
  env?: string[];
  /** Seconds, above 0; it is killed when they are over. */
  timeout?: number;
}

/** config.md, "POSIX-platform Hooks": the first two and the last two in the runtime's namespaces, the others in the container's. */
export interface Hooks {
  prestart?: Hook[];
  createRuntime?: Hook[];
  createContainer?: Hook[];
  startContainer?: Hook[];
  poststart?: Hook[];
  poststop?: Hook[];
}

export interface Process {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  /** Absolute, inside the container. */
  cwd: string;
  /** `NAME=value` each. */
  env?: string[];
  /** The program and its arguments; the program is searched along PATH when it has no slash. */
  args: string[];
  user: User;
  rlimits?: Rlimit[];
  capabilities?: Capabilities;
  noNewPrivileges?: boolean;
  /** The name of a profile of AppArmor that is loaded. */
  apparmorProfile?: string;
  /** The context of SELinux. */
  selinuxLabel?: string;
  oomScoreAdj?: number;
  scheduler?: Scheduler;
  ioPriority?: { class: string; priority?: number };
  /** Lists of processors, `0-3,7`, for processes that join the container. */
  execCPUAffinity?: { initial?: string; final?: string };
}

/** sched_setattr(2) */
export interface Scheduler {
  /** `SCHED_FIFO` … */
  policy: string;
  nice?: number;
  priority?: number;
  /** `SCHED_FLAG_RESET_ON_FORK` … */
  flags?: string[];
  /** Nanoseconds, of SCHED_DEADLINE alone, as are the next two. */
  runtime?: number | bigint;
  deadline?: number | bigint;
  period?: number | bigint;
}

export interface User {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

export interface Rlimit {
  /** `RLIMIT_NOFILE` … */
  type: string;
  /** Without sign; 2⁶⁴ - 1, or -1, is without limit. */
  soft: number | bigint;
  hard: number | bigint;
}

export interface Capabilities {
  bounding?: string[];
  permitted?: string[];
  effective?: string[];
  inheritable?: string[];
  ambient?: string[];
}

export interface Mount {
  /** Absolute, inside the container. */
  destination: string;
  type?: string;
  /** For a bind mount a path of the host; relative to the bundle. */
  source?: string;
  options?: string[];
  /** For a bind mount: the ids that the files in it get; those of the container's user namespace with the option `idmap`. */
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

export interface Namespace {
  type: NamespaceType;
  /** A file such as /proc/PID/ns/net: join that one instead of making a new one. */
  path?: string;
}

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Device {
  /** Absolute, inside the container. */
  path: string;
  /** c or u: character, b: block, p: FIFO. */
  type: "c" | "b" | "u" | "p";
  major?: number;
  minor?: number;
  /** Permission bits, 0666 by default. */
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface Linux {
  namespaces?: Namespace[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>;
  devices?: Device[];
  cgroupsPath?: string;
  resources?: Resources;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  /** The context of SELinux that files in the container's own file systems have. */
  mountLabel?: string;
  readonlyPaths?: string[];
  seccomp?: LinuxSeccomp;
  /** How mounts pass between the container's root and the host, mount_namespaces(7). */
  rootfsPropagation?: string;
  /** personality(2) */
  personality?: { domain: string; flags?: string[] };
}
