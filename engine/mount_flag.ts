/** `--mount`, in Docker's whole syntax: comma-separated `key=value`, written as one line of CSV. */
import { resolve } from "@std/path";
import { MiniError } from "../ffi/errors.ts";
import { readCsv } from "./csv.ts";
import { parseBytes } from "./units.ts";
import { checkVolumeName } from "./volumes/names.ts";
import { checkSubpath } from "./volumes/subpath.ts";
import type { ContainerMount } from "./volumes/types.ts";
import { readDestination } from "./volumes/volume_flag.ts";

/** Other names of the same key. */
const ALIASES = new Map([["src", "source"], ["dst", "target"], ["destination", "target"], ["ro", "readonly"]]);
/** Every key, by the type that it is for; without one it is for all. */
const KEYS: Record<string, "bind" | "volume" | "tmpfs" | undefined> = {
  type: undefined,
  source: undefined,
  target: undefined,
  readonly: undefined,
  consistency: undefined,
  "bind-propagation": "bind",
  "bind-nonrecursive": "bind",
  "bind-recursive": "bind",
  "bind-create-src": "bind",
  "volume-nocopy": "volume",
  "volume-opt": "volume",
  "volume-driver": "volume",
  "volume-label": "volume",
  "volume-subpath": "volume",
  "tmpfs-size": "tmpfs",
  "tmpfs-mode": "tmpfs",
};
/** Keys that may stand alone, for true. */
const BOOLEANS = ["readonly", "bind-nonrecursive", "bind-create-src", "volume-nocopy"];
/** Keys that may be given many times. */
const LISTS = ["volume-opt", "volume-label"];
const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];

/** The pairs of one `--mount`, by key. */
class Pairs {
  readonly #values = new Map<string, string[]>();
  constructor(text: string, readonly what: string) {
    for (const field of readCsv(text, what)) {
      const equals = field.indexOf("=");
      const word = (equals < 0 ? field : field.slice(0, equals)).toLowerCase(), key = ALIASES.get(word) ?? word;
      if (!Object.hasOwn(KEYS, key)) {
        if (word.startsWith("image-")) this.fail("images cannot be mounted by mini");
        this.fail(`there is no key ${JSON.stringify(word)} (in ${JSON.stringify(field)})`);
      }
      if (equals < 0 && !BOOLEANS.includes(key)) this.fail(`${word} needs a value, ${word}=…`);
      const values = this.#values.get(key) ?? [];
      if (values.length > 0 && !LISTS.includes(key)) this.fail(`${key} is given twice`);
      this.#values.set(key, [...values, equals < 0 ? "true" : field.slice(equals + 1)]);
    }
  }
  fail(sentence: string): never {
    throw new MiniError(`${this.what}: ${sentence}`);
  }
  keys(): readonly string[] {
    return [...this.#values.keys()];
  }
  one(key: string): string | undefined {
    return this.#values.get(key)?.[0];
  }
  /** As Go's strconv.ParseBool reads them. */
  boolean(key: string): boolean {
    const value = this.one(key) ?? "false";
    if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
    if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
    return this.fail(`${key} is true or false, not ${JSON.stringify(value)}`);
  }
  choice(key: string, choices: readonly string[]): string | undefined {
    const value = this.one(key);
    if (value === undefined || choices.includes(value)) return value;
    return this.fail(`${key} is one of ${choices.join(", ")}, not ${JSON.stringify(value)}`);
  }
  /** The values of a list, `name=value` each. */
  record(key: string, valueNeeded: boolean): Record<string, string> {
    return Object.fromEntries(
      (this.#values.get(key) ?? []).map((text) => {
        const equals = text.indexOf("=");
        if (equals === 0 || text === "" || (equals < 0 && valueNeeded)) {
          this.fail(`${key}=${text} is not of the form ${key}=NAME=VALUE`);
        }
        return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
      }),
    );
  }
}

/**
 * `--mount type=bind,source=/host,target=/container,readonly` and its kin.
 *
 * https://docs.docker.com/reference/cli/docker/container/run/#mount
 *
 * @throws {MiniError} for a key or a value that there is not, or that does not go with the type.
 */
export function readMount(text: string): ContainerMount {
  const what = `--mount ${JSON.stringify(text)}`, pairs = new Pairs(text, what);
  const type = (pairs.one("type") ?? "volume").toLowerCase();
  if (type === "image") pairs.fail("images cannot be mounted by mini");
  if (type === "npipe" || type === "cluster") pairs.fail(`there is no ${type} on a single Linux machine`);
  if (type !== "bind" && type !== "volume" && type !== "tmpfs") {
    return pairs.fail(`type is bind, volume or tmpfs, not ${JSON.stringify(type)}`);
  }
  const foreign = pairs.keys().find((key) => KEYS[key] !== undefined && KEYS[key] !== type);
  if (foreign !== undefined) pairs.fail(`${foreign} does not go with type=${type}`);
  // What a mount of these says of staleness: see volume_flag.ts.
  pairs.choice("consistency", ["consistent", "cached", "delegated", "default"]);
  const target = pairs.one("target");
  if (target === undefined) pairs.fail("it needs a target=PATH in the container");
  const common = {
    destination: readDestination(target!, what),
    readonly: pairs.boolean("readonly"),
    by: "mount" as const,
  };
  if (type === "bind") return { ...common, ...readBind(pairs, common.readonly) };
  return { ...common, ...type === "volume" ? readVolumeKeys(pairs, common.readonly) : readTmpfsKeys(pairs, common) };
}

type Rest = Pick<ContainerMount, "type" | "options"> & Partial<ContainerMount>;

function readBind(pairs: Pairs, readonly: boolean): Rest {
  const source = pairs.one("source");
  if (!source) return pairs.fail("it needs a source=PATH of the host");
  if (!/^[./]/.test(source)) {
    pairs.fail(`source=${source} must be an absolute path of the host, or begin with ./ or ../`);
  }
  const propagation = pairs.choice("bind-propagation", PROPAGATIONS);
  const recursive = pairs.choice("bind-recursive", ["enabled", "disabled", "writable", "readonly"]);
  if (recursive !== undefined && pairs.one("bind-nonrecursive") !== undefined) {
    pairs.fail("bind-recursive and bind-nonrecursive exclude one another");
  }
  if ((recursive === "writable" || recursive === "readonly") && !readonly) {
    pairs.fail(`bind-recursive=${recursive} is about a mount that is readonly`);
  }
  if (recursive === "readonly" && propagation !== undefined && propagation !== "rprivate") {
    pairs.fail("bind-recursive=readonly needs bind-propagation=rprivate");
  }
  const alone = recursive === "disabled" || pairs.boolean("bind-nonrecursive"),
    writableBelow = recursive === "writable";
  return {
    type: "bind",
    source: resolve(source),
    createSource: pairs.boolean("bind-create-src"),
    ...writableBelow ? { writableBelow } : {},
    options: [
      alone ? "bind" : "rbind",
      ...readonly && !writableBelow ? [alone ? "ro" : "rro"] : [],
      ...propagation === undefined ? [] : [propagation],
    ],
  };
}

function readVolumeKeys(pairs: Pairs, readonly: boolean): Rest {
  const name = pairs.one("source") || undefined,
    driver = pairs.one("volume-driver"),
    subpath = pairs.one("volume-subpath");
  if (name?.includes("/")) pairs.fail(`source=${name} is no volume's name; for a folder of the host say type=bind`);
  if (name !== undefined) checkVolumeName(name, pairs.what);
  if (subpath !== undefined) checkSubpath(subpath, pairs.what);
  const driverOptions = pairs.record("volume-opt", true), labels = pairs.record("volume-label", false);
  return {
    type: "volume",
    options: ["rbind", ...readonly ? ["rro"] : []],
    ...name === undefined ? {} : { name },
    ...pairs.boolean("volume-nocopy") ? { noCopy: true } : {},
    ...subpath ? { subpath } : {},
    ...driver ? { driver } : {},
    ...Object.keys(driverOptions).length > 0 ? { driverOptions } : {},
    ...Object.keys(labels).length > 0 ? { labels } : {},
  };
}

function readTmpfsKeys(pairs: Pairs, { readonly }: { readonly: boolean }): Rest {
  if (pairs.one("source") !== undefined) pairs.fail("a tmpfs has no source");
  const size = pairs.one("tmpfs-size"), mode = pairs.one("tmpfs-mode");
  let bytes = 0;
  try {
    bytes = size === undefined ? 0 : parseBytes(size);
  } catch (error) {
    pairs.fail(`tmpfs-size: ${(error as Error).message}`);
  }
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode) || parseInt(mode ?? "0", 8) > 0o7777) {
    pairs.fail(`tmpfs-mode=${mode} is not a mode such as 1770`);
  }
  return {
    type: "tmpfs",
    options: [
      "nosuid",
      "nodev",
      "noexec",
      ...readonly ? ["ro"] : [],
      // 0 is no limit for both.
      ...bytes > 0 ? [`size=${bytes}`] : [],
      ...mode === undefined ? [] : [`mode=${mode}`],
    ],
  };
}
