/**
 * What is configured about registries: the `registries` section of `/etc/mini/config.json`, the environment, and flags.
 *
 * ```json
 * { "registries": { "docker.io": { "mirrors": ["http://127.0.0.1:5000"] }, "registry.lan": { "insecure": true } } }
 * ```
 *
 * - The file's path is moved by `--config` or `MINI_CONFIG`.
 * - `MINI_REGISTRY_MIRROR` holds mirrors separated by blanks or commas; each is a URL (a mirror of docker.io) or
 *   `DOMAIN=URL`. They are tried before those of the file, and those of `--mirror` (the same form) before both.
 * - `MINI_INSECURE_REGISTRIES` holds domains separated the same way; for them certificates are not verified and plain
 *   HTTP is allowed.
 * - `MINI_REGISTRY_TIMEOUT` is after how many seconds of silence a transfer is begun anew (60).
 */
import { MiniError } from "../ffi/errors.ts";
import { DEFAULT_DOMAIN } from "./reference.ts";

/** Where the configuration is read from when nothing else is said. */
export const DEFAULT_CONFIG = "/etc/mini/config.json";
/** Silence after which a transfer is begun anew, in milliseconds. */
const DEFAULT_STALL_MS = 60_000;

/** One registry's settings. */
export interface RegistrySettings {
  /** URLs, tried in this order before the registry itself. */
  readonly mirrors: readonly string[];
  /** Certificates are not verified, and plain HTTP is allowed. */
  readonly insecure: boolean;
}

/** Everything that is configured about registries. */
export interface RegistriesConfig {
  /** By domain as in a full name: `docker.io`, `localhost:5000`. */
  readonly registries: ReadonlyMap<string, RegistrySettings>;
  /** Every registry is treated as insecure (`--tls-verify=false`). */
  readonly allInsecure: boolean;
  /** Silence after which a transfer is begun anew, in milliseconds. */
  readonly stallMs: number;
}

/** What flags say; each comes before the environment and the file. */
export interface RegistryFlags {
  /** The configuration's path; it must exist. */
  config?: string | undefined;
  /** `URL` or `DOMAIN=URL`. */
  mirrors?: readonly string[] | undefined;
  /** Treats every registry as insecure. */
  insecure?: boolean | undefined;
}

/** How settings are read; the tests give an environment of their own. */
export type Environment = (name: string) => string | undefined;

/**
 * Joins flags, environment and file.
 *
 * @throws MiniError when the file was asked for and is missing, or something in it cannot be meant as it is written.
 */
export async function loadRegistries(
  flags: RegistryFlags = {},
  environment: Environment = (name) => Deno.env.get(name),
): Promise<RegistriesConfig> {
  const asked = flags.config ?? environment("MINI_CONFIG");
  const path = asked ?? DEFAULT_CONFIG;
  const found = new Map<string, { mirrors: string[]; insecure: boolean }>();
  const entry = (domain: string) => {
    if (!found.has(domain)) found.set(domain, { mirrors: [], insecure: false });
    return found.get(domain)!;
  };
  const first = (flags.mirrors ?? []).map((text) => parseMirror(text, "--mirror"));
  const second = words(environment("MINI_REGISTRY_MIRROR")).map((text) => parseMirror(text, "MINI_REGISTRY_MIRROR"));
  for (const [domain, url] of [...first, ...second]) entry(domain).mirrors.push(url);
  for (const [domain, settings] of await readFile(path, asked !== undefined)) {
    entry(domain).mirrors.push(...settings.mirrors);
    entry(domain).insecure ||= settings.insecure;
  }
  const insecure = words(environment("MINI_INSECURE_REGISTRIES"));
  for (const domain of insecure) entry(domain).insecure = true;
  return {
    registries: found,
    allInsecure: flags.insecure ?? false,
    stallMs: parseTimeout(environment("MINI_REGISTRY_TIMEOUT")),
  };
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}

function parseTimeout(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_STALL_MS;
  if (!/^\d{1,6}(\.\d+)?$/.test(text) || Number(text) === 0) {
    throw new MiniError(`MINI_REGISTRY_TIMEOUT is ${JSON.stringify(text)}; it must be a number of seconds above 0`);
  }
  return Number(text) * 1000;
}

function parseMirror(text: string, where: string): [domain: string, url: string] {
  const [, domain, url] = /^(?:([^=/]+)=)?(.*)$/s.exec(text)!;
  return [domain ?? DEFAULT_DOMAIN, checkMirror(url!, where)];
}

/** A mirror's URL without a final slash. */
function checkMirror(text: string, where: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username || url.password) {
    throw new MiniError(
      `${where}: ${
        JSON.stringify(text)
      } is not a mirror's address; write it as http://HOST[:PORT] or https://HOST[:PORT][/PATH]`,
    );
  }
  return url.href.replace(/\/+$/, "");
}

async function readFile(path: string, required: boolean): Promise<[string, RegistrySettings][]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !required) return [];
    throw new MiniError(`cannot read the configuration ${path}: ${(error as Error).message}`);
  }
  return parseRegistries(text, path);
}

/**
 * Reads the `registries` section of a configuration.
 *
 * @throws MiniError when it is not JSON or a setting has the wrong type or an unknown name.
 */
export function parseRegistries(text: string, path: string): [string, RegistrySettings][] {
  const refuse = (why: string) => new MiniError(`${path}: ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw refuse(`not valid JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw refuse("the configuration must be a JSON object");
  const section = json.registries ?? {};
  if (!isObject(section)) throw refuse(`"registries" must be an object of registries by domain`);
  return Object.entries(section).map(([domain, value]) => {
    const at = `"registries" → ${JSON.stringify(domain)}`;
    if (!isObject(value)) throw refuse(`${at} must be an object`);
    for (const key of Object.keys(value)) {
      if (key !== "mirrors" && key !== "insecure") {
        throw refuse(`${at} has ${JSON.stringify(key)}; only "mirrors" and "insecure" are known`);
      }
    }
    const { mirrors = [], insecure = false } = value;
    if (typeof insecure !== "boolean") throw refuse(`${at} → "insecure" must be true or false`);
    if (!Array.isArray(mirrors) || mirrors.some((url) => typeof url !== "string")) {
      throw refuse(`${at} → "mirrors" must be a list of addresses`);
    }
    return [domain, {
      insecure,
      mirrors: mirrors.map((url: string) => checkMirror(url, `${path}: ${at} → "mirrors"`)),
    }];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
