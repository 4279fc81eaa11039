/** What people write behind flags, read strictly: each function throws one sentence that names the flag. */
import { resolve } from "@std/path";
import { MiniError } from "../ffi/errors.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../runtime/capabilities.ts";
import { rlimitNumber } from "../runtime/rlimits.ts";
import type { Mount, Rlimit } from "../runtime/spec.ts";

/**
 * `-e NAME=value`; `-e NAME` takes the value that mini itself has; where it has none the name stands alone,
 * which takes the variable away.
 *
 * @throws {MiniError} for an empty name.
 */
export function readEnv(text: string, own: (name: string) => string | undefined): string[] {
  const equals = text.indexOf("="), name = equals < 0 ? text : text.slice(0, equals);
  if (name === "" || name.includes("\0") || /\s/.test(name)) {
    throw new MiniError(`--env ${JSON.stringify(text)} is not NAME=value or NAME`);
  }
  if (equals >= 0) return [text];
  const value = own(name);
  return [value === undefined ? name : `${name}=${value}`];
}

/** A file of `NAME=value` lines; empty lines and lines that begin with # are passed over. @throws {MiniError} naming the line. */
export function readEnvFile(path: string, own: (name: string) => string | undefined): string[] {
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  } catch (error) {
    throw new MiniError(
      error instanceof TypeError
        ? `--env-file ${path} is not UTF-8 text`
        : `--env-file ${path} cannot be read: ${(error as Error).message}`,
    );
  }
  return content.split("\n").flatMap((line, i) => {
    const text = line.replace(/\r$/, "").trimStart();
    if (text === "" || text.startsWith("#")) return [];
    try {
      return readEnv(text, own);
    } catch {
      throw new MiniError(`--env-file ${path}, line ${i + 1}: ${JSON.stringify(text)} is not NAME=value or NAME`);
    }
  });
}

/** Variables in the order they came, the last of each name counting; a name without a value takes it away. */
export function mergeEnv(...lists: readonly (readonly string[])[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf("=");
    if (equals < 0) byName.delete(entry);
    else byName.set(entry.slice(0, equals), entry);
  }
  return [...byName.values()];
}

const VOLUME_OPTIONS = new Set([
  "ro",
  "rw",
  "z",
  "Z",
  "nocopy",
  "private",
  "rprivate",
  "slave",
  "rslave",
  "shared",
  "rshared",
  "nosuid",
  "suid",
  "nodev",
  "dev",
  "noexec",
  "exec",
  "bind",
  "rbind",
  "rro",
]);

/**
 * `-v /host:/container[:options]`.
 *
 * @throws {MiniError} for anything else; named volumes are refused by name as long as there are none.
 */
export function readVolume(text: string): Mount {
  const parts = text.split(":");
  const [source = "", destination = "", options = ""] = parts;
  if (parts.length > 3 || parts.length < 2 || source === "" || destination === "") {
    throw new MiniError(`--volume ${JSON.stringify(text)} is not HOST:CONTAINER or HOST:CONTAINER:OPTIONS`);
  }
  if (!destination.startsWith("/")) {
    throw new MiniError(`--volume ${JSON.stringify(text)}: ${destination} must be an absolute path in the container`);
  }
  if (!source.startsWith("/") && !source.startsWith(".")) {
    throw new MiniError(
      `--volume ${
        JSON.stringify(text)
      }: named volumes are not there yet; give a path of the host, such as /srv/${source} or ./${source}`,
    );
  }
  const list = options === "" ? [] : options.split(",");
  for (const option of list) {
    if (!VOLUME_OPTIONS.has(option)) {
      throw new MiniError(`--volume ${JSON.stringify(text)}: there is no option ${option}`);
    }
    if (option === "z" || option === "Z") {
      throw new MiniError(`--volume ${JSON.stringify(text)}: SELinux labels (${option}) are not done by mini`);
    }
  }
  // Where there are mounts below the source, they are read-only as well: `ro` means `rro` already.
  const wanted = list.filter((o) => o !== "nocopy").map((o) => o === "rro" ? "ro" : o);
  const bind = wanted.some((o) => o === "bind" || o === "rbind") ? [] : ["rbind"];
  return { destination, type: "bind", source: resolve(source), options: [...bind, ...wanted] };
}

/** `--tmpfs /path[:size=64m,mode=1770,…]`. @throws {MiniError} */
export function readTmpfs(text: string): Mount {
  const colon = text.indexOf(":"), destination = colon < 0 ? text : text.slice(0, colon);
  if (!destination.startsWith("/")) throw new MiniError(`--tmpfs ${JSON.stringify(text)}: the path must be absolute`);
  const given = colon < 0 ? [] : text.slice(colon + 1).split(",").filter(Boolean);
  for (const option of given) {
    if (
      !/^(size|mode|uid|gid|nr_inodes|nr_blocks|huge|mpol)=[\w%.:-]+$|^(ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|relatime|strictatime|nodiratime|inode(32|64))$/
        .test(option)
    ) {
      throw new MiniError(`--tmpfs ${JSON.stringify(text)}: there is no option ${option}`);
    }
  }
  return { destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec", ...given] };
}

/**
 * Capabilities after --cap-add and --cap-drop, with or without CAP_, in any case, or ALL.
 *
 * @param own those that mini has and can give: the defaults and ALL are no more than these.
 * @throws {MiniError} for one there is not, and for one to add that mini does not have.
 */
export function readCapabilities(add: readonly string[], drop: readonly string[], own: readonly string[]): string[] {
  const full = (flag: string, name: string) => {
    const upper = name.toUpperCase();
    const known = upper === "ALL" ? upper : upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (known !== "ALL" && !CAPABILITIES.includes(known)) {
      throw new MiniError(`--${flag} ${name}: there is no such capability; see capabilities(7) for their names`);
    }
    return known;
  };
  const adds = add.map((name) => full("cap-add", name)), drops = drop.map((name) => full("cap-drop", name));
  const missing = adds.find((name) => name !== "ALL" && !own.includes(name));
  if (missing !== undefined) {
    throw new MiniError(`--cap-add ${missing}: mini does not have that capability here itself, so it cannot give it`);
  }
  const base = adds.includes("ALL") ? own : drops.includes("ALL") ? [] : DEFAULT_CAPABILITIES;
  const set = new Set([...base, ...adds]);
  for (const name of drops) set.delete(name);
  return own.filter((name) => set.has(name));
}

/** `--ulimit nofile=1024[:2048]`; -1 and `unlimited` mean without limit. @throws {MiniError} */
export function readUlimit(text: string): Rlimit {
  const match = text.match(/^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/);
  if (!match) {
    throw new MiniError(`--ulimit ${JSON.stringify(text)} is not NAME=SOFT or NAME=SOFT:HARD, as nofile=1024:2048`);
  }
  const type = `RLIMIT_${match[1]!.toUpperCase()}`;
  try {
    rlimitNumber(type);
  } catch {
    throw new MiniError(`--ulimit ${text}: there is no limit ${match[1]}; see getrlimit(2) for their names`);
  }
  // RLIM_INFINITY is all bits set; as a JSON number it is -1.
  const value = (word: string | undefined) =>
    word === undefined || word === "unlimited" || word === "-1" ? -1 : Number(word);
  const soft = value(match[2]), hard = match[3] === undefined ? soft : value(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new MiniError(`--ulimit ${text}: the first limit is above the second`);
  }
  return { type, soft, hard };
}

/** `key=value` flags as a record. @throws {MiniError} naming the flag. */
export function readPairs(flag: string, texts: readonly string[], valueNeeded: boolean): Record<string, string> {
  const pairs = new Map<string, string>(); // any text may be a key, `__proto__` too
  for (const text of texts) {
    const equals = text.indexOf("="), key = equals < 0 ? text : text.slice(0, equals);
    if (key === "" || (equals < 0 && valueNeeded)) {
      throw new MiniError(`--${flag} ${JSON.stringify(text)} is not NAME=VALUE`);
    }
    pairs.set(key, equals < 0 ? "" : text.slice(equals + 1));
  }
  return Object.fromEntries(pairs);
}

/** `--entrypoint PROGRAM`: one program, not words; empty means none. Without the flag the image's counts. */
export const readEntrypoint = (text: string | undefined): string[] | undefined =>
  text === undefined ? undefined : text === "" ? [] : [text];
