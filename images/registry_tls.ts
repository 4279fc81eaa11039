/**
 * Whom a registry's host is trusted by, and how we prove who we are: the folders that Docker and Podman read too.
 *
 * `/etc/mini/certs.d/HOST[:PORT]/`, `/etc/containers/certs.d/…`, `/etc/docker/certs.d/…`: every `*.crt` there is a
 * certificate authority for that host, `NAME.cert` with `NAME.key` a client's certificate and its key.
 */
import { MiniError } from "../ffi/errors.ts";

const CERTS_FOLDERS = ["/etc/mini/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
/** Where distributions keep the authorities that the whole machine trusts. */
const SYSTEM_STORES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** What is trusted for one host, as PEM texts. */
export interface HostCertificates {
  /** Authorities (and, for a self-signed server, its very certificate). */
  readonly authorities: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string };
}

/**
 * Reads what is trusted for a host (with its port, if it is not the scheme's own).
 *
 * @param folders where to look; `MINI_CERTS_DIR` puts a folder before the usual ones.
 * @throws MiniError when a client's certificate has no key beside it, or a file cannot be read.
 */
export function hostCertificates(host: string, folders: readonly string[] = certsFolders()): HostCertificates {
  const authorities: string[] = [];
  let client: HostCertificates["client"];
  for (const folder of folders) {
    const path = `${folder}/${host}`;
    for (const name of listFolder(path)) {
      if (name.endsWith(".crt")) authorities.push(readText(`${path}/${name}`));
      if (!name.endsWith(".cert") || client) continue;
      const key = `${name.slice(0, -".cert".length)}.key`;
      if (!listFolder(path).includes(key)) {
        throw new MiniError(`${path}/${name} is a client's certificate without its key; put ${key} beside it`);
      }
      client = { cert: readText(`${path}/${name}`), key: readText(`${path}/${key}`) };
    }
  }
  return { authorities, ...(client ? { client } : {}) };
}

function certsFolders(): string[] {
  const own = Deno.env.get("MINI_CERTS_DIR");
  return own ? [own, ...CERTS_FOLDERS] : CERTS_FOLDERS;
}

/** The authorities that the machine trusts, as one PEM text (`SSL_CERT_FILE` names another file); "" if it has none. */
export function systemAuthorities(): string {
  const own = Deno.env.get("SSL_CERT_FILE");
  if (own) return readText(own);
  for (const path of SYSTEM_STORES) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new MiniError(`cannot read ${path}: ${(error as Error).message}`);
      }
    }
  }
  return ""; // Deno's own list of public authorities remains
}

/** The certificates of a PEM text in their binary form, as hexadecimal digits: to be compared with a server's own. */
export function pemToHex(pem: string): string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)].map(([, body]) =>
    Array.from(atob(body!.replace(/\s+/g, "")), (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("")
  );
}

function listFolder(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), (entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw new MiniError(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new MiniError(`cannot read ${path}: ${(error as Error).message}`);
  }
}
