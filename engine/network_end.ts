/** What a container that has ended had of networks is given back, by whoever clears up after it. */
import { release } from "../network/container.ts";
import { NetworkStore } from "../network/store.ts";
import type { Containers } from "./containers.ts";
import { networksOf } from "./network_view.ts";

/** Gives it back; may be done again. */
export function releaseNetworks(containers: Containers, id: string): void {
  const networks = networksOf(containers, id);
  if (networks) release(new NetworkStore(containers.root, containers.state), id, networks);
}
