/**
 * Credentials on disk: Docker's `config.json` (read and written) and Podman's `auth.json` (read).
 *
 * Docker's is `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; everything in it that is not about credentials
 * stays as it is.
 */
import { MiniError } from "../ffi/errors.ts";
import { helperErase, helperGet, helperStore } from "./auth_helper.ts";
import type { Credentials } from "./auth_types.ts";
import type { Environment } from "./config_file.ts";
import { DEFAULT_DOMAIN } from "./reference.ts";

/** The key under which Docker keeps the credentials of docker.io. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";

interface AuthEntry {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
}
interface AuthDocument {
  auths?: Record<string, AuthEntry>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
  [other: string]: unknown;
}

const fromProcess: Environment = (name) => Deno.env.get(name);

/** The key under which a domain's credentials are kept. */
export function serverKey(domain: string): string {
  return domain === DEFAULT_DOMAIN ? DOCKER_HUB_KEY : domain;
}

/** Where Docker's configuration is. @throws MiniError when neither DOCKER_CONFIG nor HOME says so. */
export function dockerConfigPath(environment: Environment = fromProcess): string {
  const folder = environment("DOCKER_CONFIG") || (environment("HOME") && `${environment("HOME")}/.docker`);
  if (!folder) throw new MiniError("HOME is not set, so there is no ~/.docker/config.json; set HOME or DOCKER_CONFIG");
  return `${folder}/config.json`;
}

/**
 * The credentials for a domain: from the helper named for it, the helper for all, Docker's file, Podman's file.
 *
 * @param path the repository; Podman's file can hold credentials for a part of a registry.
 * @throws MiniError when a file cannot be understood or a helper fails.
 */
export async function findCredentials(
  domain: string,
  path?: string,
  environment: Environment = fromProcess,
): Promise<Credentials | undefined> {
  if (environment("DOCKER_CONFIG") || environment("HOME")) {
    const file = dockerConfigPath(environment);
    const document = await readDocument(file);
    const helper = helperFor(document, domain);
    const found = helper === undefined ? undefined : await helperGet(helper, serverKey(domain));
    const credentials = found ?? lookUp(document, domain, path, file);
    if (credentials) return credentials;
  }
  const runtime = environment("XDG_RUNTIME_DIR") ?? `/run/containers/${Deno.uid() ?? 0}`;
  const podman = environment("REGISTRY_AUTH_FILE") ??
    (environment("XDG_RUNTIME_DIR") ? `${runtime}/containers/auth.json` : `${runtime}/auth.json`);
  return lookUp(await readDocument(podman), domain, path, podman);
}

/**
 * Keeps credentials where the configuration says: with a helper, or in Docker's file (mode 0600, replaced atomically).
 *
 * @returns the path of the file, when the secret is now in it for everybody who can read it; undefined with a helper.
 */
export async function storeCredentials(
  domain: string,
  credentials: Credentials,
  environment: Environment = fromProcess,
): Promise<string | undefined> {
  const file = dockerConfigPath(environment);
  const document = await readDocument(file);
  const helper = helperFor(document, domain);
  const entry: AuthEntry = helper === undefined ? encode(credentials) : {};
  if (helper !== undefined) await helperStore(helper, serverKey(domain), credentials);
  await writeDocument(file, { ...document, auths: { ...document.auths, [serverKey(domain)]: entry } });
  return helper === undefined ? file : undefined;
}

/** Forgets a domain's credentials; whether there were any. */
export async function eraseCredentials(domain: string, environment: Environment = fromProcess): Promise<boolean> {
  const file = dockerConfigPath(environment);
  const document = await readDocument(file);
  const helper = helperFor(document, domain);
  let known = helper !== undefined && await helperErase(helper, serverKey(domain));
  const auths = { ...document.auths };
  for (const key of Object.keys(auths)) {
    if (keyDomain(key) !== domain || keyPath(key) !== "") continue;
    delete auths[key];
    known = true;
  }
  if (known && document.auths) await writeDocument(file, { ...document, auths });
  return known;
}

function helperFor(document: AuthDocument, domain: string): string | undefined {
  const named = document.credHelpers ?? {};
  return named[domain] ?? named[serverKey(domain)] ?? (document.credsStore || undefined);
}

/** The entry for a domain, or for the longest beginning of the repository's path that has one. */
function lookUp(
  document: AuthDocument,
  domain: string,
  path: string | undefined,
  file: string,
): Credentials | undefined {
  let best: { length: number; entry: AuthEntry } | undefined;
  for (const [key, entry] of Object.entries(document.auths ?? {})) {
    if (keyDomain(key) !== domain) continue;
    const below = keyPath(key);
    if (below !== "" && !`${path ?? ""}/`.startsWith(`${below}/`)) continue;
    if (!best || below.length > best.length) best = { length: below.length, entry };
  }
  return best && decode(best.entry, domain, file);
}

/** `https://index.docker.io/v1/` → `docker.io`; `https://host:5000/v2/` and `host:5000/team` → `host:5000`. */
function keyDomain(key: string): string {
  const domain = key.replace(/^https?:\/\//, "").split("/")[0]!;
  return ["index.docker.io", "registry-1.docker.io"].includes(domain) ? DEFAULT_DOMAIN : domain;
}

/** The part of a registry that a key is about: "" for all of it. */
function keyPath(key: string): string {
  if (/^https?:\/\//.test(key)) return ""; // Docker's old form: the path is that of the API
  const path = key.split("/").slice(1).join("/").replace(/\/+$/, "");
  return path === "v1" || path === "v2" ? "" : path;
}

function encode({ username = "", password = "", identityToken }: Credentials): AuthEntry {
  const bytes = new TextEncoder().encode(`${username}:${identityToken === undefined ? password : ""}`);
  const auth = btoa(String.fromCharCode(...bytes));
  return identityToken === undefined ? { auth } : { auth, identitytoken: identityToken };
}

function decode(entry: AuthEntry, domain: string, file: string): Credentials | undefined {
  if (entry.registrytoken) return { registryToken: entry.registrytoken };
  if (entry.identitytoken) return { identityToken: entry.identitytoken };
  if (entry.username !== undefined && entry.password !== undefined) {
    return { username: entry.username, password: entry.password };
  }
  if (!entry.auth) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(entry.auth), (c) => c.charCodeAt(0)),
    );
    const colon = text.indexOf(":");
    if (colon < 0) throw new Error("no colon");
    // Old versions of Docker padded the password with NUL.
    return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
  } catch {
    throw new MiniError(`${file}: the entry for ${domain} is damaged; run "mini login ${domain}" again`);
  }
}

async function readDocument(path: string): Promise<AuthDocument> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    // A file that another user keeps from us holds nothing for us; Docker goes on without it, too.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return {};
    throw new MiniError(`cannot read ${path}: ${(error as Error).message}`);
  }
  if (text.trim() === "") return {};
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new MiniError(`${path} is not valid JSON: ${(error as Error).message}; mend it or move it away`);
  }
  if (!isObject(json)) throw new MiniError(`${path} is not a JSON object; mend it or move it away`);
  for (const section of ["auths", "credHelpers"]) {
    const value = json[section];
    if (value === undefined || value === null) delete json[section];
    else if (
      !isObject(value) ||
      Object.values(value).some((item) => section === "auths" ? !isObject(item) : typeof item !== "string")
    ) {
      throw new MiniError(`${path}: "${section}" does not have the form that Docker gives it; mend it or move it away`);
    }
  }
  return json as AuthDocument;
}

async function writeDocument(path: string, document: AuthDocument): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  let target = path;
  let temporary: string | undefined;
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      target = await Deno.realPath(path); // a link to a file elsewhere stays a link
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    temporary = `${target}.${crypto.randomUUID()}`;
    {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(JSON.stringify(document, null, "\t") + "\n");
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.syncData();
    }
    await Deno.rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await Deno.remove(temporary).catch(() => {/* it may never have been made */});
    throw new MiniError(`cannot write ${path}: ${(error as Error).message}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
