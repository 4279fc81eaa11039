/**
 * The names of images as Docker's users write them: `alpine`, `alpine:3.20`, `ghcr.io/a/b@sha256:…`, `localhost:5000/x`.
 *
 * The grammar is that of the distribution project's `reference` package: `[domain/]path[:tag][@digest]`. A name without
 * a domain belongs to docker.io, and one without a folder there to `library/`.
 */
import { MiniError } from "../ffi/errors.ts";

/** The registry that names without a domain belong to. */
export const DEFAULT_DOMAIN = "docker.io";
/** The tag of a name that has neither tag nor digest. */
export const DEFAULT_TAG = "latest";
/** What the name of a repository, domain included, may measure in characters. */
const LONGEST_NAME = 255;

const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/** A full name: every part that Docker would fill in has been filled in, except the tag. */
export interface Reference {
  /** `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** The repository within the registry: `library/alpine`. */
  readonly path: string;
  /** Missing when the name had none. */
  readonly tag?: string;
  /** `sha256:…`; wins over the tag where both are given. */
  readonly digest?: string;
}

/**
 * Reads a name by Docker's rules, without adding a tag.
 *
 * @throws MiniError when the text is not a name; the sentence says which part and why.
 */
export function parseReference(text: string): Reference {
  const refuse = (why: string): never => {
    throw new MiniError(`invalid image name ${JSON.stringify(shorten(text))}: ${why}`);
  };
  if (text === "") refuse("it is empty");
  if (/^[a-f0-9]{64}$/.test(text)) refuse("64 hexadecimal digits are an image ID, not a name");
  if (/^https?:\/\//.test(text)) refuse("leave out the http:// or https://");
  let name = text, tag: string | undefined, digest: string | undefined;
  const at = name.indexOf("@");
  if (at >= 0) {
    digest = name.slice(at + 1);
    name = name.slice(0, at);
    if (!DIGEST.test(digest)) {
      refuse(`${JSON.stringify(shorten(digest))} is not a digest such as sha256:<64 hex digits>`);
    }
  }
  const colon = name.lastIndexOf(":");
  if (colon > name.lastIndexOf("/")) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
    if (!isTag(tag)) {
      refuse(
        `the tag ${
          JSON.stringify(shorten(tag))
        } must be 1 to 128 letters, digits, "_", "." or "-", not begin with "." or "-"`,
      );
    }
  }
  let [domain, path] = splitDomain(name);
  if (!DOMAIN.test(domain)) refuse(`${JSON.stringify(shorten(domain))} is not a registry's host name`);
  if (domain === "index.docker.io") domain = DEFAULT_DOMAIN;
  if (path === "") refuse("the repository's name is missing");
  for (const part of path.split("/")) {
    if (PATH_PART.test(part)) continue;
    if (/^\w*[A-Z]/.test(part) && PATH_PART.test(part.toLowerCase())) {
      refuse(
        `a repository's name is lower case; did you mean ${
          JSON.stringify(shorten(text.replace(path, path.toLowerCase())))
        }?`,
      );
    }
    if (part === "") refuse(`there is nothing before or between its slashes`);
    refuse(`${JSON.stringify(shorten(part))} must be lower-case letters and digits, joined by ".", "_", "__" or "-"`);
  }
  if (domain === DEFAULT_DOMAIN && !path.includes("/")) path = `library/${path}`;
  if (domain.length + 1 + path.length > LONGEST_NAME) refuse(`it is longer than ${LONGEST_NAME} characters`);
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** Splits off the registry: what stands before the first slash, if it could not be a folder on docker.io. */
function splitDomain(name: string): [domain: string, path: string] {
  const slash = name.indexOf("/");
  const first = name.slice(0, slash);
  if (slash < 0 || (!/[.:]/.test(first) && first !== "localhost" && first === first.toLowerCase())) {
    return [DEFAULT_DOMAIN, name];
  }
  return [first, name.slice(slash + 1)];
}

/** Whether a text can be a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** The same name with `:latest` where it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: DEFAULT_TAG } : reference;
}

/** The full name: `docker.io/library/alpine:latest`. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`;
}

/** The name as people write it: `alpine:latest`, `user/app:1`, `ghcr.io/a/b@sha256:…`. */
export function familiarReference(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}

/** The repository as people write it, without tag and digest: `alpine`, `user/app`, `ghcr.io/a/b`. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return `${reference.domain}/${reference.path}`;
  const short = /^library\/([^/]+)$/.exec(reference.path)?.[1] ?? reference.path;
  // docker.io/a.b/c without its domain would be the repository c of a registry a.b.
  return splitDomain(short)[0] === DEFAULT_DOMAIN ? short : `${DEFAULT_DOMAIN}/${short}`;
}

/** The host (and port) that serves a domain's API: docker.io's is registry-1.docker.io, every other one its own. */
export function registryHost(domain: string): string {
  return domain === DEFAULT_DOMAIN ? "registry-1.docker.io" : domain;
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** A text that is fit to stand in a sentence, however long it was. */
function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
