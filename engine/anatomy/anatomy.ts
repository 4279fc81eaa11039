/** A container that runs, taken apart: what the kernel says of it, beside what is written down. */
import { MiniError } from "../../ffi/errors.ts";
import { NetworkStore } from "../../network/store.ts";
import type { PublishedPort } from "../../network/ports.ts";
import type { Containers, Found } from "../containers.ts";
import { networksOf } from "../network_view.ts";
import { containerPids, readProc, readProcess } from "../processes.ts";
import { mounts, type MountView } from "./mounts.ts";
import { namespaces, type NamespaceView } from "./namespaces.ts";
import { rights, type RightsView } from "./rights.ts";

/** A process of a container. */
export interface ProcessView {
  readonly pid: number;
  /** Its number in the container, and in namespaces that the container has made; the host's number is not among them. */
  readonly inside: readonly number[];
  readonly parent: number;
  readonly uid: number;
  readonly command: string;
}

/** A container's way out: its interface, the host's end of the cable, the bridge, the host's ports. */
export interface NetworkPath {
  readonly network: string;
  readonly driver: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly mac?: string;
  readonly gateway?: string;
  readonly hostInterface?: string;
  /** What the host's end is plugged into. */
  readonly bridge?: string;
}

/** A container, taken apart. */
export interface Anatomy {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** The host's number of its first process. */
  readonly pid: number;
  readonly namespaces: readonly NamespaceView[];
  readonly cgroup?: { readonly path: string; readonly files: Readonly<Record<string, string>> };
  readonly mounts: readonly MountView[];
  readonly rights: RightsView;
  readonly network: {
    readonly mode: string;
    /** All interfaces that it sees. */
    readonly interfaces: readonly string[];
    readonly paths: readonly NetworkPath[];
    readonly ports: readonly (PublishedPort & { readonly containerIp: string })[];
  };
  /** Of its first process. */
  readonly descriptors: readonly { readonly fd: number; readonly target: string }[];
  readonly processes: readonly ProcessView[];
}

/** @throws {MiniError} for a container that does not run. */
export async function anatomy(containers: Containers, { record, running }: Found): Promise<Anatomy> {
  const gone = () => new MiniError(`container ${record.name} is not running, so there is nothing to take apart`);
  if (!running || !(running.pid > 0)) throw gone();
  const { pid } = running;
  const spec = containers.spec(record.id);
  const others = (await containers.list(() => {})).flatMap(({ record: other, running }) =>
    other.id === record.id || !running || running.pid <= 0 ? [] : [{ name: other.name, pid: running.pid }]
  );
  const may = rights(pid, spec.linux?.seccomp), mountinfo = readProc(pid, "mountinfo");
  if (!may || mountinfo === undefined) throw gone();
  return {
    id: record.id,
    name: record.name,
    image: record.image,
    pid,
    namespaces: namespaces(pid, others),
    ...running.cgroup === undefined ? {} : { cgroup: { path: running.cgroup, files: cgroupFiles(running.cgroup) } },
    mounts: mounts(mountinfo, record, spec.mounts ?? []),
    rights: may,
    network: networkOf(containers, record.id, record.config.network, pid),
    descriptors: descriptorsOf(pid),
    processes: containerPids(running).flatMap((one) => viewOf(one, pid) ?? []),
  };
}

/** Those with a value; whatever takes more than a line is not for a table. */
const SHOWN = /^(cgroup\.(freeze|max\.depth|stat|type)|(cpu|cpuset|memory|pids|io|hugetlb|rdma|misc)\..*)$/;

/** The files of a cgroup that say something about it, as they are now. */
function cgroupFiles(folder: string): Record<string, string> {
  const names = [...Deno.readDirSync(folder)].flatMap(({ name, isFile }) => isFile && SHOWN.test(name) ? [name] : []);
  return Object.fromEntries(
    names.sort().flatMap((name) => {
      try {
        const value = Deno.readTextFileSync(`${folder}/${name}`).trim();
        return value === "" ? [] : [[name, value]];
      } catch {
        return []; // some can only be written, as memory.reclaim, or need a controller that is off
      }
    }),
  );
}

function networkOf(containers: Containers, id: string, mode: string, pid: number): Anatomy["network"] {
  const networks = networksOf(containers, id), store = new NetworkStore(containers.root, containers.state);
  const interfaces = (readProc(pid, "net/dev") ?? "").split("\n").slice(2).flatMap((line) =>
    line.includes(":") ? [line.slice(0, line.indexOf(":")).trim()] : []
  );
  return {
    mode,
    interfaces,
    paths: (networks?.endpoints ?? []).map((endpoint) => {
      const bridge = endpoint.hostInterface && store.read(endpoint.network)?.bridge;
      const gateway = endpoint.ipv4?.gateway ?? endpoint.ipv6?.gateway;
      return {
        network: endpoint.network,
        driver: endpoint.driver,
        interface: endpoint.interface,
        addresses: [endpoint.ipv4, endpoint.ipv6].flatMap((one) => one ? [`${one.ip}/${one.prefix}`] : []),
        ...endpoint.mac === undefined ? {} : { mac: endpoint.mac },
        ...gateway === undefined ? {} : { gateway },
        ...endpoint.hostInterface === undefined ? {} : { hostInterface: endpoint.hostInterface },
        ...bridge === undefined ? {} : { bridge },
      };
    }),
    ports: networks?.ports ?? [],
  };
}

function descriptorsOf(pid: number): { fd: number; target: string }[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
  return names.map(Number).sort((a, b) => a - b).flatMap((fd) => {
    try {
      return [{ fd, target: Deno.readLinkSync(`/proc/${pid}/fd/${fd}`) }];
    } catch {
      return []; // closed while we look
    }
  });
}

/** @param first the container's first process, whose place says how many of the numbers are the host's. */
function viewOf(pid: number, first: number): ProcessView | undefined {
  const process = readProcess(pid);
  if (!process) return undefined;
  const numbers = (of: number) =>
    (/^NSpid:\s+(.*)$/m.exec(readProc(of, "status") ?? "")?.[1] ?? "").split(/\s+/).map(Number);
  // The last number of the first one is its number in the container; a container in the host's namespace has that one alone.
  const before = numbers(first).length - 1, own = numbers(pid);
  return {
    pid,
    inside: own.slice(before),
    parent: process.parent,
    uid: process.uid,
    command: process.args.length > 0 ? process.args.join(" ") : `[${process.name}]`,
  };
}
