/** What an ordinary user cannot have of networks. */
import { MiniError } from "../../ffi/errors.ts";
import { DEFAULT_NETWORK } from "../../network/store.ts";
import type { NetworkAttachment } from "../network_options.ts";

/** @throws {MiniError} for what only root can have. */
export function checkUserNetworks(networks: readonly NetworkAttachment[]): void {
  for (const { name, ip, ip6, mac, aliases = [] } of networks) {
    if (name !== DEFAULT_NETWORK) throw new MiniError(`--network ${name}: ${ONLY_ROOT}`);
    const flag = ip ? "ip" : ip6 ? "ip6" : mac ? "mac-address" : aliases.length > 0 ? "network-alias" : undefined;
    if (flag !== undefined) {
      throw new MiniError(`--${flag} is about a network that containers share, and ${ONLY_ROOT}`);
    }
  }
}

/** Why networks that containers share cannot be had. */
export const ONLY_ROOT = "networks that containers share need root: " +
  "without it there are the default one for each alone, --network host, none and container:NAME";
