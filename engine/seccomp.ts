/** `--security-opt seccomp=…`: which system calls a container may make, in Docker's words. */
import { MiniError } from "../ffi/errors.ts";
import { defaultSeccomp } from "../runtime/seccomp_default.ts";
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from "../runtime/seccomp_types.ts";

const { arch } = Deno.build;

/** What a filter depends on beside what the user asked for. */
export interface SeccompContext {
  readonly capabilities: readonly string[];
  /** The image's own, as images write it: amd64, 386. */
  readonly imageArchitecture?: string | undefined;
}

/** What the user asked for: a section for each container, or none. */
export type SeccompChoice = (context: SeccompContext) => LinuxSeccomp | undefined;

const builtin: SeccompChoice = ({ capabilities, imageArchitecture }) =>
  // i386 programs of such images make their sockets through socketcall.
  defaultSeccomp(capabilities, arch, { socketcall: imageArchitecture === "386" });

/**
 * The last `seccomp=` among the options: `unconfined`, `builtin`, or a file; without one the default profile.
 *
 * @throws {MiniError} for a file that cannot be read or is no profile.
 */
export function readSeccomp(options: readonly string[]): SeccompChoice {
  const option = options.findLast(isSeccompOption);
  if (option === undefined) return builtin;
  const value = option.slice("seccomp".length + 1);
  if (value === "unconfined") return () => undefined;
  if (value === "builtin") return builtin;
  if (value === "") throw new MiniError(`--security-opt ${option}: it is unconfined, builtin or a file`);
  return readProfile(value, readFile(value));
}

/** Whether a security option is one of these. */
export const isSeccompOption = (option: string) => /^seccomp[=:]/.test(option);

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new MiniError(
      error instanceof Deno.errors.NotFound
        ? `--security-opt seccomp=${path}: there is no such file`
        : `--security-opt seccomp=${path} cannot be read: ${(error as Error).message}`,
    );
  }
  try {
    const profile = JSON.parse(text);
    if (typeof profile === "object" && profile !== null && !Array.isArray(profile)) return profile;
  } catch (error) {
    throw new MiniError(`--security-opt seccomp=${path} is not JSON: ${(error as Error).message}`);
  }
  throw new MiniError(`--security-opt seccomp=${path} is not a seccomp profile, which is a JSON object`);
}

/** Under which conditions an entry of Docker's format counts. */
interface Filter {
  arches?: string[];
  caps?: string[];
  minKernel?: string;
}

/** An entry of Docker's format: the specification's with conditions, and in old files one name. */
interface ProfileCall {
  name?: string;
  names?: string[];
  action: SeccompSyscall["action"];
  errnoRet?: number | null;
  args?: SeccompArg[] | null;
  includes?: Filter | null;
  excludes?: Filter | null;
}

const KEYS = [
  "defaultAction",
  "defaultErrnoRet",
  "architectures",
  "archMap",
  "flags",
  "listenerPath",
  "listenerMetadata",
  "syscalls",
];
const CALL_KEYS = ["name", "names", "action", "errnoRet", "args", "comment", "includes", "excludes"];
const FILTER_KEYS = ["arches", "caps", "minKernel"];

/** A profile in Docker's format, of which the OCI specification's section is a part. What it says of calls is checked later. */
function readProfile(path: string, profile: Record<string, unknown>): SeccompChoice {
  const refuse = (sentence: string): never => {
    throw new MiniError(`--security-opt seccomp=${path}: ${sentence}`);
  };
  const only = (value: object, keys: readonly string[], where: string) => {
    const other = Object.keys(value).find((key) => !keys.includes(key));
    if (other !== undefined) refuse(`${where} has ${JSON.stringify(other)}, which no profile has`);
  };
  const list = (value: unknown, where: string): unknown[] =>
    value === undefined || value === null ? [] : Array.isArray(value) ? value : refuse(`${where} is not a list`);
  const object = (value: unknown, where: string): object =>
    typeof value === "object" && value !== null ? value : refuse(`${where} is not an object`);

  only(profile, KEYS, "it");
  const { archMap, syscalls, ...rest } = profile;
  const architectures = list(profile.architectures, "architectures") as string[];
  const maps = list(archMap, "archMap") as { architecture?: string; subArchitectures?: string[] | null }[];
  if (architectures.length > 0 && maps.length > 0) refuse("it has architectures and archMap, of which one is possible");
  const own = maps.find((map) =>
    object(map, "an entry of archMap") && map.architecture === `SCMP_ARCH_${arch.toUpperCase()}`
  );
  if (own) architectures.push(own.architecture!, ...list(own.subArchitectures, "subArchitectures") as string[]);

  const calls = list(syscalls, "syscalls").map((value, i): ProfileCall => {
    const call = object(value, `syscalls[${i}]`) as ProfileCall;
    only(call, CALL_KEYS, `syscalls[${i}]`);
    if (call.name !== undefined && call.names !== undefined) {
      refuse(`syscalls[${i}] has name and names, of which one is possible`);
    }
    for (const filter of [call.includes, call.excludes]) {
      if (filter === undefined || filter === null) continue;
      only(object(filter, `a condition of syscalls[${i}]`), FILTER_KEYS, `a condition of syscalls[${i}]`);
      list(filter.arches, "arches");
      list(filter.caps, "caps");
      if (filter.minKernel && !/^\d+\.\d+$/.test(filter.minKernel)) {
        refuse(`${JSON.stringify(filter.minKernel)} is not a kernel version such as 4.8`);
      }
    }
    return call;
  });
  return ({ capabilities }) => ({
    ...withoutNulls(rest) as Pick<LinuxSeccomp, "defaultAction">,
    architectures,
    syscalls: calls.filter((call) => counts(call, capabilities)).map(({ name, names, action, errnoRet, args }) => ({
      names: names ?? (name === undefined ? [] : [name]),
      action,
      ...errnoRet === undefined || errnoRet === null ? {} : { errnoRet },
      ...args ? { args } : {},
    })),
  });
}

const withoutNulls = (value: object) => Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null));

/** Docker's names of the machines in conditions. */
const MACHINE = { x86_64: "amd64", aarch64: "arm64" }[arch];

/** As Docker reads conditions: what is included needs all of its capabilities, what is excluded one. */
function counts({ includes, excludes }: ProfileCall, capabilities: readonly string[]): boolean {
  const has = (name: string) => capabilities.includes(name);
  if (excludes?.arches?.includes(MACHINE) || excludes?.caps?.some(has)) return false;
  if (excludes?.minKernel && kernelIsAtLeast(excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(MACHINE)) return false;
  if (includes?.minKernel && !kernelIsAtLeast(includes.minKernel)) return false;
  return (includes?.caps ?? []).every(has);
}

function kernelIsAtLeast(version: string): boolean {
  const [wantedMajor = 0, wantedMinor = 0] = version.split(".").map(Number);
  const [major = 0, minor = 0] = Deno.osRelease().split(/[.-]/).map(Number);
  return major > wantedMajor || major === wantedMajor && minor >= wantedMinor;
}
