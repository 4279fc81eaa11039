/** The labels of security modules for a new container: Docker's way with AppArmor's profiles and SELinux's contexts. */
import { MiniError } from "../ffi/errors.ts";
import { type SecurityModules, securityModules, UNCONFINED } from "../runtime/lsm.ts";
import type { Spec } from "../runtime/spec.ts";
import { APPARMOR_PROFILE, loadAppArmorProfile } from "./apparmor.ts";
import type { SecurityOptions, SelinuxLabel } from "./security_options.ts";

/**
 * The specification with its labels: the profile that was asked for, or the default one where there is AppArmor and its
 * parser; the context of SELinux that was asked for.
 *
 * @throws {MiniError} for a label that this kernel cannot give.
 */
export function labelSpec(spec: Spec, options: SecurityOptions, modules: SecurityModules = securityModules()): Spec {
  const { appArmor, label } = options;
  if (appArmor !== undefined && appArmor !== UNCONFINED && !modules.appArmor) {
    throw new MiniError(
      `--security-opt apparmor=${appArmor} needs AppArmor, which this kernel does not have or has switched off`,
    );
  }
  if (label && !modules.selinux) {
    throw new MiniError("--security-opt label=… needs SELinux, which this kernel does not have or has switched off");
  }
  const profile = appArmor ?? (modules.appArmor && loadAppArmorProfile() ? APPARMOR_PROFILE : undefined);
  const contexts = label && selinuxContexts(label, readContexts(), randomCategories());
  return {
    ...spec,
    process: {
      ...spec.process,
      ...profile === undefined || profile === UNCONFINED ? {} : { apparmorProfile: profile },
      ...contexts ? { selinuxLabel: contexts.process } : {},
    },
    linux: { ...spec.linux, ...contexts ? { mountLabel: contexts.files } : {} },
  };
}

/** What a policy says of containers: the file lxc_contexts of the policy in use, `process = "…"` and `file = "…"`. */
const CONTEXTS = ["/etc/selinux/targeted/contexts/lxc_contexts", "/etc/selinux/default/contexts/lxc_contexts"];

function readContexts(): string {
  for (const path of CONTEXTS) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return "";
}

/** Two categories of a thousand, so that two containers' labels hardly ever are the same. */
function randomCategories(): string {
  const [a = 0, b = 0] = crypto.getRandomValues(new Uint16Array(2)).map((n) => n % 1024);
  return `s0:c${Math.min(a, b)},c${a === b ? (b + 1) % 1024 : Math.max(a, b)}`;
}

/**
 * The contexts of a container's processes and of its files.
 *
 * @param policy the content of lxc_contexts. @param level where none was asked for.
 */
export function selinuxContexts(
  label: SelinuxLabel,
  policy: string,
  level: string,
): { process: string; files: string } {
  const of = (name: string, otherwise: string) =>
    (policy.match(new RegExp(`^\\s*${name}\\s*=\\s*"([^"]+)"`, "m"))?.[1] ?? otherwise).split(":");
  const [user = "", role = "", type = ""] = of("process", "system_u:system_r:container_t:s0");
  const [fileUser = "", fileRole = "", fileType = ""] = of("file", "system_u:object_r:container_file_t:s0");
  const own = label.level ?? level;
  return {
    process: [label.user ?? user, label.role ?? role, label.type ?? type, own].join(":"),
    files: [label.user ?? fileUser, fileRole, label.filetype ?? fileType, own].join(":"),
  };
}
