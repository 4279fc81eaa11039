/** Checking credentials against a registry, for `mini login`. */
import { MiniError } from "../ffi/errors.ts";
import { parseChallenges } from "./auth_challenge.ts";
import { requestToken } from "./auth_token.ts";
import type { Credentials } from "./auth_types.ts";
import type { RegistriesConfig } from "./config_file.ts";
import { originEndpoint } from "./mirrors.ts";
import { DEFAULT_DOMAIN, parseReference } from "./reference.ts";
import { answerError, RegistryClient } from "./registry_client.ts";

/**
 * The domain that a person means by a server: `docker.io` for none, `host:5000` for `https://host:5000/v2/`.
 *
 * @throws MiniError when it is none.
 */
export function serverDomain(server: string | undefined): string {
  if (server === undefined) return DEFAULT_DOMAIN;
  const host = server.replace(/^https?:\/\//, "").split("/")[0]!;
  if (host === "registry-1.docker.io" || host === "index.docker.io" || host === DEFAULT_DOMAIN) return DEFAULT_DOMAIN;
  try {
    // A name without dot, colon or "localhost" would be a folder of docker.io; as a server it is a host.
    parseReference(/[.:]/.test(host) || host === "localhost" ? `${host}/x` : `${host}:443/x`);
  } catch (error) {
    if (!(error instanceof MiniError)) throw error;
    throw new MiniError(`${JSON.stringify(server.slice(0, 200))} is not a registry's address; write it as HOST[:PORT]`);
  }
  return host;
}

/**
 * Shows credentials to a registry.
 *
 * @returns what to keep: the credentials, or the identity token that the registry gave in place of the password.
 * @throws RegistryError when they are refused, or the registry cannot be asked.
 */
export async function verifyLogin(
  domain: string,
  credentials: Credentials,
  config: RegistriesConfig,
  signal?: AbortSignal,
): Promise<Credentials> {
  const endpoint = originEndpoint(domain, config);
  using client = new RegistryClient({ config, credentials: () => Promise.resolve(credentials), signal });
  const ping = { method: "GET", path: "", scopes: [] } as const;
  const demand = await client.request(endpoint, { ...ping, anonymous: true });
  const challenges = parseChallenges(demand.headers.get("www-authenticate"));
  await demand.body?.cancel();
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  let keep = credentials;
  if (bearer) {
    const { name: registry, insecure } = endpoint;
    const scopes = bearer.parameters.get("scope")?.split(" ") ?? [];
    const request = { registry, challenge: bearer, scopes, credentials, insecure, offline: true, signal };
    const { refreshToken } = await requestToken(client.transport, request);
    if (refreshToken !== undefined) keep = { ...credentials, identityToken: refreshToken };
  }
  const response = await client.request(endpoint, ping);
  if (response.status === 401 || response.status === 403) {
    throw await answerError(endpoint, response, `log in to ${domain}`, "incorrect username or password");
  }
  if (response.status !== 200) throw await answerError(endpoint, response, `log in to ${domain}`);
  await response.body?.cancel();
  return keep;
}
