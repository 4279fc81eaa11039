/** How pasta(1) and slirp4netns(1) are told what to do. */
import { O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { MiniError } from "../../ffi/errors.ts";
import { close } from "../../ffi/kernel.ts";
import { open } from "../../ffi/open.ts";
import { parseIp } from "../../network/address.ts";
import type { PublishedPort } from "../../network/ports.ts";
import { NAMESPACE } from "./network_program.ts";

/** A program that stands between a container's network and the host's. */
export interface Helper {
  readonly name: string;
  /** Where it was found. */
  readonly path?: string;
  /** Its arguments, of which one is the path of the container's network. */
  arguments(ports: readonly PublishedPort[]): string[];
  /** It tells by descriptor 3 when it is ready; otherwise by the file of its own number, READY_FIFO. */
  readonly readyDescriptor?: true;
  /** The address that it answers names at. */
  readonly resolver: string;
  /** Publishes ports, where it is not told about them at its start. @param folder where its socket is. */
  publish?(folder: string, ports: readonly PublishedPort[]): Promise<void>;
}

/** What becomes readable when a helper is ready. */
export const READY_FIFO = "network.ready";

const SLIRP_SOCKET = "slirp", SLIRP_ADDRESS = "10.0.2.100", PASTA_RESOLVER = "169.254.1.1";

/** In the order in which they are tried. */
export const HELPERS: readonly Helper[] = [
  {
    name: "pasta",
    resolver: PASTA_RESOLVER,
    arguments: (ports) => [
      "--config-net",
      "--foreground",
      "--quiet",
      ...["--pid", READY_FIFO],
      ...["--dns-forward", PASTA_RESOLVER],
      // Nothing of the host's own loopback, and nothing that was not asked for.
      "--no-map-gw",
      ...forwards("-t", ports.filter(({ protocol }) => protocol === "tcp")),
      ...forwards("-u", ports.filter(({ protocol }) => protocol === "udp")),
      ...["-T", "none", "-U", "none"],
      ...["--netns", NAMESPACE],
    ],
  },
  {
    name: "slirp4netns",
    resolver: "10.0.2.3",
    readyDescriptor: true,
    arguments: (ports) => [
      "--configure",
      "--mtu=65520",
      "--disable-host-loopback",
      "--ready-fd=3",
      ...ports.length > 0 ? [`--api-socket=${SLIRP_SOCKET}`] : [],
      "--netns-type=path",
      NAMESPACE,
      "tap0",
    ],
    publish: publishBySlirp,
  },
];

function forwards(flag: string, ports: readonly PublishedPort[]): string[] {
  if (ports.length === 0) return [flag, "none"];
  return ports.flatMap(({ hostIp, hostPort, containerPort }) => [flag, `${hostIp}/${hostPort}:${containerPort}`]);
}

/** slirp4netns(1), "API socket": one request in JSON for each connection. */
async function publishBySlirp(folder: string, ports: readonly PublishedPort[]): Promise<void> {
  if (ports.length === 0) return;
  // The path of a socket has 107 bytes at most, and the folder's may have more.
  const fd = open(folder, O_PATH | O_DIRECTORY);
  try {
    for (const { protocol, hostIp, hostPort, containerPort } of ports) {
      if (parseIp(hostIp)?.version !== 4) {
        throw new MiniError(`slirp4netns cannot publish at ${hostIp}: it knows IPv4 alone`);
      }
      using socket = await Deno.connect({ transport: "unix", path: `/proc/self/fd/${fd}/${SLIRP_SOCKET}` });
      const request = {
        execute: "add_hostfwd",
        arguments: {
          proto: protocol,
          host_addr: hostIp,
          host_port: hostPort,
          guest_addr: SLIRP_ADDRESS,
          guest_port: containerPort,
        },
      };
      await socket.write(new TextEncoder().encode(JSON.stringify(request)));
      await socket.closeWrite();
      const answer = await new Response(socket.readable).text();
      const { error } = JSON.parse(answer) as { error?: { desc?: string } };
      if (error) throw new MiniError(`slirp4netns cannot publish ${hostIp}:${hostPort} (${error.desc})`);
    }
  } finally {
    close(fd);
  }
}
