/** The cgroup of a container of the OCI command line: where its specification wants it, in the v2 tree. */
import { O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { type Cgroup, type CgroupTree, isFrozen, processes } from "../../runtime/cgroup.ts";
import { limitCgroup } from "../../runtime/cgroup_setup.ts";
import { components } from "../../runtime/plan_paths.ts";
import type { Spec } from "../../runtime/spec.ts";

/** Where cgroups are whose place the specification leaves to us. */
const OURS = "/mini-runc";

/** What a cgroup's share of the processors is if nobody says anything: sched-design-CFS.rst of cgroup v1. */
const DEFAULT_SHARES = 1024;

/** Where the command line keeps containers when it is not told otherwise. */
export const DEFAULT_ROOT = "/run/mini-runc";

/** A name for a container that others with the same id, below another --root, do not have. FNV-1a */
function ownName(id: string, root: string): string {
  if (root === DEFAULT_ROOT) return id;
  const bytes = new TextEncoder().encode(root);
  return `${id}.${(bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0).toString(16)}`;
}

/** The path of a slice of systemd's: `a-b.slice` is in `a.slice`. systemd.slice(5) */
function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const name = slice.replace(/\.slice$/, "");
  if (!slice.endsWith(".slice") || name === "" || name.split("-").includes("") || name.includes("/")) {
    throw new MiniError(`linux.cgroupsPath: ${JSON.stringify(slice)} is not the name of a slice`);
  }
  const parts = name.split("-");
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}

/**
 * The place of a container's cgroup below the root of the tree.
 *
 * @param systemd `linux.cgroupsPath` is `SLICE:PREFIX:NAME`. The cgroup is made where systemd would have it, without asking it.
 * @throws {MiniError} for a path that is none.
 */
export function cgroupPlace(spec: Spec, id: string, root: string, systemd: boolean): string {
  const name = ownName(id, root);
  const path = spec.linux?.cgroupsPath ?? "";
  if (systemd) {
    const [slice = "", prefix = "", last = "", ...rest] = path === ""
      ? ["system.slice", "mini-runc", name]
      : path.split(":");
    if (rest.length > 0 || last === "" || /\//.test(prefix + last)) {
      throw new MiniError(
        `linux.cgroupsPath must be SLICE:PREFIX:NAME with --systemd-cgroup, not ${JSON.stringify(path)}`,
      );
    }
    const unit = last.endsWith(".slice") ? last : `${prefix === "" ? "" : `${prefix}-`}${last}.scope`;
    return `${slicePath(slice === "" ? "system.slice" : slice)}/${unit}`;
  }
  if (path === "") return `${OURS}/${name}`;
  const names = components(path.startsWith("/") ? path : `${OURS}/${path}`, "linux.cgroupsPath");
  if (names.length === 0) throw new MiniError("linux.cgroupsPath cannot be the root of all cgroups");
  return `/${names.join("/")}`;
}

/**
 * Makes the cgroup, or takes one that is there and has nobody in it, and limits it; the descriptor is the caller's to close.
 *
 * @throws {MiniError} if somebody is in it, it is frozen, or it cannot be made or limited. One that was made is gone then.
 */
export function takeCgroup(tree: CgroupTree, place: string, { linux = {} }: Spec): Cgroup {
  const path = `${tree.root}${place}`;
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new MiniError(`cannot make the cgroup ${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
  const inside = processes(path).length;
  if (inside > 0) throw new MiniError(`container's cgroup is not empty: ${inside} processes are in ${path} already`);
  if (isFrozen(path)) {
    throw new MiniError(`container's cgroup unexpectedly frozen: ${path}; write 0 to its cgroup.freeze first`);
  }
  const cgroup = { path, fd: open(path, O_PATH | O_DIRECTORY) };
  try {
    const keeper = `${tree.root}${OURS}`;
    Deno.mkdirSync(keeper, { recursive: true, mode: 0o755 });
    // Engines write the default down as well, and nothing is lost where it cannot be set.
    const optional = linux.resources?.cpu?.shares === DEFAULT_SHARES ? ["cpu.weight"] : [];
    limitCgroup(tree, place, cgroup, linux, optional, keeper);
    return cgroup;
  } catch (error) {
    close(cgroup.fd);
    Deno.removeSync(path);
    throw error;
  }
}

/** A cgroup below a container's own, which must be there. @throws {MiniError} */
export function cgroupBelow(folder: string, name: string | undefined): string {
  if (name === undefined) return folder;
  if (name.split("/").includes("..")) throw new MiniError(`--cgroup ${name} is not below the container's own cgroup`);
  const path = [folder, ...components(`/${name.replace(/^:?\/*/, "")}`, "--cgroup")].join("/");
  try {
    if (Deno.statSync(path).isDirectory) return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new MiniError(`--cgroup ${name}: there is no cgroup ${path}`);
}
