/**
 * Networks as they are written down.
 *
 *     ROOT/networks/NAME.json               a network
 *     ROOT/networks/.lock                   held (flock) shared while a container is given addresses, alone while a network is
 *                                           made or removed
 *     STATE/networks/leases/ID/ADDRESS      a symbolic link whose target is who has the address: making it is what takes it
 *     STATE/networks/ports/tcp-8080-ADDRESS the same for a port of the host
 */
import { LOCK_EX, LOCK_SH, O_CREAT, O_RDWR } from "../ffi/constants.ts";
import { MiniError } from "../ffi/errors.ts";
import { close, syscall } from "../ffi/kernel.ts";
import { open } from "../ffi/open.ts";

export const DRIVERS = ["bridge", "macvlan", "ipvlan"] as const;
export type Driver = typeof DRIVERS[number];

/** A range of addresses of a network. */
export interface NetworkSubnet {
  /** `172.18.0.0/20` */
  readonly subnet: string;
  /** Absent where there is none: a macvlan network without `--gateway`. */
  readonly gateway?: string;
  /** Only addresses out of this range are given out of themselves. */
  readonly ipRange?: string;
  /** Addresses that are somebody else's, by name. */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

export const NETWORK_VERSION = 1;

/** A network. */
export interface Network {
  readonly version: typeof NETWORK_VERSION;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly driver: Driver;
  /** RFC 3339. */
  readonly created: string;
  /** No way out of it, and none in. */
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly subnets: readonly NetworkSubnet[];
  readonly labels: Readonly<Record<string, string>>;
  /** As given by `--opt`. */
  readonly options: Readonly<Record<string, string>>;
  /** The interface of the host that it is: the bridge itself. */
  readonly bridge?: string;
  /** The interface of the host that it lies on: macvlan and ipvlan. */
  readonly parent?: string;
  /** The driver's mode, `bridge` or `l2`. */
  readonly mode?: string;
  readonly mtu?: number;
  /** Whether containers leave the host with the host's address. */
  readonly masquerade: boolean;
  /** Where ports are published of which nobody says where. */
  readonly publishAddress?: string;
}

/** The network that containers are in of which nobody says where. */
export const DEFAULT_NETWORK = "bridge";

/** What is no network of ours but a word of `--network`. */
const WORDS: readonly string[] = ["none", "host", "default", "container"];

/** @throws {MiniError} for what cannot be the name of a network. */
export function checkNetworkName(name: string): void {
  if (WORDS.includes(name)) throw new MiniError(`a network cannot be called ${name}: it has a meaning of its own`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) {
    throw new MiniError(
      `${JSON.stringify(name)} is no name of a network: use letters, digits, _ . - and begin with a letter or digit`,
    );
  }
}

/** There is no network of that name or id. */
export class NoSuchNetwork extends MiniError {
  override name = "NoSuchNetwork";
  constructor(text: string) {
    super(`No such network: ${text}; 'mini network ls' lists them`);
  }
}

/** The names in a folder; none if there is no such folder. */
export function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What a symbolic link says; undefined if there is none. */
export function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes a file; nothing happens if somebody else has. */
export function unlink(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The networks of this host, on disk. */
export class NetworkStore {
  /** @param root for example `/var/lib/mini`. @param state for example `/run/mini`. */
  constructor(readonly root: string, readonly state: string) {}

  get #folder(): string {
    return `${this.root}/networks`;
  }

  /** Where the leases of a network's addresses are. */
  leases(id: string): string {
    return `${this.state}/networks/leases/${id}`;
  }

  /** Where the leases of the host's ports are. */
  get ports(): string {
    return `${this.state}/networks/ports`;
  }

  /** Does something while no network is made or removed; with `alone`, while nobody is given an address either. */
  locked<T>(alone: boolean, body: () => T): T {
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const lock = open(`${this.#folder}/.lock`, O_CREAT | O_RDWR, 0o600);
    try {
      syscall("flock", lock, alone ? LOCK_EX : LOCK_SH);
      return body();
    } finally {
      close(lock);
    }
  }

  /** @throws {MiniError} for a record that is damaged or of a newer mini. */
  read(name: string): Network | undefined {
    let text: string;
    try {
      text = Deno.readTextFileSync(`${this.#folder}/${name}.json`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    let network: Network | null = null;
    try {
      network = JSON.parse(text);
    } catch {
      // said below
    }
    if (network && network.version > NETWORK_VERSION) {
      throw new MiniError(`the network ${name} was made by a newer mini (version ${network.version}): use that one`);
    }
    if (!network || network.name !== name || typeof network.id !== "string" || !Array.isArray(network.subnets)) {
      throw new MiniError(
        `the record of the network ${name} is damaged; remove ${this.#folder}/${name}.json to be rid of it`,
      );
    }
    return network;
  }

  /** Every network, by name. */
  list(): Network[] {
    return names(this.#folder).filter((name) => name.endsWith(".json")).toSorted().flatMap((name) => {
      const network = this.read(name.slice(0, -5));
      return network ? [network] : [];
    });
  }

  /** The network of a name, an id, or the beginning of an id. @throws {NoSuchNetwork} @throws {MiniError} for more than one. */
  get(text: string): Network {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$/.test(text)) throw new NoSuchNetwork(JSON.stringify(text));
    const named = this.read(text);
    if (named) return named;
    const found = this.list().filter((network) => network.id.startsWith(text));
    if (found.length > 1) {
      throw new MiniError(`${text} is the beginning of ${found.length} networks' ids: give more of it`);
    }
    if (!found[0]) throw new NoSuchNetwork(text);
    return found[0];
  }

  /** Writes a network down, whole or not at all. */
  write(network: Network): void {
    const path = `${this.#folder}/${network.name}.json`, unfinished = `${this.#folder}/.${network.id}`;
    Deno.writeTextFileSync(unfinished, JSON.stringify(network), { mode: 0o600 });
    Deno.renameSync(unfinished, path);
  }

  /** Removes the record of a network and the folder of its leases, of which there must be none. */
  remove(network: Network): void {
    unlink(`${this.#folder}/${network.name}.json`);
    try {
      Deno.removeSync(this.leases(network.id), { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
