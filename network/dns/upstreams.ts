/** The host's own resolvers, as resolv.conf(5) names them. */

/** Where systemd-resolved writes down whom it asks itself. */
const BEHIND_RESOLVED = "/run/systemd/resolve/resolv.conf";
/** Where a host without any asks, as resolv.conf(5) says. */
const LOOPBACK = "127.0.0.1";

/** The `nameserver` lines, in order: `192.0.2.1`, `fe80::1%eth0`. */
export function nameservers(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+([0-9a-fA-F.:]+(?:%\S+)?)\s*$/gm)].map(([, address]) => address!);
}

/** The words of the last `search` or `domain` line. */
export function searchDomains(text: string): string[] {
  const lines = [...text.matchAll(/^\s*(?:search|domain)\s+(.+)$/gm)];
  return lines.at(-1)?.[1]?.trim().split(/\s+/) ?? [];
}

/** The `options` words. */
export function resolverOptions(text: string): string[] {
  return [...text.matchAll(/^\s*options\s+(.+)$/gm)].flatMap(([, words]) => words!.trim().split(/\s+/));
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Whom a process of the host's own network asks: what /etc/resolv.conf says now, systemd-resolved's stub on 127.0.0.53 too,
 * since that can be reached from there. Read again when it has changed, looked at once a second.
 */
export function hostUpstreams(path = "/etc/resolv.conf"): () => readonly string[] {
  let list: readonly string[] = [LOOPBACK], looked = -Infinity;
  return () => {
    const now = performance.now();
    if (now - looked > 1000) {
      looked = now;
      const servers = nameservers(read(path) ?? "");
      list = servers.length > 0 ? servers : [LOOPBACK];
    }
    return list;
  };
}

/**
 * What a container that asks the host's resolvers itself can reach: on a loopback address there is nobody in its own network, and
 * the interface of `fe80::1%eth0` is the host's. Behind systemd-resolved's stub are the real ones.
 *
 * @returns the content of a resolv.conf; without any `nameserver` if there is none to be reached.
 */
export function reachableConfiguration(path = "/etc/resolv.conf", behind = BEHIND_RESOLVED): string {
  const text = read(path) ?? "";
  const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";
  const isOnHost = (address: string) => isLoopback(address) || address.includes("%");
  if (!nameservers(text).some(isOnHost)) return text;
  const real = nameservers(text).some(isLoopback) ? read(behind) : undefined;
  const servers = nameservers(real ?? text).filter((address) => !isOnHost(address));
  const search = searchDomains(text), options = resolverOptions(text);
  return [
    ...servers.map((address) => `nameserver ${address}`),
    ...search.length > 0 ? [`search ${search.join(" ")}`] : [],
    ...options.length > 0 ? [`options ${options.join(" ")}`] : [],
  ].map((line) => `${line}\n`).join("");
}
