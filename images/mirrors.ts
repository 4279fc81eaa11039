/** Where a registry's content can be had from: its mirrors in order, then the registry itself. */
import { registryHost } from "./reference.ts";
import type { RegistriesConfig } from "./config_file.ts";

/** One place that may serve a repository. */
export interface Endpoint {
  /** How it is called in sentences: a host, or a mirror's URL. */
  readonly name: string;
  /** The domain whose credentials belong to it. A mirror never sees those of the registry it stands for. */
  readonly domain: string;
  /** What `/v2/…` is appended to, in the order to try: https, then (where that is allowed) http. */
  readonly bases: readonly string[];
  /** Certificates are not verified. */
  readonly insecure: boolean;
  readonly mirror: boolean;
}

/** The places to pull from, in order. */
export function pullEndpoints(domain: string, config: RegistriesConfig): Endpoint[] {
  const mirrors = (config.registries.get(domain)?.mirrors ?? []).map((text): Endpoint => {
    const url = new URL(text);
    return {
      name: text,
      domain: url.host,
      bases: [text],
      insecure: isInsecure(url.host, config),
      mirror: true,
    };
  });
  return [...mirrors, originEndpoint(domain, config)];
}

/** The registry itself: where pushes and logins go. */
export function originEndpoint(domain: string, config: RegistriesConfig): Endpoint {
  const host = registryHost(domain);
  const insecure = isInsecure(domain, config) || isInsecure(host, config);
  return {
    name: host,
    domain,
    bases: insecure ? [`https://${host}`, `http://${host}`] : [`https://${host}`],
    insecure,
    mirror: false,
  };
}

/** Whether plain HTTP and unverified certificates are allowed: as configured, and always on this machine itself. */
function isInsecure(host: string, config: RegistriesConfig): boolean {
  return config.allInsecure || config.registries.get(host)?.insecure === true || isLoopback(host);
}

/** Whether a host, with or without a port, is this machine: `localhost`, 127.0.0.0/8 or `[::1]`. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host);
}
