/** The three files in /etc that are a container's own: who it is, and where names are looked up. */
import { MiniError } from "../ffi/errors.ts";
import type { Endpoint } from "../network/endpoints.ts";
import type { Mount, Spec } from "../runtime/spec.ts";
import { isOwnNetwork, type NetworkMode } from "./namespaces.ts";
import { HOST_GATEWAY, type NamesConfig } from "./names_config.ts";

const HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

function hostFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Writes the files into the container's folder; returns their mounts. The container may change its copies. */
export function etcMounts(folder: string, hostname: string, network: NetworkMode, names: NamesConfig = {}): Mount[] {
  const files: Record<string, string> = {
    hostname: `${hostname}\n`,
    hosts: (network === "host" ? hostFile("/etc/hosts") : HOSTS) +
      hostLines(names, network === "host" ? LOOPBACK : undefined, isOwnNetwork(network)),
    "resolv.conf": resolverFile(hostFile("/etc/resolv.conf"), names),
  };
  return Object.entries(files).map(([name, content]) => {
    Deno.writeTextFileSync(`${folder}/${name}`, content, { mode: 0o644 });
    return { destination: `/etc/${name}`, type: "bind", source: `${folder}/${name}`, options: ["bind"] };
  });
}

const LOOPBACK = "127.0.0.1";

/** The lines of --add-host. @param host the host's own address, where there is one.
 * @param later there will be one when it is started. @throws {MiniError} where there is none. */
function hostLines({ hosts = [] }: NamesConfig, host: string | undefined, later = false): string {
  return hosts.map(([name, address]) => {
    if (address === HOST_GATEWAY && host === undefined) {
      if (later) return "";
      throw new MiniError(
        `--add-host ${name}:${HOST_GATEWAY}: from the container's network the host cannot be reached`,
        125,
      );
    }
    return `${address === HOST_GATEWAY ? host : address}\t${name}\n`;
  }).join("");
}

/** A resolv.conf(5) with what was said in the place of what another one says. */
export function resolverFile(text: string, { servers, search, options }: NamesConfig): string {
  if (!servers && !search && !options) return text;
  const kept = text.split("\n").filter((line) => {
    const [word = ""] = line.trim().split(/\s/);
    if (word === "nameserver") return !servers;
    if (word === "search" || word === "domain") return !search;
    return word === "options" ? !options : false;
  });
  return [
    ...(servers ?? []).map((address) => `nameserver ${address}`),
    ...search?.length ? [`search ${search.join(" ")}`] : [],
    ...options?.length ? [`options ${options.join(" ")}`] : [],
    ...kept,
  ].map((line) => `${line}\n`).join("");
}

/** Writes one of the files again, in its place: a container that runs sees it. A folder of the user's is used as it is. */
function rewrite(path: string, content: string): void {
  try {
    Deno.writeTextFileSync(path, content, { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Writes down in a container's own file what addresses it has itself, and the names that it was given.
 *
 * @param moved it runs, and has come into a network or out of one: where it cannot reach the host now, it just has no name of it.
 * @throws {MiniError} for a name of the host that it cannot reach from the networks that it is started in.
 */
export function setHosts(
  folder: string,
  hostname: string,
  endpoints: readonly Endpoint[],
  names: NamesConfig = {},
  moved = false,
): void {
  const lines = endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((address) => address ? [`${address.ip}\t${hostname}\n`] : [])
  );
  // The gateway of a bridge is the host itself; that of an interface's network is a router, and the host not to be reached.
  const bridged = endpoints.find(({ driver, ipv4 }) => driver === "bridge" && ipv4?.gateway);
  rewrite(`${folder}/hosts`, HOSTS + lines.join("") + hostLines(names, bridged?.ipv4?.gateway, moved));
}

/** Writes down whom a container asks for names. */
export function setResolver(folder: string, content: string): void {
  rewrite(`${folder}/resolv.conf`, content);
}

/** The same files of another container, with which this one shares its network and so its names. */
export const sharedEtc = (spec: Spec): Mount[] => (spec.mounts ?? []).filter((m) => ETC.includes(m.destination));

const ETC = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
