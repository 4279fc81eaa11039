/** Checks a specification: what it asks for is carried out, or refused by name. Nothing is passed over. */
import { MiniError } from "../ffi/errors.ts";
import { checkLabels } from "./lsm.ts";
import { hasNamespace, isNew } from "./plan_namespaces.ts";
import { PROPAGATIONS } from "./plan_root.ts";
import { seccompFilter } from "./plan_seccomp.ts";
import { components } from "./plan_paths.ts";
import type { Hook, Hooks, Linux, Mount, NamespaceType, Process, Spec } from "./spec.ts";

const NAMESPACES: readonly NamespaceType[] = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];
/** Sysctls that a namespace has of its own, sysctl(8) and ipc_namespaces(7), network_namespaces(7). */
const IPC_SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

const refuse = (sentence: string): never => {
  throw new MiniError(sentence);
};

/** @throws {MiniError} for the first thing that cannot be carried out. */
export function checkSpec(spec: Spec): void {
  checkNamespaces(spec);
  checkProcess(spec.process);
  for (const mount of spec.mounts ?? []) {
    checkMount(mount);
    checkIds(spec, mount);
  }
  checkLabels(spec);
  checkHooks(spec.hooks ?? {});
  checkLinux(spec.linux ?? {});
  if (Object.keys(spec.annotations ?? {}).includes("")) refuse("an annotation needs a name, and one has none");
  if (spec.linux?.seccomp !== undefined) seccompFilter(spec.linux.seccomp);
  for (const [key, value] of Object.entries(spec.linux?.sysctl ?? {})) checkSysctl(spec, key, value);
  for (const name of [spec.hostname, spec.domainname]) {
    // sethostname(2): at most 64 bytes.
    if (name !== undefined && new TextEncoder().encode(name).length > 64) {
      refuse(`the host name ${JSON.stringify(name)} is longer than 64 bytes`);
    }
  }
  if ((spec.hostname ?? spec.domainname) !== undefined && !hasNamespace(spec, "uts")) {
    refuse("a host name needs a uts namespace of the container's own");
  }
}

function checkNamespaces(spec: Spec): void {
  const seen = new Set<string>();
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    if (!NAMESPACES.includes(type)) refuse(`there is no namespace of type ${JSON.stringify(type)}`);
    if (seen.has(type)) refuse(`linux.namespaces names ${type} twice`);
    seen.add(type);
    if (path !== undefined && !path.startsWith("/")) {
      refuse(`linux.namespaces: the path of the ${type} namespace, ${JSON.stringify(path)}, is not absolute`);
    }
  }
  if (!hasNamespace(spec, "mount")) refuse("a container needs a mount namespace of its own");
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  if (
    isNew(spec, "user") ? !uidMappings.length || !gidMappings.length : !hasNamespace(spec, "user") &&
      uidMappings.length + gidMappings.length > 0
  ) {
    refuse("a user namespace needs uidMappings and gidMappings, and they need a user namespace");
  }
}

function checkHooks(hooks: Hooks): void {
  for (const [kind, list] of Object.entries(hooks) as [string, Hook[]][]) {
    for (const { path, timeout } of list) {
      if (!path.startsWith("/")) refuse(`hooks.${kind}: ${JSON.stringify(path)} must be an absolute path`);
      if (timeout !== undefined && timeout <= 0) {
        refuse(`hooks.${kind}: the timeout of ${path} must be above 0 seconds`);
      }
    }
  }
}

const CLOCKS = ["monotonic", "boottime"];
/** Bits of a device number, MINORBITS of the kernel's include/linux/kdev_t.h. */
const MAJOR_BITS = 12, MINOR_BITS = 20;

function checkLinux({ rootfsPropagation, personality, timeOffsets, devices, maskedPaths, readonlyPaths }: Linux): void {
  if (rootfsPropagation && !PROPAGATIONS.includes(rootfsPropagation)) {
    refuse(`linux.rootfsPropagation is one of ${PROPAGATIONS.join(", ")}, not ${JSON.stringify(rootfsPropagation)}`);
  }
  if (personality?.flags?.length) refuse("linux.personality.flags: there are none that the specification allows");
  const clock = Object.keys(timeOffsets ?? {}).find((name) => !CLOCKS.includes(name));
  if (clock !== undefined) {
    refuse(`linux.timeOffsets: there is no clock ${JSON.stringify(clock)} (${CLOCKS.join(", ")})`);
  }
  for (const path of [...maskedPaths ?? [], ...readonlyPaths ?? []]) components(path, "a masked or read-only path");
  for (const { path, type, major = 0, minor = 0, fileMode = 0 } of devices ?? []) {
    if (components(path, "a device's path").length === 0) refuse("a device cannot be at /");
    if (type !== "p" && (major < 0 || major >= 2 ** MAJOR_BITS || minor < 0 || minor >= 2 ** MINOR_BITS)) {
      refuse(`linux.devices: ${path} has no number that a device can have (${major}:${minor})`);
    }
    if (fileMode < 0 || fileMode & ~0o177777) refuse(`linux.devices: ${path} has no mode that a file can have`);
  }
}

/** What may be mounted in /proc, as the likes of lxcfs do: files that only tell numbers. */
const PROC_FILES = ["cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"].map((name) =>
  `/proc/${name}`
);

/** Whether a mount on this path of /proc is harmless. */
export const isProcFile = (destination: string): boolean => PROC_FILES.includes(destination);

/** The host's own: for a container in its pid namespace that may not mount another one. */
const isHostProc = ({ type, source, options = [] }: Mount) =>
  source === "/proc" && (type === "bind" || options.includes("bind") || options.includes("rbind"));

/** Where links lead in the container's root is found out when it is made (plan_mounts.ts); this is about the words. */
export function checkMount(mount: Mount): void {
  const { destination, type } = mount;
  const path = `/${components(destination, "a mount's destination").join("/")}`;
  if (path === "/") refuse(`nothing can be mounted on /, which is the container's root itself`);
  if (path === "/proc" ? type === "proc" || isHostProc(mount) : !path.startsWith("/proc/") || isProcFile(path)) return;
  refuse(`nothing can be mounted on ${destination}: the container's /proc is what the kernel says`);
}

/** The ids of a mount's files: those that it names, or those of the container's user namespace. */
function checkIds(spec: Spec, { destination, type, options = [], uidMappings, gidMappings }: Mount): void {
  const asked = options.some((option) => option === "idmap" || option === "ridmap");
  const named = uidMappings !== undefined || gidMappings !== undefined;
  if (!asked && !named) return;
  if (type !== "bind" && !options.some((option) => option === "bind" || option === "rbind")) {
    refuse(`the mount on ${destination} is no bind mount, so its ids cannot be mapped`);
  }
  if (named && !(uidMappings?.length && gidMappings?.length)) {
    refuse(`the mount on ${destination} needs both uidMappings and gidMappings`);
  }
  if (!named && !hasNamespace(spec, "user")) {
    refuse(`the mount on ${destination} asks for idmap without a user namespace whose ids it would get`);
  }
}

/** @throws {MiniError} for what no process can have. */
export function checkProcess(process: Process): void {
  const id = (n: number) => Number.isInteger(n) && n >= 0 && n < 2 ** 32 - 1;
  const { uid, gid, additionalGids = [] } = process.user;
  for (const n of [uid, gid, ...additionalGids]) {
    if (!id(n)) refuse(`${n} is not a user or group id (0 to 4294967294)`);
  }
  if (!process.args.length || process.args[0] === "") refuse("process.args is empty: there is no program to run");
  if (!process.cwd.startsWith("/")) {
    refuse(
      `the working directory must be an absolute path in the container, and ${JSON.stringify(process.cwd)} is not`,
    );
  }
  const words = [...process.args, ...process.env ?? [], process.cwd];
  const bad = words.find((word) => word.includes("\0"));
  if (bad !== undefined) refuse(`a NUL character is not allowed in ${JSON.stringify(bad)}`);
  const limits = new Set<string>();
  for (const { type, soft, hard } of process.rlimits ?? []) {
    if (limits.has(type)) refuse(`process.rlimits has ${type} twice`);
    limits.add(type);
    if (hard >= 0 && (soft < 0 || soft > hard)) refuse(`the limit ${type} is ${soft}, above its own maximum ${hard}`);
  }
}

/** The kind of namespace that has a sysctl of its own; undefined for one that the whole host has. */
export const sysctlNamespace = (key: string): NamespaceType | undefined =>
  key.startsWith("net.")
    ? "network"
    : IPC_SYSCTLS.has(key) || key.startsWith("fs.mqueue.")
    ? "ipc"
    : key === "kernel.domainname"
    ? "uts"
    : undefined;

/** Only what a namespace of the container's own holds: all else would change the host (CVE-2022-0811). */
function checkSysctl(spec: Spec, key: string, value: string): void {
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(key)) refuse(`${JSON.stringify(key)} is not the name of a sysctl`);
  if (/[\n\0]/.test(value)) refuse(`the value of sysctl ${key} must be one line`);
  const { domainname = value } = spec;
  if (key === "kernel.domainname" && domainname !== value) {
    refuse(`sysctl kernel.domainname is ${value} and domainname ${domainname}: leave one of them out`);
  }
  const needs = sysctlNamespace(key);
  if (!needs) refuse(`sysctl ${key} belongs to the whole host, not to a container, so it cannot be set for one`);
  else if (!isNew(spec, needs) && !joinsAnother(spec, needs)) {
    refuse(`sysctl ${key} needs a ${needs} namespace of the container's own`);
  }
}

/** Whether it joins a namespace that is not the host's. */
function joinsAnother(spec: Spec, type: NamespaceType): boolean {
  const path = spec.linux?.namespaces?.find((n) => n.type === type)?.path;
  if (path === undefined) return false;
  const own = `/proc/self/ns/${NAMESPACE_FILES[type] ?? type}`;
  try {
    return Deno.statSync(path).ino !== Deno.statSync(own).ino;
  } catch (error) {
    throw new MiniError(`the ${type} namespace ${path} cannot be looked at: ${(error as Error).message}`);
  }
}

/** What /proc/PID/ns calls them, where that differs from the specification. */
const NAMESPACE_FILES: Partial<Record<NamespaceType, string>> = { network: "net", mount: "mnt" };
