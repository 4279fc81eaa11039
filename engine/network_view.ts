/** What a container that runs has of networks, as it is written down. */
import type { ContainerNetworks } from "../network/endpoints.ts";
import { readJson } from "./containers.ts";
import type { Containers } from "./containers.ts";

/** Where it is written down. */
export const networkFile = (containers: Containers, id: string) => `${containers.stateFolder(id)}/network.json`;

/** What it has; undefined for one that does not run, or has no network of its own. */
export function networksOf(containers: Containers, id: string): ContainerNetworks | undefined {
  const networks = readJson<ContainerNetworks>(networkFile(containers, id));
  return networks?.version === 1 && Array.isArray(networks.endpoints) && Array.isArray(networks.ports)
    ? networks
    : undefined;
}
