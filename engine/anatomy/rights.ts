/** What a process may do, as the kernel tells it: proc(5), capabilities(7), user_namespaces(7), seccomp(2). */
import { CAPABILITIES } from "../../runtime/capabilities.ts";
import type { LinuxSeccomp } from "../../runtime/seccomp_types.ts";
import type { IdMapping } from "../../runtime/spec.ts";
import { readProc } from "../processes.ts";

const SETS = { effective: "Eff", permitted: "Prm", inheritable: "Inh", bounding: "Bnd", ambient: "Amb" } as const;

/** A filter for system calls in a few words. */
export interface FilterView {
  /** What happens to a call that no rule is about: `SCMP_ACT_ERRNO`. */
  readonly otherwise: string;
  /** Names of calls that are allowed, whatever their arguments. */
  readonly allowed: readonly string[];
  /** Names of calls that are allowed with some arguments only. */
  readonly conditional: readonly string[];
}

/** What a process may do. */
export interface RightsView {
  /** As the host counts them. */
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Ids of its user namespace; the host's own is one map of all of them. */
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
  readonly capabilities: Readonly<Record<keyof typeof SETS, readonly string[]>>;
  readonly noNewPrivileges: boolean;
  readonly seccomp: {
    readonly mode: "off" | "strict" | "filter";
    /** How many filters each call goes through. */
    readonly filters: number;
    /** What mini's own filter lets pass. */
    readonly filter?: FilterView;
  };
  /** `mini-default (enforce)`; absent where no security module names it. */
  readonly label?: string;
}

/** The names of the capabilities in a mask of /proc. */
export function capabilityNames(mask: string): string[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => i).filter((i) => bits & 1n << BigInt(i))
    .map((i) => CAPABILITIES[i] ?? `CAP_${i}`);
}

/** What a filter of a specification lets pass. */
export function summarize({ defaultAction, syscalls = [] }: LinuxSeccomp): FilterView {
  const allows = syscalls.filter(({ action }) => action === "SCMP_ACT_ALLOW" || action === "SCMP_ACT_LOG");
  const names = (rules: typeof allows) => [...new Set(rules.flatMap((rule) => rule.names))].sort();
  const allowed = names(allows.filter(({ args = [] }) => args.length === 0));
  return {
    otherwise: defaultAction,
    allowed,
    conditional: names(allows.filter(({ args = [] }) => args.length > 0)).filter((name) => !allowed.includes(name)),
  };
}

function idMap(pid: number, file: string): IdMapping[] {
  return (readProc(pid, file) ?? "").trim().split("\n").filter(Boolean).map((line) => {
    const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerID, hostID, size };
  });
}

/** The label of a security module; undefined where there is none that gives labels, or it gives none. */
function labelOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/attr/current`).replaceAll("\0", "").trim() || undefined;
  } catch {
    return undefined; // EINVAL: no module; or it has ended
  }
}

/** @param filter the filter of its specification. @returns undefined when it has ended. */
export function rights(pid: number, filter: LinuxSeccomp | undefined): RightsView | undefined {
  const status = readProc(pid, "status");
  if (status === undefined) return undefined;
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1] ?? "";
  const set = (name: string) => capabilityNames(field(`Cap${name}`) || "0");
  const effective = (name: string) => Number(field(name).split(/\s+/)[1]), label = labelOf(pid);
  const mode = (["off", "strict", "filter"] as const)[Number(field("Seccomp"))] ?? "off";
  return {
    uid: effective("Uid"),
    gid: effective("Gid"),
    groups: field("Groups").split(/\s+/).filter(Boolean).map(Number),
    uidMap: idMap(pid, "uid_map"),
    gidMap: idMap(pid, "gid_map"),
    capabilities: {
      effective: set(SETS.effective),
      permitted: set(SETS.permitted),
      inheritable: set(SETS.inheritable),
      bounding: set(SETS.bounding),
      ambient: set(SETS.ambient),
    },
    noNewPrivileges: field("NoNewPrivs") === "1",
    seccomp: {
      mode,
      filters: Number(field("Seccomp_filters") || (mode === "filter" ? 1 : 0)),
      ...filter && mode === "filter" ? { filter: summarize(filter) } : {},
    },
    ...label === undefined ? {} : { label },
  };
}
