/**
 * Capabilities that cannot be granted are told and left out: OCI runtime-spec, config.md, "Linux Process". All others are
 * looked at by `runtime/`, which refuses what it does not know.
 */
import { CAPABILITIES, ownCapabilities } from "../../runtime/capabilities.ts";
import type { Capabilities, Process } from "../../runtime/spec.ts";
import type { Warn } from "./hooks.ts";

/**
 * Takes from a process what nobody can give it.
 *
 * @param inUserNamespace it has every capability that there is, in a user namespace of the container's.
 * @param own the capabilities of this process.
 */
export function grantable(
  process: Process,
  inUserNamespace: boolean,
  warn: Warn,
  own: () => readonly string[] = ownCapabilities,
): void {
  const wanted = Object.entries(process.capabilities ?? {}) as [keyof Capabilities, string[]][];
  if (wanted.every(([, names]) => names.length === 0)) return;
  const available = new Set(inUserNamespace ? CAPABILITIES : own());
  const missing = new Set<string>();
  for (const [set, names] of wanted) {
    process.capabilities![set] = names.filter((name) => available.has(name) || !missing.add(name));
  }
  // The kernel hands on only what is permitted and inheritable (capabilities(7)), and `runc spec` asks for more: as with runc,
  // the rest is not handed on.
  const { ambient, permitted = [], inheritable = [] } = process.capabilities!;
  if (ambient) {
    const possible = (name: string) => permitted.includes(name) && inheritable.includes(name);
    const others = ambient.filter((name) => !possible(name));
    process.capabilities!.ambient = ambient.filter(possible);
    if (others.length > 0) {
      warn(`ambient capabilities that are not permitted and inheritable are left out: ${others.sort().join(", ")}`);
    }
  }
  if (missing.size > 0) {
    warn(`these capabilities cannot be granted and are left out: ${[...missing].sort().join(", ")}`);
  }
}
