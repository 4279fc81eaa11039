/**
 * Bearer tokens: a registry names a token server and a scope, the token server takes our credentials and gives a token
 * for that scope (distribution-spec's token and OAuth2 documents). Tokens are kept for the life of the process.
 */
import { MiniError } from "../ffi/errors.ts";
import type { Challenge } from "./auth_challenge.ts";
import type { Credentials } from "./auth_types.ts";
import { isTransientStatus, parseErrorBody, RegistryError, tame } from "./registry_error.ts";
import { isLoopback } from "./mirrors.ts";
import { parseRetryAfter } from "./retry.ts";
import { readText } from "./registry_body.ts";
import type { Transport } from "./registry_transport.ts";

/** The largest answer of a token server that is read, in bytes. */
const LARGEST_ANSWER = 1 << 20;
/** How long a token lasts when its server does not say, in seconds (the token document's figure). */
const DEFAULT_LIFE_SECONDS = 60;
/** A token is not used in its last seconds: the clock of the registry may be ahead. */
const SAFETY_SECONDS = 5;
/** What we call ourselves towards OAuth2 servers. */
const CLIENT_ID = "mini";

/** What a token server gave. */
export interface Token {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** To be kept in place of the password; only where it was asked for. */
  readonly refreshToken?: string;
}

/** Everything a token request needs. */
export interface TokenRequest {
  /** The registry, for sentences. */
  readonly registry: string;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** Plain HTTP and unverified certificates are allowed. */
  readonly insecure: boolean;
  /** Asks for a refresh token as well (`login`). */
  readonly offline?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the token server that a challenge names.
 *
 * @throws RegistryError when it refuses or cannot be reached; MiniError when the credentials would travel in the clear.
 */
export async function requestToken(transport: Transport, request: TokenRequest): Promise<Token> {
  const realm = request.challenge.parameters.get("realm") ?? "";
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new RegistryError(
      `${request.registry} asks for a token from ${JSON.stringify(tame(realm))}, which is no address`,
    );
  }
  const { credentials } = request;
  if (credentials && url.protocol === "http:" && !request.insecure && !isLoopback(url.host)) {
    throw new MiniError(
      `${request.registry} wants the password sent to ${url.origin} unencrypted; if you trust the network between, mark the registry as insecure`,
    );
  }
  const response = credentials?.identityToken !== undefined
    ? await postOAuth(transport, url, request)
    : await getToken(transport, url, request);
  const body = await readText(response, LARGEST_ANSWER, `the token server ${url.host}`);
  if (!response.ok) throw refusal(response, body, url, request);
  return parseToken(body, url.host);
}

function getToken(transport: Transport, realm: URL, request: TokenRequest): Promise<Response> {
  const url = new URL(realm);
  const service = request.challenge.parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const headers = new Headers({ accept: "application/json" });
  const { username, password } = request.credentials ?? {};
  if (username !== undefined) {
    url.searchParams.set("account", username);
    headers.set("authorization", basicAuthorization(username, password ?? ""));
  }
  if (request.offline) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  const { insecure, signal } = request;
  return transport.send({ method: "GET", url, headers, insecure, signal });
}

function postOAuth(transport: Transport, url: URL, request: TokenRequest): Promise<Response> {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    service: request.challenge.parameters.get("service") ?? "",
    client_id: CLIENT_ID,
    scope: request.scopes.join(" "),
    refresh_token: request.credentials!.identityToken!,
  });
  const headers = new Headers({ accept: "application/json", "content-type": "application/x-www-form-urlencoded" });
  const { insecure, signal } = request;
  return transport.send({ method: "POST", url, headers, body: form.toString(), insecure, signal });
}

/** The value of an `Authorization` header for a name and a password (RFC 7617, in UTF-8). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${username}:${password}`)))}`;
}

function refusal(response: Response, body: string, url: URL, request: TokenRequest): RegistryError {
  const { status } = response;
  const said = parseErrorBody(body).message;
  const who = request.credentials?.username === undefined
    ? ""
    : ` for ${JSON.stringify(tame(request.credentials.username, 60))}`;
  const why = status === 401 || status === 403
    ? `refuses a token${who}: ${said || "incorrect username or password"}`
    : `answers HTTP ${status}${said ? `: ${said}` : ""}`;
  return new RegistryError(`the token server ${url.host} of ${request.registry} ${why}`, {
    status,
    transient: isTransientStatus(status),
    retryAfterMs: parseRetryAfter(response.headers.get("retry-after")),
  });
}

/** Reads a token server's answer. @throws RegistryError when there is no token in it. */
export function parseToken(body: string, host: string, now: number = Date.now()): Token {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(body) ?? {};
  } catch {
    throw new RegistryError(`the token server ${host} answers with something that is not JSON`);
  }
  const token = json.token || json.access_token;
  // What is sent back in a header must be able to stand in one.
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError(`the token server ${host} gives no token`);
  }
  const life = typeof json.expires_in === "number" && json.expires_in > 0 ? json.expires_in : DEFAULT_LIFE_SECONDS;
  // The server's own clock does not matter: the life begins when the answer is here.
  const expires = now + Math.max(1, life - SAFETY_SECONDS) * 1000;
  const { refresh_token: refreshToken } = json;
  return { token, expires, ...(typeof refreshToken === "string" && refreshToken !== "" ? { refreshToken } : {}) };
}
