/** What a container that runs has of networks, as it is written down. */
import type { ContainerNetworks } from "../network/endpoints.ts";
import { readJson } from "./containers.ts";
import type { Containers } from "./containers.ts";

/** Where it is written down. */
export const networkFile = (containers: Containers, id: string) => `${containers.stateFolder(id)}/network.json`;

/** Whether it is in networks of its own now. */
export function hasNetworks(containers: Containers, id: string): boolean {
  try {
    return Deno.lstatSync(networkFile(containers, id)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // it has none, or ends just now
    throw error;
  }
}

/** What it has; undefined for one that does not run, or has no network of its own. */
export function networksOf(containers: Containers, id: string): ContainerNetworks | undefined {
  const networks = readJson<ContainerNetworks>(networkFile(containers, id));
  return networks?.version === 1 && Array.isArray(networks.endpoints) && Array.isArray(networks.ports)
    ? networks
    : undefined;
}
