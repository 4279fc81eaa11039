/** Reads a bundle's config.json: the words of a stranger, of which nothing is believed before it has been looked at. */
import { MiniError } from "../ffi/errors.ts";
import { parseJson } from "./shape.ts";
import type { Resources } from "./resources.ts";
import type { Process, Spec } from "./spec.ts";
import { processShape, resourcesShape, specShape } from "./spec_shape.ts";

/** Of no use on Linux, or not carried out: told by name instead of being passed over. */
const REFUSED: readonly (readonly [path: string, why: string])[] = [
  ["windows", "is for Windows, and this is Linux"],
  ["solaris", "is for Solaris, and this is Linux"],
  ["zos", "is for z/OS, and this is Linux"],
  ["freebsd", "is for FreeBSD, and this is Linux"],
  ["vm", "is for virtual machines, and mini makes none"],
  ["linux.intelRdt", "needs Intel's resource director, which mini does not use"],
  ["linux.netDevices", "is not done by mini: move the device into the network namespace before"],
  ["linux.memoryPolicy", "is not done by mini"],
  ["process.commandLine", "is for Windows, and this is Linux"],
];

/** Whether a value asks for anything. */
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" ||
  typeof value === "object" && Object.values(value).every(isEmpty);

function refuseByName(spec: unknown): void {
  for (const [path, why] of REFUSED) {
    const value = path.split(".").reduce<unknown>(
      (at, key) => (at as Record<string, unknown> | undefined)?.[key],
      spec,
    );
    if (!isEmpty(value)) throw new MiniError(`${path} of config.json ${why}`);
  }
}

/**
 * A specification from its text: of the right shape, with paths of the host made absolute. Whether it can be carried out is
 * another question (spec_check.ts).
 *
 * @param bundle the folder that relative paths of the host begin at; absolute.
 * @throws {MiniError} for the first thing that is wrong.
 */
export function parseSpec(json: string, bundle: string): Spec {
  const value = parseJson(json, "config.json");
  specShape(value, "");
  refuseByName(value);
  const spec = value as Spec;
  const version = /^(\d+)\.\d+\.\d+/.exec(spec.ociVersion);
  if (version?.[1] !== "1") {
    throw new MiniError(`ociVersion ${JSON.stringify(spec.ociVersion)} is not known: mini carries out version 1`);
  }
  if (spec.root === undefined) throw new MiniError("root is missing: it names the folder of the container's files");
  if (spec.process === undefined) throw new MiniError("process is missing: it says what is to run");
  normalizeProcess(spec.process);
  spec.root.path = below(bundle, spec.root.path);
  for (const mount of spec.mounts ?? []) {
    if (!mount.destination.startsWith("/")) mount.destination = `/${mount.destination}`;
    const isBind = mount.type === "bind" || mount.options?.some((option) => option === "bind" || option === "rbind");
    if (isBind && mount.source !== undefined && mount.source !== "") mount.source = below(bundle, mount.source);
  }
  if (spec.linux?.resources) spec.linux.resources = inDoubles(spec.linux.resources);
  for (const namespace of spec.linux?.namespaces ?? []) if (namespace.path === "") delete namespace.path;
  return spec;
}

/** The same for a process alone, `exec --process`. @throws {MiniError} */
export function parseProcess(json: string, what: string): Process {
  const value = parseJson(json, what);
  processShape(value, "process");
  refuseByName({ process: value });
  normalizeProcess(value as Process);
  return value as Process;
}

/** The same for limits alone, `update --resources`. @throws {MiniError} */
export function parseResources(json: string, what: string): Resources {
  const value = parseJson(json, what);
  resourcesShape(value, "resources");
  return inDoubles(value as Resources);
}

/** What may be left out is there afterwards. */
function normalizeProcess(process: Process): void {
  process.args ??= [];
  const user = process.user ??= { uid: 0, gid: 0 };
  user.uid ??= 0;
  user.gid ??= 0;
  // 2⁶⁴ - 1 and all of its like are exact; what else is there fits a number.
  for (const limit of process.rlimits ?? []) {
    limit.soft = BigInt(limit.soft);
    limit.hard = BigInt(limit.hard);
  }
}

/** Limits beyond 2⁵³ are none, whichever they are. */
export function inDoubles<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (_, item) => typeof item === "bigint" ? Number(item) : item));
}

const below = (folder: string, path: string) => path.startsWith("/") ? path : `${folder}/${path}`;
