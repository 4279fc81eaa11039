/** Checks a specification: what it asks for is carried out, or refused by name. Nothing is passed over. */
import { MiniError } from "../ffi/errors.ts";
import { checkLabels } from "./lsm.ts";
import { hasNamespace, isNew } from "./plan_namespaces.ts";
import { seccompFilter } from "./plan_seccomp.ts";
import { components } from "./plan_paths.ts";
import type { Mount, NamespaceType, Process, Spec } from "./spec.ts";

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

/** What may be mounted in /proc, as the likes of lxcfs do: files that only tell numbers. */
const PROC_FILES = ["cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"].map((name) =>
  `/proc/${name}`
);

/** Whether a mount on this path of /proc is harmless. */
export const isProcFile = (destination: string): boolean => PROC_FILES.includes(destination);

/** Where links lead in the container's root is found out when it is made (plan_mounts.ts); this is about the words. */
function checkMount({ destination, type }: Mount): void {
  const path = `/${components(destination, "a mount's destination").join("/")}`;
  if (path === "/") refuse(`nothing can be mounted on /, which is the container's root itself`);
  if (path === "/proc" ? type === "proc" : !path.startsWith("/proc/") || isProcFile(path)) return;
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
  if (!process.args.length) refuse("process.args is empty: there is no program to run");
  const words = [...process.args, ...process.env ?? [], process.cwd];
  const bad = words.find((word) => word.includes("\0"));
  if (bad !== undefined) refuse(`a NUL character is not allowed in ${JSON.stringify(bad)}`);
  for (const { type, soft, hard } of process.rlimits ?? []) {
    if (hard >= 0 && (soft < 0 || soft > hard)) refuse(`the limit ${type} is ${soft}, above its own maximum ${hard}`);
  }
}

/** Only what a namespace of the container's own holds: all else would change the host (CVE-2022-0811). */
function checkSysctl(spec: Spec, key: string, value: string): void {
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(key)) refuse(`${JSON.stringify(key)} is not the name of a sysctl`);
  if (/[\n\0]/.test(value)) refuse(`the value of sysctl ${key} must be one line`);
  const needs: NamespaceType | undefined = key.startsWith("net.")
    ? "network"
    : IPC_SYSCTLS.has(key) || key.startsWith("fs.mqueue.")
    ? "ipc"
    : key === "kernel.domainname"
    ? "uts"
    : undefined;
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
