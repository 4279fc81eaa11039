/** What a container knows about names, as it is written down. */

/** What was said about it; what was not, is as on the host. */
export interface NamesConfig {
  readonly servers?: readonly string[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
  /** `name address` each; `host-gateway` is the host as the container's network reaches it. */
  readonly hosts?: readonly (readonly [name: string, address: string])[];
}

/** The word for the host's own address. */
export const HOST_GATEWAY = "host-gateway";
