/**
 * A container's resolver, which the monitor is. Its sockets are in the container's network before the container's program
 * begins, so that what is asked at once waits there and is not refused: the command that starts the container opens them, and
 * the monitor takes them over.
 */
import { O_RDONLY } from "../ffi/constants.ts";
import { MiniError, SyscallError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";
import { makeResolver, openSockets, RESOLVER_ADDRESS, type ResolverSockets } from "../network/dns/server.ts";
import type { ResolverPorts } from "../network/dns/redirect.ts";
import { reachableConfiguration, resolverOptions, searchDomains } from "../network/dns/upstreams.ts";
import { type Containers, readJson, writeFile } from "./containers.ts";
import { resolverFile, setResolver } from "./etc.ts";
import type { NamesConfig } from "./names_config.ts";
import { openProcess, startTicks } from "./process.ts";

/** `STATE/containers/ID/resolver.json` */
interface Offer {
  readonly version: 1;
  readonly ports: ResolverPorts;
  /** Whose descriptors the sockets are, until the monitor has them. */
  readonly owner?: { readonly pid: number; readonly pidStartTicks?: number } & ResolverSockets;
  /** The monitor that has them. */
  readonly monitor?: number;
}

const offerFile = (containers: Containers, id: string) => `${containers.stateFolder(id)}/resolver.json`;
const readOffer = (containers: Containers, id: string) => readJson<Offer>(offerFile(containers, id)) ?? undefined;
const writeOffer = (containers: Containers, id: string, offer: Offer) =>
  writeFile(offerFile(containers, id), JSON.stringify(offer));

/** The resolv.conf of a container whose resolver the monitor is. A name without a dot is asked for as it is. */
export function ownResolverFile({ search, options }: NamesConfig = {}): string {
  const host = reachableConfiguration();
  return resolverFile("", {
    servers: [RESOLVER_ADDRESS],
    search: search ?? searchDomains(host),
    options: [...options ?? resolverOptions(host), ...options?.some((o) => o.startsWith("ndots")) ? [] : ["ndots:0"]],
  });
}

/** The resolv.conf of a container that asks the host's resolvers itself. */
export const plainResolverFile = (names: NamesConfig = {}): string => resolverFile(reachableConfiguration(), names);

/** Whom the monitor asks for everything else. @param host whom the host asks. */
export const upstreamsOf = (names: NamesConfig | undefined, host: () => readonly string[]) => () =>
  names?.servers ?? host();

/** Opens the sockets of a container that is being made, for the monitor to take. @returns them, to be closed when it has them. */
export function offerResolver(containers: Containers, id: string, pid: number): ResolverSockets {
  const namespace = open(`/proc/${pid}/ns/net`, O_RDONLY);
  try {
    const { ports, ...sockets } = makeResolver(namespace);
    const ticks = startTicks(Deno.pid);
    const owner = { pid: Deno.pid, ...ticks === undefined ? {} : { pidStartTicks: ticks }, ...sockets };
    writeOffer(containers, id, { version: 1, ports, owner });
    return sockets;
  } finally {
    close(namespace);
  }
}

/** How long the monitor may take to come. */
const PATIENCE_MILLISECONDS = 5000;

/** Waits until the monitor has taken the sockets. @throws {MiniError} when it does not come. */
export async function untilServed(containers: Containers, id: string): Promise<void> {
  for (const limit = Date.now() + PATIENCE_MILLISECONDS; readOffer(containers, id)?.monitor === undefined;) {
    if (Date.now() > limit) {
      throw new MiniError(
        `the monitor does not answer names for the container: ${containers.state}/monitor.log may say why`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/**
 * Takes the sockets of a container's resolver: those that are offered, or else new ones at the same place.
 *
 * @param pid of the container's PID 1. @throws {SyscallError} when the container has ended meanwhile.
 */
export function takeResolver(
  containers: Containers,
  id: string,
  pid: number,
  names: NamesConfig | undefined,
): ResolverSockets {
  const offer = readOffer(containers, id);
  const offered = offer?.owner && fromOwner(offer.owner);
  if (offered) {
    writeOffer(containers, id, { version: 1, ports: offer.ports, monitor: Deno.pid });
    return offered;
  }
  const namespace = open(`/proc/${pid}/ns/net`, O_RDONLY);
  try {
    const { ports, ...sockets } = offer
      ? { ports: offer.ports, ...openSockets(namespace, offer.ports) }
      : makeResolver(namespace);
    // It was not in a network with names when it was started.
    if (!offer) setResolver(containers.folder(id), ownResolverFile(names));
    writeOffer(containers, id, { version: 1, ports, monitor: Deno.pid });
    return sockets;
  } finally {
    close(namespace);
  }
}

function fromOwner({ datagrams, listener, ...process }: NonNullable<Offer["owner"]>): ResolverSockets | undefined {
  const pidfd = openProcess(process);
  if (pidfd === undefined) return undefined;
  const taken: number[] = [];
  try {
    for (const fd of [datagrams, listener]) taken.push(syscall("pidfd_getfd", pidfd, fd, 0));
    return { datagrams: taken[0]!, listener: taken[1]! };
  } catch (error) {
    taken.forEach(close);
    if (error instanceof SyscallError) return undefined; // it has closed them, or ends just now
    throw error;
  } finally {
    close(pidfd);
  }
}
