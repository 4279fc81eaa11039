/** The three files in /etc that are a container's own: who it is, and where names are looked up. */
import type { Endpoint } from "../network/endpoints.ts";
import type { Mount, Spec } from "../runtime/spec.ts";
import type { NetworkMode } from "./namespaces.ts";

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
export function etcMounts(folder: string, hostname: string, network: NetworkMode): Mount[] {
  const files: Record<string, string> = {
    hostname: `${hostname}\n`,
    hosts: network === "host" ? hostFile("/etc/hosts") : HOSTS,
    "resolv.conf": hostFile("/etc/resolv.conf"),
  };
  return Object.entries(files).map(([name, content]) => {
    Deno.writeTextFileSync(`${folder}/${name}`, content, { mode: 0o644 });
    return { destination: `/etc/${name}`, type: "bind", source: `${folder}/${name}`, options: ["bind"] };
  });
}

/** Writes down in a container's own file what addresses it has itself. */
export function setHosts(folder: string, hostname: string, endpoints: readonly Endpoint[]): void {
  const lines = endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((address) => address ? [`${address.ip}\t${hostname}\n`] : [])
  );
  try {
    Deno.writeTextFileSync(`${folder}/hosts`, HOSTS + lines.join(""), { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // a folder of the user's is used as it is
  }
}

/** The same files of another container, with which this one shares its network and so its names. */
export const sharedEtc = (spec: Spec): Mount[] => (spec.mounts ?? []).filter((m) => ETC.includes(m.destination));

const ETC = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
