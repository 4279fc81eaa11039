/** `-v` and `--tmpfs` as people write them. */
import { resolve } from "@std/path";
import { MiniError } from "../../ffi/errors.ts";
import { components } from "../../runtime/plan_paths.ts";
import { checkVolumeName } from "./names.ts";
import type { ContainerMount } from "./types.ts";

/** Options of `-v`; of each group there may be one. */
const GROUPS: readonly (readonly string[])[] = [
  ["ro", "rw", "rro"],
  ["z", "Z"],
  ["private", "rprivate", "slave", "rslave", "shared", "rshared"],
  ["nosuid", "suid"],
  ["nodev", "dev"],
  ["noexec", "exec"],
  ["bind", "rbind"],
  ["idmap"],
  ["nocopy"],
  // How stale a virtual machine may see the host's files: here everybody sees them at once, which all of these allow.
  ["consistent", "cached", "delegated", "default"],
];
/** Those about the host's folder, which a volume does not have. */
const ABOUT_BIND = [...GROUPS[2]!, ...GROUPS[6]!, "idmap"];
const ATTRIBUTES = [...GROUPS[3]!, ...GROUPS[4]!, ...GROUPS[5]!];

/**
 * A place in a container, as it is written down.
 *
 * @param what the flag, for the message. @throws {MiniError} for a path that is not absolute, and for the root.
 */
export function readDestination(path: string, what: string): string {
  if (!path.startsWith("/")) throw new MiniError(`${what}: ${path || '""'} must be an absolute path in the container`);
  if (path.includes("\0")) throw new MiniError(`${what}: a NUL character is not allowed`);
  const clean = `/${components(path, what).join("/")}`;
  if (clean === "/") throw new MiniError(`${what}: nothing can be mounted on /, which is the container's root itself`);
  return clean;
}

/** Whether the host has SELinux, whose labels `z` and `Z` ask for; without it there is nothing to label. */
function hasSelinux(): boolean {
  try {
    Deno.lstatSync("/sys/fs/selinux/enforce");
    return true;
  } catch {
    return false;
  }
}

/**
 * `-v /path`, `-v name:/path[:options]` or `-v /host:/path[:options]`.
 *
 * @throws {MiniError} for anything else.
 */
export function readVolume(text: string): ContainerMount {
  const what = `--volume ${JSON.stringify(text)}`, parts = text.split(":");
  const fail = (sentence: string): never => {
    throw new MiniError(`${what}: ${sentence}`);
  };
  const destination = parts.length === 1 ? text : parts[1]!, source = parts.length === 1 ? "" : parts[0]!;
  if (parts.length > 3 || text === "" || destination === "" || (parts.length > 1 && source === "")) {
    throw new MiniError(
      `${what} is not HOST:CONTAINER or NAME:CONTAINER, with :OPTIONS or without, or CONTAINER alone`,
    );
  }
  const isFolder = /^[./]/.test(source), mode = parts[2];
  const list = mode ? mode.split(",") : [];
  for (const option of list) {
    const group = GROUPS.find((options) => options.includes(option));
    if (!group) fail(`there is no option ${option}`);
    const others = list.filter((other) => group!.includes(other));
    if (others.length > 1) fail(`${others.join(" and ")} exclude one another`);
    if (source !== "" && !isFolder && ABOUT_BIND.includes(option)) {
      fail(`${option} is about a folder of the host, not about a volume`);
    }
    if ((option === "z" || option === "Z") && hasSelinux()) fail(`SELinux labels (${option}) are not done by mini`);
  }
  const readonly = list.includes("ro") || list.includes("rro");
  const attributes = [
    // As Docker's, what is mounted below is read-only as well.
    ...readonly ? ["rro"] : [],
    ...list.filter((option) => ATTRIBUTES.includes(option)).map((option) => `r${option}`),
  ];
  const common = {
    destination: readDestination(destination, what),
    readonly,
    by: "volume" as const,
    ...mode ? { mode } : {},
  };
  if (isFolder) {
    const bind = list.find((option) => option === "bind" || option === "rbind") ?? "rbind";
    const propagation = list.filter((option) => GROUPS[2]!.includes(option));
    // The files' ids are those in the container's user namespace.
    const idmap = list.includes("idmap") ? [bind === "rbind" ? "ridmap" : "idmap"] : [];
    return {
      type: "bind",
      ...common,
      source: resolve(source),
      options: [bind, ...attributes, ...propagation, ...idmap],
      createSource: true,
    };
  }
  if (source.includes("/")) {
    fail(`a folder of the host is written as an absolute path, or with ./ or ../ in front, and ${source} is neither`);
  }
  if (source !== "") checkVolumeName(source, what);
  return {
    type: "volume",
    ...common,
    options: ["rbind", ...attributes],
    ...source === "" ? {} : { name: source },
    ...list.includes("nocopy") ? { noCopy: true } : {},
  };
}

const TMPFS_OPTION =
  /^(size|mode|uid|gid|nr_inodes|nr_blocks|huge|mpol)=[\w%.:-]+$|^(ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|relatime|strictatime|nodiratime|inode(32|64))$/;

/** `--tmpfs /path[:size=64m,mode=1770,…]`. @throws {MiniError} */
export function readTmpfs(text: string): ContainerMount {
  const what = `--tmpfs ${JSON.stringify(text)}`;
  const colon = text.indexOf(":"), destination = colon < 0 ? text : text.slice(0, colon);
  const mode = colon < 0 ? "" : text.slice(colon + 1);
  const given = mode.split(",").filter(Boolean);
  for (const option of given) {
    if (!TMPFS_OPTION.test(option)) throw new MiniError(`${what}: there is no option ${option}`);
  }
  return {
    type: "tmpfs",
    destination: readDestination(destination, what),
    readonly: given.includes("ro"),
    by: "tmpfs",
    mode,
    options: ["nosuid", "nodev", "noexec", ...given],
  };
}
