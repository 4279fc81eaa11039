/** `--security-opt`, `--privileged`: what a container may do beyond its capabilities. */
import { MiniError } from "../ffi/errors.ts";
import { UNCONFINED } from "../runtime/lsm.ts";
import { readSeccomp, type SeccompChoice } from "./seccomp.ts";

/** What was asked for. */
export interface SecurityOptions {
  readonly privileged: boolean;
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
  /** The profile of AppArmor; undefined for the default one, where there is AppArmor. */
  readonly appArmor: string | undefined;
  /** Parts of the context of SELinux, by their names; undefined without a context. */
  readonly label: SelinuxLabel | undefined;
  /** Nothing of /proc and /sys is hidden or read-only. */
  readonly openSystemPaths: boolean;
}

/** The parts of a context that were asked for. */
export type SelinuxLabel = Partial<Record<"user" | "role" | "type" | "level" | "filetype", string>>;

const LABEL_PARTS = ["user", "role", "type", "level", "filetype"] as const;

/**
 * Reads `--security-opt`: `no-new-privileges[=BOOL]`, `seccomp=…`, `apparmor=PROFILE|unconfined`, `label=disable`,
 * `label=PART:VALUE`, `systempaths=unconfined`; `=` or, as Docker has it too, `:` after the name. The last of each counts.
 *
 * @param privileged what is not asked for is open. @throws {MiniError} for anything else.
 */
export function readSecurityOptions(options: readonly string[], privileged: boolean): SecurityOptions {
  let noNewPrivileges = !privileged, appArmor = privileged ? UNCONFINED : undefined, openSystemPaths = privileged;
  let label: SelinuxLabel | undefined, labelled = true;
  const seccomp: string[] = [];
  for (const option of options) {
    const refuse = (what: string): never => {
      throw new MiniError(`--security-opt ${option}: ${what}`);
    };
    const [, key = "", value] = option.match(/^([^=:]*)(?:[=:](.*))?$/s) ?? [];
    switch (key) {
      case "no-new-privileges":
        if (value !== undefined && value !== "true" && value !== "false") refuse("it is true or false");
        noNewPrivileges = value !== "false";
        break;
      case "seccomp":
        seccomp.push(`seccomp=${value ?? ""}`);
        break;
      case "apparmor":
        appArmor = value || refuse("it is unconfined or the name of a profile");
        break;
      case "systempaths":
        if (value !== UNCONFINED) refuse("it can only be unconfined");
        openSystemPaths = true;
        break;
      case "label": {
        if (value === "disable") {
          labelled = false;
          break;
        }
        const [, part = "", text] = value?.match(/^(\w+):(.+)$/s) ?? [];
        const known = LABEL_PARTS.find((name) => name === part) ??
          refuse(
            "it is disable, or one of user, role, type, level and filetype with a value, as label=type:container_t",
          );
        label = { ...label, [known]: text! };
        break;
      }
      default:
        refuse(
          "there are no-new-privileges[=false], seccomp=unconfined|builtin|FILE, apparmor=unconfined|PROFILE, " +
            "label=disable|PART:VALUE and systempaths=unconfined",
        );
    }
  }
  if (privileged && seccomp.length === 0) seccomp.push("seccomp=unconfined");
  return {
    privileged,
    noNewPrivileges,
    seccomp: readSeccomp(seccomp),
    appArmor,
    label: labelled ? label : undefined,
    openSystemPaths,
  };
}
