/** Which containers are known by their names, and know others by theirs. */
import type { ContainerNetworks } from "../network/endpoints.ts";
import { DEFAULT_NETWORK } from "../network/store.ts";

/** As in Docker, names are known in networks of one's own, not in the one that everybody is in. */
export const hasNames = ({ endpoints }: ContainerNetworks): boolean =>
  endpoints.some(({ network }) => network !== DEFAULT_NETWORK);
