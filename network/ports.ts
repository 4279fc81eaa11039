/** `-p`: what is written behind it, and what becomes of it. */
import { MiniError } from "../ffi/errors.ts";
import { formatIp, type Ip, parseIp } from "./address.ts";

export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export type Protocol = typeof PROTOCOLS[number];
/** Their numbers in IP, protocols(5). */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** `::1` */
export const isLoopback6 = ({ version, value }: Ip): boolean => version === 6 && value === 1n;
export const NOT_AT_LOOPBACK6 =
  "nothing can be published at ::1, since the kernel takes answers to it from no container; take 127.0.0.1 or [::]";

/** A port of a container that is asked to be reachable from outside of it. */
export interface PortWish {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** The addresses of the host that it is to be reachable at; without one the configured ones. */
  readonly hostIp?: string;
  /** The first and the last port of the host that may be taken; without them any that is free. */
  readonly hostPorts?: readonly [first: number, last: number];
}

/** A port that is published, as it is written down. */
export interface PublishedPort {
  readonly protocol: Protocol;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

const refuse = (text: string, why: string) => new MiniError(`--publish ${JSON.stringify(text)}: ${why}`);

function readRange(text: string, whole: string): [first: number, last: number] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]), last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > 65535 || last > 65535) {
    throw refuse(
      whole,
      `${text === "" ? "a port is missing" : `${text} is no port`}; write HOST:CONTAINER, as 8080:80`,
    );
  }
  if (last < first) throw refuse(whole, `the range ${text} ends before it begins`);
  return [first, last];
}

function readProtocol(text: string, whole: string): Protocol {
  const protocol = PROTOCOLS.find((name) => name === text.toLowerCase());
  if (!protocol) throw refuse(whole, `there is no protocol ${text}; ${PROTOCOLS.join(", ")} are known`);
  return protocol;
}

/**
 * `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where HOST and CONTAINER may be ranges. A host range may be longer than one container
 * port: then the first that is free is taken.
 *
 * @throws {MiniError}
 */
export function readPublish(text: string): PortWish[] {
  const slash = text.lastIndexOf("/");
  const protocol = slash < 0 ? "tcp" : readProtocol(text.slice(slash + 1), text);
  let rest = slash < 0 ? text : text.slice(0, slash);
  const colon = rest.lastIndexOf(":");
  const container = readRange(rest.slice(colon + 1), text);
  if (container[0] === 0) throw refuse(text, "a container has no port 0");
  let hostIp: string | undefined, host: [number, number] | undefined;
  if (colon >= 0) {
    rest = rest.slice(0, colon);
    const bracketed = /^\[(.*)\](?::(.*))?$/.exec(rest), before = rest.lastIndexOf(":");
    const address = bracketed ? bracketed[1]! : before < 0 ? "" : rest.slice(0, before);
    const port = bracketed ? bracketed[2] ?? "" : before < 0 ? rest : rest.slice(before + 1);
    // `127.0.0.1::80` and `127.0.0.1:80` with an address in the last place but one are any port of that address.
    const onlyAddress = before < 0 && !bracketed && parseIp(port) !== undefined;
    if (address !== "" || bracketed || onlyAddress) {
      const ip = parseIp(onlyAddress ? port : address);
      if (!ip || (!bracketed && ip.version === 6)) {
        throw refuse(
          text,
          `${address || rest} is no address of this host; IPv6 addresses are written as [::1]:8080:80`,
        );
      }
      if (isLoopback6(ip)) throw refuse(text, NOT_AT_LOOPBACK6);
      hostIp = formatIp(ip);
    }
    if (!onlyAddress && port !== "") host = readRange(port, text);
    else if (hostIp === undefined) throw refuse(text, "the port of the host is missing before the colon");
  }
  const count = container[1] - container[0] + 1;
  if (host && host[1] - host[0] + 1 !== count && count > 1) {
    throw refuse(text, `the host's range has ${host[1] - host[0] + 1} ports and the container's ${count}`);
  }
  return Array.from({ length: count }, (_, i): PortWish => ({
    protocol,
    containerPort: container[0] + i,
    ...hostIp === undefined ? {} : { hostIp },
    // Port 0 of the host is any.
    ...host === undefined || host[0] === 0 ? {} : { hostPorts: count > 1 ? [host[0] + i, host[0] + i] as const : host },
  }));
}

/** `80`, `80/udp`, `8000-8010`: what `--expose` and images say. @throws {MiniError} */
export function readExposed(text: string): PortWish[] {
  const slash = text.lastIndexOf("/"), range = slash < 0 ? text : text.slice(0, slash);
  if (range.includes(":")) throw new MiniError(`--expose ${JSON.stringify(text)} is no port of a container, as 80/tcp`);
  return readPublish(text);
}

/** The address with a port behind it: `127.0.0.1:80`, `[::1]:80`. */
export const withPort = (ip: string, port: number) => ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;

const order = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;

/** The words of `ps`: `127.0.0.1:8080->80/tcp`, neighbouring ports as ranges, exposed ports that are not published as `80/tcp`. */
export function describePorts(published: readonly PublishedPort[], exposed: readonly string[] = []): string {
  const sorted = published.toSorted((a, b) =>
    a.containerPort - b.containerPort || order(a.protocol, b.protocol) ||
    Number(a.hostIp.includes(":")) - Number(b.hostIp.includes(":")) || order(a.hostIp, b.hostIp) ||
    a.hostPort - b.hostPort
  );
  const runs: { first: PublishedPort; last: PublishedPort }[] = [];
  for (const port of sorted) {
    const run = runs.find(({ first, last }) =>
      first.hostIp === port.hostIp && first.protocol === port.protocol &&
      last.containerPort + 1 === port.containerPort && last.hostPort + 1 === port.hostPort
    );
    if (run) run.last = port;
    else runs.push({ first: port, last: port });
  }
  const range = (first: number, last: number) => first === last ? `${first}` : `${first}-${last}`;
  const words = runs.map(({ first, last }) => {
    const host = `${withPort(first.hostIp, first.hostPort)}${first === last ? "" : `-${last.hostPort}`}`;
    return `${host}->${range(first.containerPort, last.containerPort)}/${first.protocol}`;
  });
  const open = new Set(published.map((p) => `${p.containerPort}/${p.protocol}`));
  return [...words, ...exposed.filter((port) => !open.has(port))].join(", ");
}
