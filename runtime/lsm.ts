/** The labels of security modules: AppArmor's profiles and SELinux's contexts, where the kernel has them. */
import { O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { op, type Operation, result } from "../ffi/program.ts";
import { newFilesystem } from "./plan_mounts.ts";
import { openInside } from "./plan_paths.ts";
import type { Process, Spec } from "./spec.ts";

/** Which security modules this kernel has switched on. */
export interface SecurityModules {
  readonly appArmor: boolean;
  readonly selinux: boolean;
}

const read = (path: string): string | undefined => {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // no such module, or it is switched off
  }
};

/** Looks at what the kernel says of them. */
export const securityModules = (): SecurityModules => ({
  appArmor: read("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") ?? false,
  selinux: read("/sys/fs/selinux/enforce") !== undefined,
});

/** Whatever ends a word where the kernel reads them. */
const isWord = (label: string) =>
  label !== "" && !/[\s\0]/.test(label) && new TextEncoder().encode(label).length < 4096;

/** @throws {MiniError} for a label that this kernel cannot give, and for what is none. */
export function checkLabels(spec: Spec, modules: () => SecurityModules = securityModules): void {
  checkProcessLabels(spec.process, modules);
  if (!spec.linux?.mountLabel) return;
  if (!modules().selinux) throw noSelinux(`the mount label ${spec.linux.mountLabel}`);
  if (!isWord(spec.linux.mountLabel) || spec.linux.mountLabel.includes('"')) {
    throw new MiniError(`${JSON.stringify(spec.linux.mountLabel)} is not a label of SELinux`);
  }
}

const noSelinux = (what: string) =>
  new MiniError(`${what} needs SELinux, which this kernel does not have or has switched off`);

/** @throws {MiniError} as `checkLabels`. */
export function checkProcessLabels(
  { apparmorProfile: profile, selinuxLabel: label }: Process,
  modules: () => SecurityModules = securityModules,
): void {
  // Whatever is not confined needs no module.
  if (profile && profile !== UNCONFINED && !modules().appArmor) {
    throw new MiniError(`the profile ${profile} needs AppArmor, which this kernel does not have or has switched off`);
  }
  if (profile && !isWord(profile)) throw new MiniError(`${JSON.stringify(profile)} is not a profile's name`);
  if (!label) return;
  if (!modules().selinux) throw noSelinux(`the label ${label}`);
  if (!isWord(label)) throw new MiniError(`${JSON.stringify(label)} is not a label of SELinux`);
}

/** The name of AppArmor's profile that confines nothing. */
export const UNCONFINED = "unconfined";

const PROC = "private proc";

/**
 * A procfs that nobody else can see or mount over, to write labels through: what a container has at /proc might be anything
 * (CVE-2025-52881). Made as the host's root, before a user namespace is entered.
 */
export function openLabels(process: Process): Operation[] {
  return labels(process).length > 0 ? newFilesystem(PROC, "proc", [["source", "proc"]], 0, "/proc") : [];
}

/** Unconfined is what a process is that nobody has confined; nothing has to be written for that. */
function labels({ apparmorProfile, selinuxLabel }: Process): (readonly [file: string, text: string, what: string])[] {
  return [
    ...(apparmorProfile && apparmorProfile !== UNCONFINED
      ? [["self/attr/apparmor/exec", `exec ${apparmorProfile}`, `confined by the profile ${apparmorProfile}`] as const]
      : []),
    ...(selinuxLabel ? [["self/attr/exec", selinuxLabel, `labelled ${selinuxLabel}`] as const] : []),
  ];
}

/** The label takes effect with the next program: apparmor(7), selinux(8). */
export function labelOperations(process: Process): Operation[] {
  const all = labels(process).flatMap(([file, text, what]) => [
    openInside(file.split("/"), `the program will be ${what}`, {
      from: result(PROC),
      name: file,
      flags: O_WRONLY,
      // `self` is an ordinary link, to a number.
      resolve: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
      on: what,
    }),
    op("write", [result(file), text, new TextEncoder().encode(text).length], what, { on: what }),
    op("close", [result(file)], "written"),
  ]);
  return all.length === 0 ? [] : [...all, op("close", [result(PROC)], "nothing of the host's /proc stays open")];
}
