/**
 * The network of an ordinary user's container: nothing of the host's may be changed, so that a program of the user's own stands
 * between the container's network and the host's and hands packets over as connections of its own: pasta(1) or slirp4netns(1).
 */
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, S_IFIFO } from "../../ffi/constants.ts";
import { Errno, MiniError, SyscallError } from "../../ffi/errors.ts";
import { close, syscall, trySyscall } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { readable } from "../../ffi/reactor.ts";
import { spawn, type Spawned } from "../../ffi/spawn.ts";
import { makePair } from "../../ffi/take.ts";
import { parseIp } from "../../network/address.ts";
import { reachableConfiguration } from "../../network/dns/upstreams.ts";
import type { ContainerNetworks } from "../../network/endpoints.ts";
import { freePort, leasePorts } from "../../network/port_leases.ts";
import type { PortWish } from "../../network/ports.ts";
import type { NetworkStore } from "../../network/store.ts";
import { cgroupTree, openCgroup } from "../../runtime/cgroup.ts";
import { OWN_CGROUP } from "../cgroups.ts";
import type { Containers } from "../containers.ts";
import { resolverFile, setHosts, setResolver } from "../etc.ts";
import { networkContext, type PreparedNetworks, wishedPorts, writeNetworks } from "../network.ts";
import { type KnownProcess, openProcess, startTicks } from "../process.ts";
import type { ContainerRecord } from "../record.ts";
import { findProgram } from "./find.ts";
import { HELPER, networkProgram } from "./network_program.ts";
import { checkUserNetworks } from "./network_rules.ts";
import { type Helper, HELPERS, READY_FIFO } from "./network_helpers.ts";

/** What a container of an ordinary user has of networks, as it is written down. */
export interface UserNetworks extends ContainerNetworks {
  /** The process of pasta or slirp4netns. */
  readonly helper?: KnownProcess & { readonly name: string };
}

const LOG = "network.log";

/** The programs that are here and why there is none, in the order in which they are tried. */
function helpersHere(): Helper[] {
  return HELPERS.flatMap((helper) => {
    const path = findProgram(helper.name);
    return path === undefined ? [] : [{ ...helper, path }];
  });
}

/** What keeps any of them from working; undefined if there is nothing. */
function obstacle(): string | undefined {
  const R_OK_W_OK = 6;
  const result = trySyscall("faccessat", AT_FDCWD, "/dev/net/tun", R_OK_W_OK);
  if (result === 0) return undefined;
  return result === -Errno.ENOENT
    ? "there is no /dev/net/tun ('sudo modprobe tun' makes it)"
    : "ordinary users cannot open /dev/net/tun ('sudo chmod 666 /dev/net/tun' lets them)";
}

/**
 * Prepares the network of a container that is about to be started.
 *
 * @throws {MiniError} with status 125 when ports cannot be published; nothing is left behind then.
 */
export function prepareUserNetwork(
  containers: Containers,
  record: ContainerRecord,
  note: (sentence: string) => void,
): PreparedNetworks {
  const { id, config } = record, wishes = wishedPorts(config);
  const helpers = helpersHere(), folder = containers.folder(id);
  checkUserNetworks(config.networks ?? []);
  const missing = helpers.length === 0
    ? "neither pasta nor slirp4netns is here ('sudo apt-get install passt' brings pasta)"
    : obstacle();
  if (missing !== undefined && wishes.length > 0) throw new MiniError(`ports cannot be published: ${missing}`, 125);
  setHosts(folder, config.hostname, [], config.names);
  if (missing !== undefined) {
    note(`the container has no network but its own loopback, since ${missing}`);
    return { configure: () => {}, served: undefined, close: () => {}, release: () => {} };
  }
  const { store } = networkContext(containers, note);
  let networks = reservePorts(containers, record, wishes, note);
  writeNetworks(containers, id, networks);
  return {
    configure: async (pid, socket) => {
      close(socket);
      let why = "";
      for (const helper of helpers) {
        try {
          const started = await startHelper(containers, id, helper, networks, pid);
          networks = { ...networks, helper: started };
          writeNetworks(containers, id, networks);
          setResolver(folder, ownResolver(helper, config.names));
          return;
        } catch (error) {
          if (!(error instanceof MiniError)) throw error;
          why = error.message;
        }
      }
      if (wishes.length > 0) throw new MiniError(`ports cannot be published: ${why}`, 125);
      note(`the container has no network but its own loopback: ${why}`);
    },
    served: undefined,
    close: () => {},
    release: () => releaseUserNetworks(store, id, networks),
  };
}

/** Names are asked of the helper, which asks whom the host asks. */
const ownResolver = ({ resolver }: Helper, names: ContainerRecord["config"]["names"] = {}) =>
  resolverFile(reachableConfiguration(), { ...names, servers: names.servers ?? [resolver] });

function reservePorts(
  containers: Containers,
  { id }: ContainerRecord,
  wishes: readonly PortWish[],
  note: (sentence: string) => void,
): UserNetworks {
  const { store, config, isAlive } = networkContext(containers, note);
  const odd = wishes.find(({ protocol }) => protocol === "sctp");
  if (odd) throw new MiniError(`the port ${odd.containerPort}/sctp cannot be published without root: tcp and udp can`);
  const defaults = config.publishAddresses.filter(({ version }) => version === 4);
  try {
    const ports = leasePorts(
      store,
      wishes.map(({ protocol, containerPort, hostPorts, hostIp }) => ({
        protocol,
        containerPort,
        hostPorts,
        hostIps: hostIp === undefined ? defaults : [parseIp(hostIp)!],
        containerIp: () => "127.0.0.1",
      })),
      id,
      isAlive,
    ).map((port) => ({ ...port, containerIp: "127.0.0.1" }));
    return { version: 1, endpoints: [], ports };
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === Errno.EACCES)) throw error;
    const first = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start").trim();
    throw new MiniError(
      `without root only ports from ${first} on can be published: take a higher one, or allow it ` +
        `('sudo sysctl net.ipv4.ip_unprivileged_port_start=80')`,
      125,
    );
  }
}

/** Starts a helper and waits until the network is there. @throws {MiniError} with what it said; it has ended then. */
async function startHelper(
  containers: Containers,
  id: string,
  helper: Helper,
  { ports }: UserNetworks,
  pid: number,
): Promise<NonNullable<UserNetworks["helper"]>> {
  const folder = containers.stateFolder(id), log = `${folder}/${LOG}`, fifo = `${folder}/${READY_FIFO}`;
  const fds: number[] = [];
  const keep = (fd: number) => (fds.push(fd), fd);
  const close1 = (fd: number) => {
    fds.splice(fds.indexOf(fd), 1);
    close(fd);
  };
  let holder: Spawned | undefined;
  try {
    trySyscall("unlinkat", AT_FDCWD, log, 0);
    trySyscall("unlinkat", AT_FDCWD, fifo, 0);
    syscall("mknodat", AT_FDCWD, fifo, S_IFIFO | 0o600, 0);
    const ready = keep(open(fifo, O_RDONLY | O_NONBLOCK));
    const [ours, theirs] = makePair().map(keep) as [number, number];
    const parts = {
      nothing: keep(open("/dev/null", O_RDWR)),
      said: keep(syscall("openat", AT_FDCWD, log, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)),
      sync: theirs,
      ready: helper.readyDescriptor ? keep(open(fifo, O_WRONLY)) : undefined,
      namespace: keep(open(`/proc/${pid}/ns/net`, O_RDONLY)),
      container: keep(syscall("pidfd_open", pid, 0)),
    };
    const tree = cgroupTree(), own = tree && openCgroup(tree, OWN_CGROUP);
    if (own) keep(own.fd);
    holder = spawn(networkProgram({ ...parts, command: [helper.path!, ...helper.arguments(ports)], folder }), {
      cgroup: own?.fd,
      pass: Object.values(parts).filter((fd) => fd !== undefined),
    });
    close1(theirs);
    if (parts.ready !== undefined) close1(parts.ready);
    const number = new BigUint64Array(1);
    if (!await readable(ours) || syscall("read", ours, number, 8) !== 8) {
      const failure = holder.results.failure();
      throw new MiniError(`${helper.name} cannot be started (${failure?.operation.call} failed)`);
    }
    const child = keep(syscall("pidfd_getfd", holder.pidfd, holder.results.of(HELPER)!, 0));
    const ticks = startTicks(Number(number[0]));
    const path = new TextEncoder().encode(`/proc/${holder.pid}/ns/net\0`);
    syscall("write", ours, path, path.length);
    const giveUp = new AbortController();
    const isReady = await Promise.race([
      readable(ready, giveUp.signal),
      readable(child, giveUp.signal).then(() => false),
    ]);
    giveUp.abort();
    if (!isReady) throw new MiniError(said(helper.name, log));
    if (helper.publish) await helper.publish(folder, ports);
    return { name: helper.name, pid: Number(number[0]), ...ticks === undefined ? {} : { pidStartTicks: ticks } };
  } finally {
    if (holder) {
      close(holder.pidfd);
      holder.results.close();
    }
    fds.forEach(close);
  }
}

/** What it said last, in a sentence. */
function said(name: string, log: string): string {
  const lines = Deno.readTextFileSync(log).split("\n").filter((line) =>
    line && !/^Failed to send \d+ bytes/.test(line)
  );
  return `${name} failed${lines.length > 0 ? ` (${lines.at(-1)!.replace(/\.$/, "")})` : ""}`;
}

/** How long a process has that was killed. */
const PATIENCE_SECONDS = 5;

/** Ends the network of a container and gives its ports back. May be done again, by anybody who clears up after it. */
export function releaseUserNetworks(store: NetworkStore, id: string, { helper, ports }: UserNetworks): void {
  const pidfd = helper && openProcess(helper);
  if (pidfd !== undefined) {
    trySyscall("pidfd_send_signal", pidfd, SIGKILL, null, 0);
    // Its ports are to be free for the next.
    trySyscall("ppoll", new Int32Array([pidfd, 1]), 1, new BigInt64Array([BigInt(PATIENCE_SECONDS), 0n]), null, 8);
    close(pidfd);
  }
  for (const port of ports) freePort(store, port, id);
}

const SIGKILL = 9;
