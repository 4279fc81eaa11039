/**
 * Requests to registries (OCI distribution-spec 1.1): which address, with which proof of identity, through which
 * redirects. What is asked for is up to the callers: registry_pull.ts and registry_push.ts.
 */
import { type Challenge, parseChallenges } from "./auth_challenge.ts";
import { findCredentials } from "./auth_file.ts";
import { basicAuthorization, requestToken, type Token } from "./auth_token.ts";
import type { Credentials, FindCredentials } from "./auth_types.ts";
import type { RegistriesConfig } from "./config_file.ts";
import type { Endpoint } from "./mirrors.ts";
import { isTransientStatus, parseErrorBody, RegistryError, tame } from "./registry_error.ts";
import { readText } from "./registry_body.ts";
import { Transport } from "./registry_transport.ts";
import { DEFAULT_RETRY, parseRetryAfter, type RetryPolicy } from "./retry.ts";

/** The largest error document that is read, in bytes. */
const LARGEST_ERROR = 64 * 1024;
const MOST_REDIRECTS = 10;

/** What a client works with; everything but the configuration has a default. */
export interface ClientOptions {
  readonly config: RegistriesConfig;
  /** Where credentials come from; the files of Docker and Podman when nothing is said. */
  readonly credentials?: FindCredentials | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** Ends everything that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** One request, in a registry's terms. */
export interface RegistryRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** What follows `/v2/`, or a whole URL that the registry itself gave. */
  readonly path: string | URL;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>;
  /** What a token must allow: `repository:library/alpine:pull`. */
  readonly scopes: readonly string[];
  /** Sends no proof of identity: the answer is the registry's demand for one. */
  readonly anonymous?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Talks to registries; to be disposed of when the work is done. */
export class RegistryClient {
  readonly transport: Transport;
  readonly retry: RetryPolicy;
  readonly #credentials: FindCredentials;
  /** By endpoint: which of its addresses answered. */
  readonly #bases = new Map<string, string>();
  /** By endpoint: what it demanded last. */
  readonly #challenges = new Map<string, Challenge>();
  /** By endpoint and scopes. Promises, so that five layers at once ask for one token. */
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(readonly options: ClientOptions) {
    this.transport = new Transport(options.config.stallMs);
    this.retry = options.retry ?? DEFAULT_RETRY;
    this.#credentials = options.credentials ?? findCredentials;
  }

  [Symbol.dispose](): void {
    this.transport.close();
  }

  /**
   * Sends one request, proves who we are when asked to, and follows redirects of GET and HEAD.
   *
   * @returns whatever the registry answers, failures too: see {@linkcode answerError}.
   * @throws RegistryError when there is no answer.
   */
  async request(endpoint: Endpoint, request: RegistryRequest): Promise<Response> {
    const signal = request.signal ?? this.options.signal;
    const key = JSON.stringify([endpoint.name, request.scopes]);
    let authorization = request.anonymous ? undefined : await this.#authorize(endpoint, request, key, signal);
    for (let attempt = 1;; attempt++) {
      const response = await this.#send(endpoint, request, authorization, signal);
      if (response.status !== 401 || attempt === 3 || request.anonymous) return response;
      const challenge = pickChallenge(response);
      if (challenge === undefined) return response;
      this.#challenges.set(endpoint.name, challenge);
      await this.#dropToken(key, authorization);
      let next: string | undefined;
      try {
        // A body that was read cannot be sent again: the caller begins anew, with the token that is fetched then.
        const once = request.body instanceof ReadableStream;
        next = once ? undefined : await this.#authorize(endpoint, request, key, signal);
      } catch (error) {
        await response.body?.cancel();
        throw error;
      }
      if (next === undefined || next === authorization) return response;
      authorization = next;
      await response.body?.cancel();
    }
  }

  /** The address at which an endpoint answers: to be asked after its first answer. */
  base(endpoint: Endpoint): string {
    return this.#bases.get(endpoint.name) ?? endpoint.bases[0]!;
  }

  /** The credentials that a person has for an endpoint. */
  credentials(endpoint: Endpoint, path?: string): Promise<Credentials | undefined> {
    return this.#credentials(endpoint.domain, path);
  }

  /** The `Authorization` that the endpoint's last challenge calls for; undefined when it has asked for nothing yet. */
  async #authorize(endpoint: Endpoint, request: RegistryRequest, key: string, signal: AbortSignal | undefined) {
    const challenge = this.#challenges.get(endpoint.name);
    if (challenge === undefined) return undefined;
    const path = /^repository:(.*):[^:]*$/.exec(request.scopes[0] ?? "")?.[1];
    if (challenge.scheme === "basic") {
      const { username, password } = await this.credentials(endpoint, path) ?? {};
      return username === undefined ? undefined : basicAuthorization(username, password ?? "");
    }
    for (let pending; (pending = this.#tokens.get(key)) !== undefined;) {
      const kept = await pending;
      if (kept.expires > Date.now()) return `Bearer ${kept.token}`;
      if (this.#tokens.get(key) === pending) this.#tokens.delete(key);
    }
    const asked = (async (): Promise<Token> => {
      const credentials = await this.credentials(endpoint, path);
      if (credentials?.registryToken !== undefined) return { token: credentials.registryToken, expires: Infinity };
      // What the registry asks for besides, but for the repositories that we name ourselves.
      const named = new Set(request.scopes.map(resourceOf));
      const more = challenge.parameters.get("scope")?.split(" ").filter((scope) =>
        scope && !named.has(resourceOf(scope))
      );
      const scopes = [...request.scopes, ...more ?? []];
      const { insecure, name: registry } = endpoint;
      return requestToken(this.transport, { registry, challenge, scopes, credentials, insecure, signal });
    })();
    this.#tokens.set(key, asked);
    try {
      return `Bearer ${(await asked).token}`;
    } catch (error) {
      if (this.#tokens.get(key) === asked) this.#tokens.delete(key);
      throw error;
    }
  }

  /** Forgets a token that was refused: it has expired, or was taken back. One that came meanwhile stays. */
  async #dropToken(key: string, refused: string | undefined): Promise<void> {
    const pending = this.#tokens.get(key);
    if (pending === undefined || refused === undefined) return;
    if (`Bearer ${(await pending).token}` === refused && this.#tokens.get(key) === pending) this.#tokens.delete(key);
  }

  /** To the address that answers: the first time each of the endpoint's is tried in order. */
  async #send(endpoint: Endpoint, request: RegistryRequest, authorization: string | undefined, signal?: AbortSignal) {
    if (request.path instanceof URL) {
      // A registry may have its uploads go elsewhere; our proof of identity does not.
      const isOwn = request.path.origin === new URL(this.base(endpoint)).origin;
      return await this.#follow(endpoint, request.path, request, isOwn ? authorization : undefined, signal);
    }
    const known = this.#bases.get(endpoint.name);
    const bases = known === undefined ? endpoint.bases : [known];
    let first: unknown;
    for (const base of bases) {
      const url = new URL(`${base}/v2/${request.path}`);
      try {
        const response = await this.#follow(endpoint, url, request, authorization, signal);
        this.#bases.set(endpoint.name, base);
        return response;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RegistryError) || error.status !== undefined) throw error;
        first ??= error;
        // What the https address says is the better explanation, except that it does not speak TLS at all.
        if (base === bases.at(-1)) throw /TLS handshake/.test((first as Error).message) ? error : first;
      }
    }
    throw first;
  }

  async #follow(
    endpoint: Endpoint,
    begin: URL,
    { method, headers, body }: RegistryRequest,
    authorization: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    let url = begin;
    for (let redirects = 0;; redirects++) {
      // `identity`: fetch would undo a Content-Encoding by itself, and digests are of what was stored.
      const sent = new Headers({ "user-agent": "mini", "accept-encoding": "identity", ...headers });
      // The proof of identity is the registry's alone, never of the host that it sends us on to.
      if (authorization !== undefined && url.origin === begin.origin) sent.set("authorization", authorization);
      const response = await this.transport.send({
        method,
        url,
        headers: sent,
        body,
        insecure: endpoint.insecure,
        signal,
      });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
      await response.body?.cancel();
      if (method !== "GET" && method !== "HEAD") {
        throw new RegistryError(`${url.host} redirects a ${method} request, which is not followed`);
      }
      if (redirects === MOST_REDIRECTS) {
        throw new RegistryError(`${begin.host} redirects more than ${MOST_REDIRECTS} times`);
      }
      const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
      if (!next || !/^https?:$/.test(next.protocol)) {
        throw new RegistryError(`${url.host} redirects to ${JSON.stringify(tame(location))}, which is no web address`);
      }
      next.username = next.password = "";
      url = next;
    }
  }
}

/** What a scope is about: `repository:a/b` of `repository:a/b:pull`. */
function resourceOf(scope: string): string {
  return scope.slice(0, scope.lastIndexOf(":"));
}

/** The demand that we can meet, the safer one first. */
function pickChallenge(response: Response): Challenge | undefined {
  const challenges = parseChallenges(response.headers.get("www-authenticate"));
  return challenges.find(({ scheme }) => scheme === "bearer") ?? challenges.find(({ scheme }) => scheme === "basic");
}

/**
 * Turns an answer that is a failure into an error, and reads its explanation.
 *
 * @param doing what was attempted: `pull alpine`, in the sentence `cannot pull alpine: …`.
 * @param denied what to say when access is denied, in place of the advice to log in.
 */
export async function answerError(
  endpoint: Endpoint,
  response: Response,
  doing: string,
  denied?: string,
): Promise<RegistryError> {
  const { status } = response;
  let body = "";
  try {
    body = await readText(response, LARGEST_ERROR, endpoint.name);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error; // an explanation that cannot be read does not change the answer
  }
  const { codes, message } = parseErrorBody(body);
  const said = message || codes.join(", ");
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"));
  return new RegistryError(
    `cannot ${doing}: ${endpoint.name} ${explain(status, said, endpoint, retryAfterMs, denied)}`,
    {
      status,
      codes,
      retryAfterMs,
      transient: isTransientStatus(status),
    },
  );
}

function explain(status: number, said: string, endpoint: Endpoint, retryAfterMs?: number, denied?: string): string {
  const quoted = said ? ` (${said})` : "";
  switch (status) {
    case 401:
    case 403:
      if (denied !== undefined) return `denies access${quoted}: ${denied}`;
      return `denies access${quoted}; it may not exist, or need "mini login${
        endpoint.domain === "docker.io" ? "" : ` ${endpoint.domain}`
      }"`;
    case 404:
      return `does not have it${quoted}`;
    case 429:
      return `has had too many requests${quoted}; try again ${
        retryAfterMs ? `in ${Math.ceil(retryAfterMs / 1000)} seconds` : "later"
      }, or log in for a higher limit`;
    default:
      return `answers HTTP ${status}${quoted}`;
  }
}
