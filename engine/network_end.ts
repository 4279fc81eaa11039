/** What a container that has ended had of networks is given back, by whoever clears up after it. */
import { ownNamespace } from "../ffi/user_namespace.ts";
import { release } from "../network/container.ts";
import { NetworkStore } from "../network/store.ts";
import type { Containers } from "./containers.ts";
import { networksOf } from "./network_view.ts";

/** Gives it back; may be done again. */
export async function releaseNetworks(containers: Containers, id: string): Promise<void> {
  const networks = networksOf(containers, id);
  if (!networks) return;
  const store = new NetworkStore(containers.root, containers.state);
  if (ownNamespace()) (await import("./rootless/network.ts")).releaseUserNetworks(store, id, networks);
  else release(store, id, networks);
}
